"""The sink operator that writes files into a hidden folder, from which a committer renames them.

Theory of operation
-------------------
A task writes to ``<output>/.sabotnb-<job>-<run>.<random>/``: runs of two clusters may have the same id. When the run
has started again, its epoch follows on its number: ``-<run>e2``. The folder is
inside the output folder, so that it is on the same file system and a commit is a rename. Readers skip it, because its
name begins with a dot.

*Open.* The task creates the hidden folder, then takes the lock of the output folder, claims the output and checks for
claims of other jobs, in this order. Of two jobs that start at once, the second therefore sees the claim of the first
and is refused, unless both append. The claim lasts until ``close`` and, if there is output, until the commit. Folders
that had to be created are listed in ``made.folders``: an abort removes them.

*Process.* Rows are split by partition. Columns of ``partition_by`` are in the names of folders only. Each partition has
one open file and a buffer, which is written as one row group when it has FLUSH_ROWS rows. FLUSH_BYTES limits the
buffers of all files together; the largest is written first. At most MAX_OPEN_FILES files are open. Beyond that the
least recently used file is completed, and its partition continues in a new file, so a partition may have several files.

*Roll.* At a cut the task parts with its files, the open ones included: rows that follow go into new ones. Another
thread writes what is buffered, closes and syncs each file, then syncs the hidden folder (``Prepared.durable``). The
committable that is returned describes these files. It must not be returned before the syncs: the committer relies on
files that survive a power failure. At the end of the input, task 0 writes a file without rows if it has had none, for
the schema.

*Close* discards the files that no roll has taken. The others belong to the committer.

Names contain digits that are random for each task and run, so no rename overwrites a file.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from sabotnb import text_limits
from sabotnb.connectors.folders.hive import can_be_folder, folder_name
from sabotnb.connectors.folders.partition_types import with_partition_types
from sabotnb.connectors.folders.paths import LONGEST_NAME
from sabotnb.connectors.formats.text_columns import Unwritable, check_years
from sabotnb.connectors.formats.writers import FORMATS, FileWriter, output_schema
from sabotnb.connectors.sinks.claims import claim, refuse_writers, release
from sabotnb.connectors.sinks.folder_locks import alone_in
from sabotnb.connectors.sinks.ownership import final_name
from sabotnb.errors import SinkError
from sabotnb.graph import Sink as Spec
from sabotnb.native import Orders, compact, decoded_array, own_bytes, without_order, without_orders
from sabotnb.protocol import FINAL_CUT, FIRST_EPOCH, Committable, OperatorContext, Out, Prepared, RunId, SinkOperator

FLUSH_ROWS = 131_072
FLUSH_BYTES = 64 << 20
"""Limit of the bytes that are buffered for all files of a task together."""

MAX_OPEN_FILES = 64
RUN = "run"
"""The option of a spec with the random digits of its run; ``job_request`` sets it."""

MADE = "made.folders"
"""The file that lists the folders created for the output; an abort removes them."""

LETTERS_OF_OPERATOR = 80
"""Letters of an operator's id in a hidden file's name: for people who look; the rest of the name is unique."""


def sink(spec: Spec, schema: pa.Schema) -> FileSink:
    """The operator that writes rows of ``schema`` as ``spec`` says.

    SinkError if the format lacks one of its types, or folders cannot have the values of a column of ``partition_by``.
    """
    if spec.connector not in FORMATS:
        raise SinkError(f"there is no sink connector {spec.connector!r}; there are {', '.join(FORMATS)}")
    written = output_schema(spec.connector, without_orders(schema))
    for name in spec.options.get("partition_by") or ():
        if not can_be_folder(written.field(name).type):
            raise SinkError(
                f"partition_by: column {name!r} is {written.field(name).type}, which cannot be the name of a folder: "
                "partition by a number, text, boolean, date or time made of it"
            )
    return FileSink(spec, written)


def hidden_folder(spec: Spec, run: RunId, epoch: int) -> Path:
    """The folder of the uncommitted files that a run writes in ``epoch``. Globs and readers of folders skip it.

    Each epoch has its own, because a worker that was declared lost may still write, or abort, what it did in its own.
    """
    token = spec.options.get(RUN)
    later = f"e{epoch}" if epoch > FIRST_EPOCH else ""
    name = f".sabotnb-{quote(run.job, safe='')}-{run.number}{later}"
    return Path(spec.options["path"]) / (f"{name}.{token}" if token else name)


def with_run(spec: Spec, run: str) -> Spec:
    """``spec`` with the hexadecimal digits that tell the run's hidden folder from those of other clusters."""
    return replace(spec, options={**spec.options, RUN: run}) if "path" in spec.options else spec


def hidden_name(operator: str, name: str) -> str:
    """The name of a hidden file; ``.partial`` keeps it from readers whose ``**`` searches hidden folders too."""
    return f"{quote(operator, safe='')[:LETTERS_OF_OPERATOR]}-{name}.partial"


class FileSink(SinkOperator):
    """Writes the rows of one task into hidden files, at least one for each partition; see the module docstring."""

    def __init__(self, spec: Spec, schema: pa.Schema) -> None:
        self._spec = spec
        self._format = FORMATS[spec.connector]
        self._output = Path(spec.options["path"])
        self._keys: list[str] = list(spec.options.get("partition_by") or ())
        ordered = {field.name for field in schema} - set(self._keys)
        self._schema = without_order(schema, ordered)  # names of folders are text
        self._in_files = _schema_of_files(self._schema, self._keys)
        self._orders = Orders(self._schema)
        self._open: dict[str, _File] = {}
        self._complete: list[_File] = []
        self._made = 0
        self._appends = spec.options.get("mode") == "append"
        self._claim: int | None = None
        self._prepared = False

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        # Random in every run, so that replacing or appending output never overwrites a file.
        self._name = f"part-{ctx.index:05}-{secrets.token_hex(4)}"
        self._hidden = hidden_folder(self._spec, ctx.run, ctx.epoch)
        with writing(self._output):
            above = [str(folder) for folder in make_folder(self._hidden) if folder != self._hidden]
            if above:
                (self._hidden / MADE).write_text(json.dumps(above))
            # Claim before the check: of two runs that start at once, the one that locks second sees the other's claim.
            with alone_in([self._output]):
                self._claim = claim(self._hidden, appends=self._appends)
                refuse_writers(self._output, appends=self._appends, but=lambda writer: writer.run.job == ctx.run.job)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        arrays = [_plain(column, field.type) for column, field in zip(batch.columns, self._schema, strict=True)]
        rows = self._orders.aligned(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        with writing(self._output):
            for folder, slice_ in _partitions(rows, self._keys):
                self._file(folder).add(slice_.drop_columns(self._keys) if self._keys else slice_)
            while sum(file.waiting_bytes for file in self._open.values()) > FLUSH_BYTES:
                max(self._open.values(), key=lambda file: file.waiting_bytes).flush()
        self._ctx.counters.rows_out += batch.num_rows
        return ()

    def roll(self, cut: int) -> RolledFiles:
        if cut == FINAL_CUT and not self._made and self._ctx.index == 0:
            nulls = (_folder(key, pa.scalar(None, self._schema.field(key).type)) for key in self._keys)
            with writing(self._output):
                self._file("/".join(nulls))  # an empty file, from which readers of an empty result learn the schema
        files = (*self._complete, *self._open.values())
        self._complete.clear()
        self._open.clear()
        self._prepared = self._prepared or bool(files)
        return RolledFiles(self._ctx.operator, cut, self._output, files)

    def close(self) -> None:
        for file in (*self._complete, *self._open.values()):
            file.discard()
        self._complete.clear()
        self._open.clear()
        if self._claim is not None:
            release(self._claim, self._hidden, prepared=self._prepared)
            self._claim = None

    def _file(self, folder: str) -> _File:
        file = self._open.pop(folder, None)
        if file is None:
            if len(self._open) >= MAX_OPEN_FILES:
                oldest = next(iter(self._open))
                full = self._open.pop(oldest)
                self._complete.append(full)
                full.complete()
            name, suffix = f"{self._name}-{self._made}", self._format.suffix
            self._made += 1
            file = _File(
                self._hidden / hidden_name(self._ctx.operator, name + suffix),
                str(Path(folder) / final_name(name, self._ctx.run.job, suffix)),
                self._format.open,
                self._in_files,
            )
        self._open[folder] = file  # inserted last, so the first of the dict is the least recently used
        return file


class RolledFiles(Prepared):
    """The files of one task and cut, in the hidden folder of ``output``; some may still have rows to be written."""

    def __init__(self, operator: str, cut: int, output: Path, files: Sequence[_File]) -> None:
        self._operator = operator
        self._cut = cut
        self._output = output
        self._files = files

    def durable(self) -> list[Committable]:
        with writing(self._output):
            try:
                files = [file.durable() for file in self._files]
            except BaseException:
                for file in self._files:
                    file.discard()
                raise
            for folder in {Path(file["hidden"]).parent for file in files}:
                sync_folder(folder)
        return [Committable(self._operator, {"cut": self._cut, "files": files})] if files else []


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
        """Buffer rows; writes them when there are FLUSH_ROWS."""
        nbytes = own_bytes(batch)
        self._waiting.append(compact(batch, nbytes))
        self._waiting_rows += batch.num_rows
        self.waiting_bytes += nbytes
        if self._waiting_rows >= FLUSH_ROWS:
            self.flush()

    def complete(self) -> None:
        """Write the buffered rows and what the format has behind them, and close the file."""
        if not self._stream.closed:
            self.flush()
            self._writer.close()
            self._stream.close()

    def durable(self) -> dict[str, Any]:
        """Complete the file, sync it to the disk and return its description for the committer."""
        self.complete()
        with self._path.open("rb+") as opened:
            os.fsync(opened.fileno())
        return {"hidden": str(self._path), "final": self._final, "rows": self._rows}

    def discard(self) -> None:
        """Remove the file, which no committable describes."""
        with suppress(OSError, pa.ArrowException):  # closing writes a footer, which a full disk refuses
            self._writer.close()
        with suppress(OSError, pa.ArrowException):
            self._stream.close()
        self._path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Write the buffered rows."""
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema).combine_chunks())
            self._rows += self._waiting_rows
            self._waiting, self._waiting_rows, self.waiting_bytes = [], 0, 0


def _schema_of_files(schema: pa.Schema, keys: list[str]) -> pa.Schema:
    """``schema`` without the columns whose values are in names of folders; their types are in its metadata."""
    own = pa.schema([field for field in schema if field.name not in keys])
    return with_partition_types(own, pa.schema([schema.field(key) for key in keys]))


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
        slice_ = in_order.slice(start, stop - start)
        yield "/".join(_folder(key, slice_.column(key)[0]) for key in keys), slice_


def _folder(key: str, value: pa.Scalar) -> str:
    try:
        check_years(pa.array([value], value.type))
    except Unwritable as error:
        raise SinkError(
            f"column {key!r} has {error}, which the name of a folder cannot hold: partition by a number made of it, "
            "such as col(...).dt.year()"
        ) from error
    name = folder_name(key, value)
    if len(name) > LONGEST_NAME:
        begun = str(value.as_py())[: text_limits.PATH]
        raise SinkError(
            f"a value of column {key!r} is too long for the name of a folder ({begun!r}...): "
            "partition by a part of it, such as col(...).str.slice(0, 20)"
        )
    return name


def make_folder(folder: Path) -> list[Path]:
    """Create ``folder`` and its missing parents, and make their names durable; returns those created, deepest first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)
    return missing


def sync_folder(folder: Path) -> None:
    """Make creations, renames and removals in ``folder`` durable, where the platform can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Turn an OSError raised in the block into a SinkError that names ``output``."""
    try:
        yield
    except PermissionError as error:
        raise SinkError(f"'{output}' is not writable: grant write permission or choose another folder") from error
    except FileNotFoundError as error:
        raise SinkError(
            f"'{error.filename or output}' is gone, or cannot be made there: run the job again, or give another folder"
        ) from error
    except OSError as error:
        raise SinkError(f"writing into '{output}' failed ({error}): make room there, or give another folder") from error
