"""Checks an output folder before a run and before a commit: a job replaces only files that it wrote itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePath

from sabotnb.connectors.folders.file_search import is_dotted, is_private
from sabotnb.connectors.folders.paths import broken_link, unusable
from sabotnb.connectors.formats.file_formats import READ_SUFFIXES
from sabotnb.connectors.formats.writers import FORMATS
from sabotnb.connectors.sinks.claims import refuse_writers
from sabotnb.connectors.sinks.folder_changes import writing
from sabotnb.connectors.sinks.ownership import OLD_MARKER, Owners, owners_of
from sabotnb.errors import SinkError
from sabotnb.graph import Sink as Spec
from sabotnb.protocol import RunId

MODES = ("error", "append", "overwrite")


def output_folder(path: str | os.PathLike[str]) -> str:
    """``path`` as an absolute path, which does not depend on a worker's current folder; URLs are returned unchanged.

    SinkError for a value that cannot be the path of a folder.
    """
    if not isinstance(path, str | os.PathLike):
        raise SinkError(f"{path!r} is not a path: give a folder, in which each task writes a file")
    text = os.fspath(path)
    problem = unusable(text)
    if problem:
        raise SinkError(f"{problem}: give a folder, in which each task writes a file")
    return text if "://" in text else str(os.path.abspath(os.path.expanduser(text)))  # noqa: PTH100, PTH111


def check_output(spec: Spec, job: str, runs_here: Callable[[RunId], bool] = lambda _run: True) -> None:
    """Raise a SinkError if ``job`` must not or cannot write to the folder of ``spec``; changes nothing.

    ``runs_here`` is true for runs of ``job`` that the calling cluster knows: the new run starts after those have
    ended, so they do not count as other writers.

    ``append`` adds to any content. ``error`` and ``overwrite`` need a folder that is missing, empty, or has only output
    of the same job, which is replaced when the new output is complete.
    """
    if spec.connector not in FORMATS:
        return
    mode, path = spec.options.get("mode", "error"), spec.options["path"]
    if mode not in MODES:
        raise SinkError(f"mode={mode!r}: choose one of {', '.join(MODES)}")
    if "://" in path:
        raise SinkError(f"'{path}' is not a local path: give a folder that every worker can write to")
    output = Path(path)
    broken = broken_link(output)
    if broken:
        raise SinkError(f"{broken}: correct the link, or give another folder")
    if output.exists() and not output.is_dir():
        raise SinkError(f"'{output}' is a file: give a folder, the output is one file for each task")
    with writing(output):
        check_right_to_write(output)
        refuse_writers(
            output, appends=mode == "append", but=lambda writer: writer.run.job == job and runs_here(writer.run)
        )
        if mode != "append":
            refuse_foreign(output, owners_of(output, data_files(output)), job)


def check_right_to_write(output: Path) -> None:
    """Raise a SinkError unless files can be created in ``output``, or in its nearest parent that exists."""
    there = output
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise SinkError(f"'{there}' is a file, so '{output}' cannot be a folder: give another folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise SinkError(f"'{there}' is not writable: grant write permission or choose another folder")


def refuse_foreign(output: Path, owners: Owners, job: str) -> None:
    """Raise a SinkError if one of ``owners``' files must not be replaced by ``job``."""
    for file, owner in owners.items():
        if owner is None:
            raise SinkError(
                f"'{output}' has files that sabotnb did not write, such as '{file}': "
                "give another folder, remove them, or add to them with mode='append'"
            )
    writers = sorted({owner for owner in owners.values() if owner is not None})
    if len(writers) > 1:
        jobs = ", ".join(map(repr, writers))
        raise SinkError(
            f"'{output}' holds output of several jobs ({jobs}), so none of them may replace it: "
            "give another folder, remove it, or add to it with mode='append'"
        )
    if writers and writers[0] != job:
        raise SinkError(
            f"'{output}' holds output of job {writers[0]!r}, not of {job!r}: "
            f"give another folder, remove it, or run under its name: .run({writers[0]!r})"
        )


def is_data(file: str, connector: str) -> bool:
    """True if the name of ``file`` makes it data for readers of a folder in ``connector``'s format."""
    name = PurePath(file).name.lower()
    return not is_private(name) and any(suffix in READ_SUFFIXES[connector] for suffix in PurePath(name).suffixes)


def data_files(output: Path) -> list[str]:
    """All files below the output folder, except hidden ones and the list of owners that older versions wrote."""
    files = []
    for parent, folders, names in os.walk(output):
        folders[:] = [name for name in folders if not is_dotted(name)]
        files += [os.path.relpath(Path(parent) / name, output) for name in names if not name.startswith(".")]
    return sorted(file for file in files if file != OLD_MARKER)
