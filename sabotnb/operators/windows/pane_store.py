"""The states of the panes of all open windows, as keyed state.

Theory of operation. Each pane has a state of its own (``GroupState``), with all key groups in one index: a pane lives
for a short time and is dropped whole, so an index per key group would cost more than it saves. A pane is found by its
times and by ``admitted``, the end of the first window that it counts for. Rows that are late for a part of the windows
of their pane are in a second state of the same pane, with a later ``admitted``.

Exported rows are those of the panes with three columns in front. Rows are divided by key group when they are exported,
once for all groups: a freeze shares the states of the panes and copies nothing. So the store does not know which groups
have rows, and names all of them if it has any.

Exported rows count from the first window that had not been returned when they were frozen. So a store that is loaded
from tasks that were not equally far returns no window of a key twice. ``admit_again`` makes them ordinary rows again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from sabotnb.graph import PLACE
from sabotnb.native import hash_rows, key_groups
from sabotnb.operators.encoding import taken
from sabotnb.operators.group_states import GroupState
from sabotnb.operators.windows.divided_rows import DividedRows, divided
from sabotnb.operators.windows.panes import Pane, Rows, by_number
from sabotnb.protocol import Frozen
from sabotnb.state import check_group

RUN_ROWS = 64
"""Rows of a place that follow each other, on average, from which on slices cost less than sorting rows by place."""


class Place(NamedTuple):
    """A pane, and the end of the first window for which its rows count."""

    pane: Pane
    admitted: int


State = TypeVar("State", bound=GroupState)


class PaneStore(Generic[State]):
    """States of panes by place. Implements ``protocol.KeyedState``."""

    def __init__(
        self,
        make: Callable[[], State],
        keys: Sequence[str],
        groups: int,
        shared: Callable[[], int] = int,
        counts_from: Callable[[Place], int] = attrgetter("admitted"),
    ) -> None:
        """``make`` returns an empty state with one key group; ``keys`` are columns of its exported rows.

        ``shared`` returns the memory of what the states have in common, ``counts_from`` the end of the first window
        that the rows of a place still count for.
        """
        self._counts_from = counts_from
        self._make = make
        self._shared = shared
        self._keys = list(keys)
        self._groups = groups if keys else 1
        self.panes: dict[Place, State] = {}
        self._places: dict[Pane, list[Place]] = {}
        self._order: list[Pane] = []
        self.schema = pa.schema([*PLACE, *make().keyed.schema])
        self._moved = False

    def state(self, place: Place) -> State:
        """The state of a place, which is made if there is none."""
        found = self.panes.get(place)
        if found is None:
            found = self.panes[place] = self._make()
            if place.pane not in self._places:
                self._places[place.pane] = []
                insort(self._order, place.pane)
            self._places[place.pane].append(place)
        return found

    def between(self, start: int, end: int) -> Sequence[Pane]:
        """The panes with rows that begin in [start, end), in order."""
        return self._order[bisect_left(self._order, (start,)) : bisect_left(self._order, (end,))]

    def places(self, pane: Pane) -> Sequence[Place]:
        """The places of a pane; none if it has no rows."""
        return self._places.get(pane, ())

    def of_window(self, start: int, end: int, *, overlapping: bool) -> list[Place]:
        """The places whose rows count for the window [start, end); ``overlapping`` windows consist of several panes."""
        panes = self.between(start, end) if overlapping else (Pane(start, end),)
        return [place for pane in panes for place in self.places(pane) if place.admitted <= end]

    def remove(self, pane: Pane) -> None:
        """Drop the states of a pane, if it has any."""
        if pane in self._places:
            del self._order[bisect_left(self._order, pane)]
        for place in self._places.pop(pane, ()):
            del self.panes[place]

    def merged(self, places: Sequence[Place]) -> State:
        """A state with the rows of all places; that of the place itself if there is only one."""
        if len(places) == 1:
            return self.panes[places[0]]
        together = self._make()
        for place in places:
            together.keyed.load(0, self.panes[place].keyed.export(0))
        return together

    def admit_again(self, first_end: Callable[[Pane], int], passed: Callable[[Place], bool]) -> None:
        """Let rows count from the first window of their pane, where all windows before theirs are ``passed``."""
        for place in [place for place in self.panes if passed(place)]:
            whole = Place(place.pane, first_end(place.pane))
            if whole == place:
                continue
            state = self.panes.pop(place)
            self._places[place.pane].remove(place)
            if whole in self.panes:
                self.panes[whole].keyed.load(0, state.keyed.export(0))
            else:
                self.panes[whole] = state
                self._places[place.pane].append(whole)

    def groups(self) -> Sequence[int]:
        return range(self._groups) if any(map(self._has_rows, self.panes)) else ()

    def freeze(self, groups: Sequence[int]) -> FrozenPanes:
        frozen = [
            (Place(place.pane, self._counts_from(place)), state.keyed.freeze([0]))
            for place, state in self.panes.items()
            if state.keyed.groups()
        ]
        return FrozenPanes(self.schema, frozen, self._groups_of, self._groups)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def take_moved(self) -> bool:
        """True if key groups were loaded or dropped since the last call."""
        moved, self._moved = self._moved, False
        return moved

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        self._moved = True
        for batch in batches:
            check_group(group, np.unique(self._groups_of(batch)).tolist())
            for place, rows in by_place(batch):
                self.state(place).keyed.load(0, [rows])

    def drop(self, group: int) -> None:
        self._moved = True
        for place, state in list(self.panes.items()):
            kept = self._make()
            for batch in state.keyed.export(0):
                left = self._groups_of(batch) != group
                if left.any():
                    kept.keyed.load(0, [batch.filter(pa.array(left))])
            self.panes[place] = kept
        for pane in [pane for pane in self._places if not any(map(self._has_rows, self.places(pane)))]:
            self.remove(pane)

    def _has_rows(self, place: Place) -> bool:
        return bool(self.panes[place].keyed.groups())

    def nbytes(self, group: int) -> int:
        return self.size()[1] // self._groups

    def size(self) -> tuple[int, int]:
        sizes = [state.keyed.size() for state in self.panes.values()]
        return sum(keys for keys, _ in sizes), sum(nbytes for _, nbytes in sizes) + self._shared()

    def _groups_of(self, batch: pa.RecordBatch) -> np.ndarray:
        """The key group of each exported row of a pane."""
        if self._groups == 1:
            return np.zeros(batch.num_rows, np.uint16)
        found: np.ndarray = key_groups(hash_rows([batch.column(name) for name in self._keys]), self._groups).to_numpy()
        return found


def placed(place: Place, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Rows with the columns of their place in front; ``schema`` is that of the result."""
    columns = [pa.repeat(pa.scalar(value, pa.int64()), batch.num_rows) for value in (*place.pane, place.admitted)]
    return pa.RecordBatch.from_arrays([*columns, *batch.columns], schema=schema)


def by_place(batch: pa.RecordBatch) -> Iterator[tuple[Place, pa.RecordBatch]]:
    """Divide rows that have the columns of their place in front; yields them without these.

    Partial aggregates come place by place, so most of them are not copied; a place may then come more than once.
    """
    rows = batch.select(batch.schema.names[len(PLACE) :])
    starts, ends, admitted = columns = [column.to_numpy() for column in batch.columns[: len(PLACE)]]
    changes = np.flatnonzero(np.any([column[1:] != column[:-1] for column in columns], axis=0)) + 1
    few = len(changes) * RUN_ROWS < batch.num_rows
    found = _by_run(starts, ends, admitted, changes) if few else _by_place(starts, ends, admitted)
    for place, numbers in found:
        yield place, taken(rows, numbers)


def _by_run(
    starts: np.ndarray, ends: np.ndarray, admitted: np.ndarray, changes: np.ndarray
) -> Iterator[tuple[Place, Rows]]:
    for first, stop in pairwise([0, *changes.tolist(), len(starts)]):
        yield Place(Pane(int(starts[first]), int(ends[first])), int(admitted[first])), slice(first, stop)


def _by_place(starts: np.ndarray, ends: np.ndarray, admitted: np.ndarray) -> Iterator[tuple[Place, Rows]]:
    numbers = np.arange(len(starts))
    for start, of_start in by_number(starts):
        for end, of_end in by_number(ends[of_start]):
            for first, rows in by_number(admitted[of_start][of_end]):
                yield Place(Pane(start, end), first), numbers[of_start][of_end][rows]


class FrozenPanes:
    """The panes when they were frozen; may be read from any thread."""

    def __init__(
        self,
        schema: pa.Schema,
        panes: Sequence[tuple[Place, Frozen]],
        groups_of: Callable[[pa.RecordBatch], np.ndarray],
        groups: int,
    ) -> None:
        self._schema = schema
        self._panes = panes
        self._groups_of = groups_of
        self._groups = groups

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group`` in all panes."""
        pieces = self._divided
        self._panes = ()  # not before: another thread may be dividing them
        return (rows for piece in pieces if (rows := piece.of(group)) is not None)

    @cached_property
    def _divided(self) -> list[DividedRows]:
        """Every exported batch, sorted by key group: once for all groups, as most exports want all of them."""
        return [
            divided(placed(place, batch, self._schema), self._groups_of(batch), self._groups)
            for place, frozen in self._panes
            for batch in frozen.export(0)
            if batch.num_rows
        ]
