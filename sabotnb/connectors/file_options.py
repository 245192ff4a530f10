"""Options in the specs of all file sources, splits of text files, and sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sabotnb.connectors.file_schemas import to_text
from sabotnb.connectors.folders.paths import Paths, absolute, listed, reading
from sabotnb.connectors.formats.byte_ranges import Bounds
from sabotnb.connectors.sources.raw_batches import SourceEstimate
from sabotnb.errors import SourceError
from sabotnb.protocol import Split


def source_options(
    files: Sequence[str], schema: pa.Schema, pace: Mapping[str, Any], follow: Paths | None
) -> dict[str, Any]:
    """JSON-able options: the files, the whole declared schema (see ``declared``), the pace, and the paths to follow."""
    options: dict[str, Any] = {"files": list(files), "schema": to_text(schema), **pace}
    if follow is not None:
        if pace:
            raise SourceError("follow= reads files as they come, so rate= and speed= have no meaning: leave them out")
        options["follow"] = [str(absolute(path)) for path in listed(follow)]
    return options


def section_splits(file: str, bounds: Bounds) -> list[Split]:
    """A split for each section of ``file``."""
    return [
        Split(f"{file}:{start}", {"file": file, "start": start, "stop": stop}, nbytes=stop - start)
        for start, stop in bounds
    ]


def size_of(files: Sequence[str]) -> SourceEstimate:
    """The size of files on disk; the number of rows is unknown."""
    nbytes = 0
    for file in files:
        with reading(file):
            nbytes += Path(file).stat().st_size
    return SourceEstimate(None, nbytes)
