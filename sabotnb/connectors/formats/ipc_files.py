"""The Arrow IPC source: a file (Feather 2) is split into runs of record batches, a stream is a single split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from sabotnb.connectors.file_options import size_of
from sabotnb.connectors.file_schemas import check_columns
from sabotnb.connectors.folders.paths import reading
from sabotnb.connectors.formats.file_format import FileColumns, FileListing, common_columns
from sabotnb.connectors.sources.raw_batches import RawBatches, ResumePoint, SourceEstimate
from sabotnb.connectors.sources.row_shape import Shape
from sabotnb.graph import Source as Spec
from sabotnb.native import check_batch, check_names
from sabotnb.protocol import Split

SPLIT_BYTES = 16 << 20
_MAGIC = b"ARROW1"
_BROKEN = "it is truncated or no Arrow IPC file; write it again or leave it out"


@dataclass(frozen=True, slots=True)
class IpcFormat:
    """Arrow IPC files, in the file or stream format: they begin with the types."""

    suffixes: ClassVar[tuple[str, ...]] = (".arrow", ".ipc", ".feather", ".arrows")
    has_types: ClassVar[bool] = True
    may_be_empty: ClassVar[bool] = False
    may_grow: ClassVar[bool] = False
    knows_times: ClassVar[bool] = False

    @property
    def options(self) -> Mapping[str, Any]:
        return {}

    def columns(self, listing: FileListing) -> FileColumns:
        return common_columns(listing, [_schema(file) for file in listing.files])

    @staticmethod
    def connector(spec: Spec) -> IpcFiles:
        return IpcFiles(spec)


def _schema(file: str) -> pa.Schema:
    with reading(file, _BROKEN), pa.OSFile(file) as opened:
        schema = _reader(file, opened).schema
        check_names(schema)
        return schema


def _reader(file: str, opened: pa.NativeFile, columns: Sequence[int] | None = None) -> pa.ipc.RecordBatchFileReader:
    options = pa.ipc.IpcReadOptions(included_fields=columns, use_threads=False)
    opener = pa.ipc.open_file if _is_file_format(file) else pa.ipc.open_stream
    return opener(opened, options=options)


def _is_file_format(file: str) -> bool:
    with Path(file).open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


class IpcFiles:
    """Connector of Arrow IPC files."""

    def __init__(self, spec: Spec) -> None:
        self._files: Sequence[str] = spec.options["files"]
        self._columns = Shape.of(spec).columns

    def estimate(self) -> SourceEstimate:
        return size_of(self._files)

    def splits(self) -> list[Split]:
        return [split for file in self._files for split in self.splits_of(file)]

    def splits_of(self, file: str) -> Iterator[Split]:
        """Runs of record batches of about SPLIT_BYTES; all of a stream, which has no index of its batches."""
        with reading(file, _BROKEN):
            size = Path(file).stat().st_size
            if not _is_file_format(file):
                yield Split(file, {"file": file}, nbytes=size)
                return
            with pa.OSFile(file) as opened:
                batches = _reader(file, opened).num_record_batches
        pieces = min(batches, -(-size // SPLIT_BYTES))
        for first, stop in pairwise(batches * i // pieces for i in range(pieces + 1)) if pieces else ():
            position = {"file": file, "first": first, "stop": stop}
            yield Split(f"{file}:{first}", position, nbytes=size * (stop - first) // batches)

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        file = split.position["file"]
        names = _schema(file).names
        check_columns(file, self._columns, names)
        with reading(file, _BROKEN), pa.OSFile(file) as opened:
            reader = _reader(file, opened, [names.index(name) for name in self._columns])
            dictionaries: dict[str, pa.Array] = {}
            for item in _run(reader, split):
                if isinstance(item, ResumePoint):
                    yield item
                    continue
                check_batch(item, known=dictionaries)
                for at in range(0, item.num_rows, batch_rows):
                    yield item.slice(at, batch_rows)


def _run(reader: pa.ipc.RecordBatchFileReader, split: Split) -> Iterator[pa.RecordBatch | ResumePoint]:
    """The record batches of a split; each one of a file has a resume point, as a file has an index of them."""
    if "first" not in split.position:
        yield from reader
        return
    for number in range(split.position.get("at", {}).get("batch", split.position["first"]), split.position["stop"]):
        yield ResumePoint({"batch": number})
        yield reader.get_batch(number)
