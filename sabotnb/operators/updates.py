"""Results of groups whose input may never end: at the end, and as updates at an interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from sabotnb.operators.group_states import GroupState
from sabotnb.protocol import OperatorContext
from sabotnb.state import KeySet


class GroupResults:
    """Decides when the results of ``state`` leave.

    Without an interval: all of them, at the end. With one: a group leaves when the interval has passed since the last
    time, if it has changed since. Nothing happens while no rows come: the interval begins with the first change.
    """

    def __init__(self, state: GroupState, keys: pa.Schema, every: int | None, ctx: OperatorContext) -> None:
        """Return results of ``state``, whose groups have ``keys``; ``every`` is in microseconds."""
        self._state = state
        self._keys = keys
        self._every = every
        self._ctx = ctx
        self._changed: KeySet | None = None
        self._waits = False

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
        """What is still to leave when the input has ended."""
        if self._every is None:
            return self._state.results()
        return iter(self.due())

    def _of(self, changed: KeySet | None) -> Sequence[pa.RecordBatch]:
        # A list: groups may change while the rows are sent, and an update that is half old is wrong.
        return list(self._state.results(changed))
