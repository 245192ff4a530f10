"""Writes files into a hidden folder inside the output folder, from which a rename commits them.

Files are in ``<output>/.sabotnb-<job>-<epoch>/``, on the same file system; ``prepare`` makes them durable and says
what ``publishing.FileCommitter`` has to rename.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from sabotnb.connectors.folders.hive import can_be_folder, folder_name
from sabotnb.connectors.folders.paths import LONGEST_NAME
from sabotnb.connectors.formats.writers import FORMATS, FileWriter, output_schema
from sabotnb.connectors.sinks.claims import claim, refuse_writers
from sabotnb.connectors.sinks.folder_locks import alone_in
from sabotnb.connectors.sinks.ownership import published_name
from sabotnb.errors import SinkError
from sabotnb.graph import Sink as Spec
from sabotnb.native import Orders, compact, decoded_array, own_bytes, without_order
from sabotnb.protocol import Committable, OperatorContext, Out, SinkOperator

FLUSH_ROWS = 131_072
FLUSH_BYTES = 64 << 20
"""Bytes of the rows that wait in all files of a task together."""

MAX_OPEN_FILES = 64
MADE = "made.folders"
"""A list of the folders that were made for the output: without output, they are removed again."""

LETTERS_OF_OPERATOR = 80
"""Enough to know it by; ``name`` is unique without it."""


def sink(spec: Spec, schema: pa.Schema) -> FileSink:
    """The operator that writes rows of ``schema`` as ``spec`` says.

    SinkError if the format lacks one of its types, or folders cannot have the values of a column of ``partition_by``.
    """
    if spec.connector not in FORMATS:
        raise SinkError(f"there is no sink connector {spec.connector!r}; there are {', '.join(FORMATS)}")
    written = output_schema(spec.connector, schema)
    for name in spec.options.get("partition_by") or ():
        if not can_be_folder(written.field(name).type):
            raise SinkError(
                f"partition_by: column {name!r} is {written.field(name).type}, which cannot be the name of a folder: "
                "partition by a number, text, boolean, date or time made of it"
            )
    return FileSink(spec, written)


def hidden_folder(output: Path, job: str, epoch: int) -> Path:
    """Where a run of ``job`` keeps what is not published yet; no glob and no reader of folders sees it."""
    return output / f".sabotnb-{quote(job, safe='')}-{epoch}"


def hidden_name(operator: str, name: str) -> str:
    """What a file of ``operator`` is called there; the suffix is for readers whose ``**`` goes into hidden folders."""
    return f"{quote(operator, safe='')[:LETTERS_OF_OPERATOR]}-{name}.partial"


class FileSink(SinkOperator):
    """Writes a file for each task and, if there are partitions, for each of their values.

    Rows wait until there are enough for a row group of good size. When too many files are open, the one that was
    written to longest ago is closed and its partition continues in a new file.
    """

    def __init__(self, spec: Spec, schema: pa.Schema) -> None:
        self._format = FORMATS[spec.connector]
        self._output = Path(spec.options["path"])
        self._keys: list[str] = list(spec.options.get("partition_by") or ())
        ordered = {field.name for field in schema} - set(self._keys)
        self._schema = without_order(schema, ordered)  # names of folders are text
        self._orders = Orders(self._schema)
        self._open: dict[str, _File] = {}
        self._complete: list[dict[str, Any]] = []
        self._made = 0
        self._appends = spec.options.get("mode") == "append"
        self._claim: int | None = None

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        # Names are new in every run, so that output is replaced or added to without ever overwriting a file.
        self._name = f"part-{ctx.index:05}-{secrets.token_hex(4)}"
        self._hidden = hidden_folder(self._output, ctx.job, ctx.epoch)
        with writing(self._output):
            above = [str(folder) for folder in make_folder(self._hidden) if folder != self._hidden]
            if above:
                (self._hidden / MADE).write_text(json.dumps(above))
            with alone_in([self._output]):  # of two runs that start at once, the first gets the folder
                self._claim = claim(self._hidden, appends=self._appends)
                refuse_writers(self._output, appends=self._appends, but=lambda writer: writer.job == ctx.job)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        arrays = [_plain(column, field.type) for column, field in zip(batch.columns, self._schema, strict=True)]
        rows = self._orders.aligned(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        with writing(self._output):
            for folder, piece in _partitions(rows, self._keys):
                self._file(folder).add(piece)
            while sum(file.waiting_bytes for file in self._open.values()) > FLUSH_BYTES:
                max(self._open.values(), key=lambda file: file.waiting_bytes).flush()
        self._ctx.counters.rows_out += batch.num_rows
        return ()

    def prepare(self, cut: int) -> list[Committable]:
        with writing(self._output):
            if not self._made and not self._complete and self._ctx.index == 0:
                self._file("")  # readers of an empty result find its schema
            for file in self._open.values():
                self._complete.append(file.finish())
            self._open.clear()
            sync_folder(self._hidden)
        complete, self._complete = self._complete, []
        return [Committable(self._ctx.operator, {"cut": cut, "files": complete})] if complete else []

    def close(self) -> None:
        for file in self._open.values():
            file.discard()
        self._open.clear()
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _file(self, folder: str) -> _File:
        file = self._open.pop(folder, None)
        if file is None:
            if len(self._open) >= MAX_OPEN_FILES:
                oldest = next(iter(self._open))
                self._complete.append(self._open.pop(oldest).finish())
            name, suffix = f"{self._name}-{self._made}", self._format.suffix
            self._made += 1
            file = _File(
                self._hidden / hidden_name(self._ctx.operator, name + suffix),
                str(Path(folder) / published_name(name, self._ctx.job, suffix)),
                self._format.open,
                self._schema,
            )
        self._open[folder] = file  # the last one of the dict is the one used last
        return file


class _File:
    """A hidden file that is being written; ``final`` is its name below the output folder."""

    def __init__(self, hidden: Path, final: str, open_writer: Any, schema: pa.Schema) -> None:
        self._path = hidden
        self._final = final
        self._schema = schema
        self._stream = pa.OSFile(str(hidden), "wb")
        try:
            self._writer: FileWriter = open_writer(self._stream, schema)
        except BaseException:
            self._stream.close()
            hidden.unlink()
            raise
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._rows = 0
        self.waiting_bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows, which wait in memory until there are FLUSH_ROWS of them, or until ``flush``."""
        nbytes = own_bytes(batch)
        self._waiting.append(compact(batch, nbytes))
        self._waiting_rows += batch.num_rows
        self.waiting_bytes += nbytes
        if self._waiting_rows >= FLUSH_ROWS:
            self.flush()

    def finish(self) -> dict[str, Any]:
        """Complete the file, force it to the disk and describe it for the committer."""
        self.flush()
        self._writer.close()
        self._stream.close()
        with self._path.open("rb+") as opened:
            os.fsync(opened.fileno())
        return {"hidden": str(self._path), "final": self._final, "rows": self._rows}

    def discard(self) -> None:
        """Remove the file, which no report has named."""
        with suppress(OSError, pa.ArrowException):  # what cannot be written any more goes away with the rest
            self._writer.close()
        with suppress(OSError, pa.ArrowException):
            self._stream.close()
        self._path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Write the rows that wait."""
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema).combine_chunks())
            self._rows += self._waiting_rows
            self._waiting, self._waiting_rows, self.waiting_bytes = [], 0, 0


def _plain(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    return column if column.type.equals(data_type) else decoded_array(column)


def _partitions(batch: pa.RecordBatch, keys: list[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of each combination of key values with their folder, such as ``carrier=AA/origin=EWR``."""
    if not keys:
        yield "", batch
        return
    codes = np.zeros(batch.num_rows, dtype=np.int64)
    for key in keys:
        encoded = batch.column(key).dictionary_encode(null_encoding="encode")
        # Renumbered after each key, so that the product of the numbers of values cannot overflow.
        combined = codes * len(encoded.dictionary) + encoded.indices.to_numpy(zero_copy_only=False)
        codes = np.unique(combined, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[order], prepend=-1)).tolist()
    in_order = batch.take(pa.array(order))
    for start, stop in zip(bounds, [*bounds[1:], batch.num_rows], strict=True):
        piece = in_order.slice(start, stop - start)
        yield "/".join(_folder(key, piece.column(key)[0]) for key in keys), piece


def _folder(key: str, value: pa.Scalar) -> str:
    name = folder_name(key, value)
    if len(name) > LONGEST_NAME:
        raise SinkError(
            f"a value of column {key!r} is too long for the name of a folder ({str(value.as_py())[:40]!r}...): "
            "partition by a part of it, such as col(...).str.slice(0, 20)"
        )
    return name


def make_folder(folder: Path) -> list[Path]:
    """Make ``folder`` and what is missing above it, and make their names durable; returns what was missing."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)
    return missing


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable, where the platform can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Turn what goes wrong below ``output`` into a SinkError that names it."""
    try:
        yield
    except PermissionError as error:
        raise SinkError(f"'{output}' may not be written: give this user the right, or another folder") from error
    except FileNotFoundError as error:
        raise SinkError(
            f"'{error.filename or output}' is gone, or cannot be made there: run the job again, or give another folder"
        ) from error
    except OSError as error:
        raise SinkError(f"writing into '{output}' failed ({error}): make room there, or give another folder") from error
