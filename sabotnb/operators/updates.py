"""Results of groups whose input may never end: at the end, and as updates at an interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.operators.group_states import GroupState
from sabotnb.protocol import Cut, EndReason, Operator, OperatorContext, Out
from sabotnb.state import KeySet


class GroupResults:
    """Decides when the results of ``state`` leave.

    Without an interval: all of them, at the end. With one: a group leaves when the interval has passed since the last
    time, if it has changed since. Nothing happens while no rows come: the interval begins with the first change.
    Which groups have changed is in no state, so these leave at a cut too.
    """

    def __init__(self, state: GroupState, keys: pa.Schema, every: int | None, ctx: OperatorContext) -> None:
        """Return results of ``state``, whose groups have ``keys``; ``every`` is in microseconds."""
        self._state = state
        self._keys = keys
        self._every = every
        self._ctx = ctx
        self._changed: KeySet | None = None
        self._waits = False
        self.returned = False
        """True if the final results have left."""

    def note(self, batch: pa.RecordBatch) -> None:
        """Remember that the groups of these rows of the input have changed."""
        if self._every is None:
            return
        if len(self._keys):
            if self._changed is None:
                self._changed = KeySet(self._keys, 1)
            self._changed.add([batch.column(name) for name in self._keys.names])
        if not self._waits:
            self._waits = True
            self._ctx.wake_in(self._every / 1e6)

    def due(self) -> Iterable[pa.RecordBatch]:
        """The groups that have changed since the last time; called when the operator is woken."""
        if not self._waits:
            return ()
        self._waits, changed, self._changed = False, self._changed, None
        return self._of(changed)

    def last(self) -> Iterator[pa.RecordBatch]:
        """What is still to leave when the input has ended; leaves no state behind."""
        if self.returned:
            return
        yield from self._state.results() if self._every is None else self.due()
        for group in self._state.keyed.groups():
            self._state.keyed.drop(group)
        self.returned = True

    def memo(self) -> Mapping[str, Any]:
        """Return whether the only group, which is there without rows and cannot be dropped, has left."""
        return {"returned": True} if self.returned and not len(self._keys) else {}

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        """Continue from a cut."""
        self.returned = any("returned" in memo for memo in memos)

    def _of(self, changed: KeySet | None) -> Sequence[pa.RecordBatch]:
        # A list: groups may change while the rows are sent, and an update that is half old is wrong.
        return list(self._state.results(changed))


class GroupOperator(Operator):
    """Collects rows in ``_groups``, whose results leave at the end and as updates; subclasses set both in ``open``."""

    _groups: GroupState
    _results: GroupResults

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._groups.add(batch)
        self._results.note(batch)
        return ()

    def on_wake(self) -> Iterable[Out]:
        return self._results.due()

    def on_cut(self, cut: Cut) -> Iterable[Out]:
        return self._results.due()

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        return self._results.last()

    def memo(self) -> Mapping[str, Any]:
        return self._results.memo()

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        self._results.restored(memos)
