"""The last operator of a chain whose rows the client pulls: what is unread at a cut is its state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.protocol import Delayed, Operator, OperatorContext, Out, Scope, StateSpec
from sabotnb.task.result_buffers import ResultOutput, Unread

UNREAD = StateSpec("unread", Scope.TASK)
NEXT, ROWS = "next", "rows"
"""Keys of the memo: the number of the next batch, and how many rows each unread batch has."""


class PulledRows(Operator):
    """Returns its input: stands for a sink whose rows the client pulls from ``rows``."""

    delayed = Delayed.DROP

    def __init__(self, schema: pa.Schema, rows: ResultOutput | None) -> None:
        self._state = None if rows is None else UnreadRows(schema, rows)

    def open(self, ctx: OperatorContext) -> None:
        if self._state is not None:
            ctx.keyed(UNREAD, self._state)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        return (batch,)

    def memo(self) -> Mapping[str, Any]:
        if self._state is None:
            return {}
        unread = self._state.at_cut
        return {NEXT: unread.next, ROWS: [batch.num_rows for batch in unread.batches]}

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        if self._state is not None:
            following = max((memo[NEXT] for memo in memos), default=0)
            self._state.finish_load(following, [rows for memo in memos for rows in memo[ROWS]])


class UnreadRows:
    """The batches of a task that no client has acknowledged; implements ``protocol.KeyedState`` with one group."""

    def __init__(self, schema: pa.Schema, rows: ResultOutput) -> None:
        self.schema = schema
        self.at_cut = Unread()
        """What was unread when the state was frozen last."""
        self._output = rows
        self._loaded: list[pa.RecordBatch] = []

    def finish_load(self, following: int, rows: Sequence[int]) -> None:
        """Let readers go on: the loaded batches, of so many ``rows`` each, precede batch number ``following``."""
        table, start = pa.Table.from_batches(self._loaded, schema=self.schema), 0
        self._loaded.clear()
        batches = []
        for count in rows:  # they are numbered, so each has to be as long as it was
            batches += table.slice(start, count).combine_chunks().to_batches()
            start += count
        self._output.restore(Unread(following, tuple(batches)))

    def groups(self) -> Sequence[int]:
        self.at_cut = self._output.at_cut()
        return (0,) if self.at_cut.batches else ()

    def freeze(self, groups: Sequence[int]) -> Unread:
        if groups:
            self.at_cut = self._output.at_cut()
        return self.at_cut

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        self._loaded += batches

    def drop(self, group: int) -> None:
        self._output.restore(Unread(self._output.at_cut().next))

    def nbytes(self, group: int) -> int:
        return sum(batch.nbytes for batch in self._output.at_cut().batches)

    def size(self) -> tuple[int, int]:
        """Nothing: rows on their way to a client are not state that grows."""
        return 0, 0
