"""Saves output that could not be committed in a folder where its user finds it and no later run removes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from sabotnb.connectors.sinks.folder_changes import make_folder, rename, writing
from sabotnb.errors import SinkError
from sabotnb.protocol import RunId


def keep(output: Path, run: RunId, files: Mapping[str, Path]) -> Path | None:
    """Move ``files``, paths by their final names, out of ``output``; returns their new folder, or None.

    The folder is beside the output, so that readers of the output do not see it. If it cannot be created, or is on
    another file system, a hidden folder inside the output is used. A second call finds what the first moved.
    """
    name = f"unpublished-{quote(run.job, safe='')}-{run.number}"
    last = output / f".{name}"
    for folder in (output.with_name(f"{output.name}.{name}"), last):
        try:
            with writing(folder):
                _move(files, folder)
        except SinkError:
            if folder == last:
                raise
        else:
            return folder if folder.is_dir() else None
    return None


def _move(files: Mapping[str, Path], folder: Path) -> None:
    for final, source in files.items():
        if source.exists():
            make_folder((folder / final).parent)
            rename(source, folder / final)
