"""The sink operator that writes files into a hidden folder, from which a committer renames them.

Theory of operation
-------------------
A task writes to ``e<epoch>`` in the hidden folder of its run, which is beside the output (``hidden_folders``).

*Open.* The task creates the output folder and takes its lock, creates the hidden folder, makes earlier epochs of the
run past (``commit_decision``), claims the output and checks for claims of other jobs, in this order. Of two jobs that
start at once, the second therefore sees the claim of the first and is refused, unless both append. The claim lasts
until ``close`` and, if there is output, until the commit. Folders that had to be created are listed in
``made.folders``: an abort removes them.

*Process.* Rows are split by partition. Columns of ``partition_by`` are in the names of folders only. Each partition has
one open file and a buffer, which is written as one row group when it has FLUSH_ROWS rows. FLUSH_BYTES limits the
buffers of all files together; the largest is written first. At most MAX_OPEN_FILES files are open. Beyond that the
least recently used file is completed, and its partition continues in a new file, so a partition may have several files.
So has one with more than ROLL_BYTES, or whose file was open for ROLL_SECONDS.

*Roll.* At a cut the task parts with its files, the open ones included: rows that follow go into new ones, so no file
has rows of two cuts, and a cut without rows has no file. Another thread writes what is buffered, closes and syncs each
file, then syncs the hidden folder (``Prepared.durable``). The committable that is returned describes these files. It
must not be returned before the syncs: the committer relies on files that survive a power failure. At the end of the
input, task 0 writes a file without rows if it has had none, for the schema.

*Close* discards the files that no roll has taken. The others belong to the committer. A task that leaves nothing
removes the hidden folder if it is the last one there: also one that was stopped, and opened after its run was over.

Names contain digits that are random for each task and run, so no rename overwrites a file.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from sabotnb.connectors.folders.hive import can_be_folder
from sabotnb.connectors.formats.writers import FORMATS, output_schema
from sabotnb.connectors.sinks.claims import claim, claim_for_commit, refuse_writers
from sabotnb.connectors.sinks.commit_decision import begin_epoch
from sabotnb.connectors.sinks.folder_changes import writing
from sabotnb.connectors.sinks.folder_locks import alone_in, alone_in_made
from sabotnb.connectors.sinks.hidden_file import HiddenFile, RolledFiles, hidden_name
from sabotnb.connectors.sinks.hidden_folders import OPEN, create, epoch_folder, epochs, note_made, remove_unused
from sabotnb.connectors.sinks.lineage import Lineage
from sabotnb.connectors.sinks.ownership import FileOrigin
from sabotnb.connectors.sinks.partition_folders import null_folder, partitions, schema_of_files
from sabotnb.errors import SinkError
from sabotnb.graph import Sink as Spec
from sabotnb.native import Orders, decoded_array, without_order, without_orders
from sabotnb.protocol import FINAL_CUT, Cut, OperatorContext, Out, SinkOperator

FLUSH_BYTES = 64 << 20
"""Limit of the bytes that are buffered for all files of a task together."""

MAX_OPEN_FILES = 64
RUN = "run"
"""The option of a spec with the random digits of its run; ``job_request`` sets it."""


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


def with_run(spec: Spec, run: str) -> Spec:
    """``spec`` with the hexadecimal digits that tell the run's hidden folder from those of other clusters."""
    return replace(spec, options={**spec.options, RUN: run}) if "path" in spec.options else spec


def token_of(spec: Spec) -> str:
    """The digits of ``with_run``; empty without them."""
    return spec.options.get(RUN) or ""


class FileSink(SinkOperator):
    """Writes the rows of one task into hidden files, at least one for each partition; see the module docstring."""

    def __init__(self, spec: Spec, schema: pa.Schema) -> None:
        self._token = token_of(spec)
        self._format = FORMATS[spec.connector]
        self._output = Path(spec.options["path"])
        self._keys: list[str] = list(spec.options.get("partition_by") or ())
        ordered = {field.name for field in schema} - set(self._keys)
        self._schema = without_order(schema, ordered)  # names of folders are text
        self._in_files = schema_of_files(self._schema, self._keys)
        self._orders = Orders(self._schema)
        self._open: dict[str, HiddenFile] = {}
        self._complete: list[HiddenFile] = []
        self._made = 0
        self._cut = 0
        """The last cut of this run that the task has taken."""
        self._appends = spec.options.get("mode") == "append"
        self._claim: int | None = None
        self._hidden: Path | None = None
        self._made_folders: list[Path] = []
        self._prepared = False

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        # Random in every run, so that replacing or appending output never overwrites a file.
        self._name = f"part-{ctx.index:05}-{secrets.token_hex(4)}"
        try:
            with writing(self._output), alone_in_made(self._output) as self._made_folders:
                self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        ctx = self._ctx
        self._hidden = hidden = create(self._output, ctx.run, self._token)
        self._epoch_folder = epoch_folder(hidden, ctx.epoch)
        self._marker = self._epoch_folder / f"{self._name}{OPEN}"
        note_made(hidden, self._made_folders)
        self._begin_epoch(hidden)
        # Claim before the check: of two runs that start at once, the one that locks second sees the other's claim.
        self._claim = claim(hidden, appends=self._appends)
        refuse_writers(self._output, appends=self._appends, but=lambda writer: writer.run.job == ctx.run.job)

    def _begin_epoch(self, hidden: Path) -> None:
        """Make earlier epochs past; SinkError if the run is over, or goes on in a later epoch."""
        if any(epoch > self._ctx.epoch for epoch, _ in epochs(hidden)):
            raise SinkError(f"run {self._ctx.run} goes on without this task: run it again to write '{self._output}'")
        if begin_epoch(hidden, self._ctx.epoch) is not None:
            raise SinkError(f"run {self._ctx.run} is over: run it again to write '{self._output}'")
        self._marker.touch()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        arrays = [_plain(column, field.type) for column, field in zip(batch.columns, self._schema, strict=True)]
        rows = self._orders.aligned(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        with writing(self._output):
            for folder, slice_ in partitions(rows, self._keys):
                self._file(folder).add(slice_.drop_columns(self._keys) if self._keys else slice_)
            while sum(file.waiting_bytes for file in self._open.values()) > FLUSH_BYTES:
                max(self._open.values(), key=lambda file: file.waiting_bytes).flush()
        self._ctx.counters.rows_out += batch.num_rows
        return ()

    def on_cut(self, cut: Cut) -> Iterable[Out]:
        self._cut = cut.id
        return ()

    def memo(self) -> Mapping[str, Any]:
        return {"run": str(self._ctx.run), "cut": self._cut}

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        # a run that continues another counts its own cuts
        self._cut = max((memo["cut"] for memo in memos if memo["run"] == str(self._ctx.run)), default=0)

    def roll(self, cut: int) -> RolledFiles:
        if cut == FINAL_CUT and not self._made and self._ctx.index == 0:
            with writing(self._output):  # an empty file, from which readers of an empty result learn the schema
                self._file(null_folder(self._schema, self._keys))
        files = (*self._complete, *self._open.values())
        self._complete.clear()
        self._open.clear()
        self._prepared = self._prepared or bool(files)
        # the end of the input is before the next cut: its files are committed with that, or with the whole run
        self._cut = cut if cut != FINAL_CUT else self._cut + 1
        ctx = self._ctx
        lineage = Lineage(ctx.run, self._token, ctx.epoch, ctx.lineage)
        origin = FileOrigin(
            ctx.run, self._token, ctx.epoch, self._cut, lineage.first, lineage.base, appends=self._appends
        )
        return RolledFiles(self._ctx.operator, self._output, origin, files)

    def close(self) -> None:
        for file in (*self._complete, *self._open.values()):
            file.discard()
        self._complete.clear()
        self._open.clear()
        hidden, self._hidden = self._hidden, None
        if hidden is None:
            return
        if self._prepared:
            claim_for_commit(hidden, self._ctx.config.commit_wait_seconds)
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None
        with suppress(OSError):  # the run was committed or aborted
            self._marker.unlink()
        if not self._prepared:
            with alone_in([self._output]):
                remove_unused(hidden, self._ctx.epoch, self._made_folders)

    def _file(self, folder: str) -> HiddenFile:
        """The file that rows of ``folder`` go into."""
        file = self._open.pop(folder, None)
        if file is not None and file.is_full():
            self._end(file)
            file = None
        if file is None:
            if len(self._open) >= MAX_OPEN_FILES:
                self._end(self._open.pop(next(iter(self._open))))
            part = f"{self._name}-{self._made}"
            self._made += 1
            hidden = self._epoch_folder / hidden_name(self._ctx.operator, part + self._format.suffix)
            file = HiddenFile(hidden, folder, part, self._format, self._in_files)
        self._open[folder] = file  # inserted last, so the first of the dict is the least recently used
        return file

    def _end(self, file: HiddenFile) -> None:
        self._complete.append(file)
        file.complete()


def _plain(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    return column if column.type.equals(data_type) else decoded_array(column)
