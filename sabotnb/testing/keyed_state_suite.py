"""The conformance suite of ``KeyedState``: subclass it in a test file to test an implementation.

Needs pytest and hypothesis (``pip install 'sabotnb[test]'``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sabotnb.protocol import Releasable

MANY = 10_000
"""About how many keys or rows ``KeyedStateSuite.many`` puts into a state."""

MAX_EXPORTED_ROWS = 65_536
"""An exported batch has at most this many rows."""

# Each subclass runs the same test with rows of its own, so there is nothing to replay from one to the other.
DRAWN = settings(max_examples=30, deadline=None, database=None, suppress_health_check=[HealthCheck.differing_executors])
"""Settings of every drawn test here, for further drawn tests of a subclass."""

CUTS = st.lists(st.integers(1, 30), max_size=3)


def rebatched(batches: Iterable[pa.RecordBatch], cuts: Iterable[int]) -> list[pa.RecordBatch]:
    """Return the same rows in other batches: joined, then cut at the row numbers ``cuts``."""
    exported = list(batches)
    if not exported:
        return []
    (whole,) = pa.Table.from_batches(exported).unify_dictionaries().combine_chunks().to_batches()
    bounds = sorted({0, *(cut for cut in cuts if cut < whole.num_rows), whole.num_rows})
    return [whole.slice(start, stop - start) for start, stop in pairwise(bounds)]


def _filled(state: Any) -> list[int]:
    """Key groups that export rows."""
    return [group for group in state.groups() if any(batch.num_rows for batch in state.export(group))]


class KeyedStateSuite:
    """Tests that every ``KeyedState`` passes: moves of key groups, freezing, batches of exports, memory.

    A subclass sets ``rows`` and defines ``make``, ``feed``, ``results`` and ``many``::

        class TestKeySet(KeyedStateSuite):
            rows = st.lists(st.fixed_dictionaries({"k": st.integers(0, 9)}))

            def make(self):
                return KeySet(SCHEMA, self.groups)
    """

    rows: st.SearchStrategy[Sequence[Any]]
    """Draws what ``feed`` takes: rows, in any form."""

    groups = 4
    """Number of key groups of a state that ``make`` returns."""

    keyed = True
    """False if the state has no keys: every row is in group 0."""

    divided = True
    """False if rows are divided by key group when they are exported: a state with rows then names all groups."""

    def make(self) -> Any:
        """Return a new, empty state."""
        raise NotImplementedError

    def feed(self, state: Any, rows: Sequence[Any]) -> None:
        """Put ``rows`` into ``state``, as its operator does with a batch."""
        raise NotImplementedError

    def results(self, state: Any) -> list[Any]:
        """Return a sorted list with an item for each key or row.

        Lists of states with different key groups are concatenated and compared, so an item must not depend on other
        keys. ``state`` is not used afterwards.
        """
        raise NotImplementedError

    def many(self) -> Any:
        """Return a state with about MANY keys or rows, equal on each call."""
        raise NotImplementedError

    def fed(self, *inputs: Sequence[Any]) -> Any:
        """Return a new state to which each of ``inputs`` was fed, in order."""
        state = self.make()
        for rows in inputs:
            self.feed(state, rows)
        return state

    def expected(self, *inputs: Sequence[Any]) -> list[Any]:
        """Return the results of a state that was fed ``inputs`` and never moved."""
        return self.results(self.fed(*inputs))

    @given(data=st.data())
    @DRAWN
    def test_groups_move_to_another_state(self, data: st.DataObject) -> None:
        first, second, third = (data.draw(self.rows) for _ in range(3))
        cuts = data.draw(CUTS)
        old, new = self.fed(first, second), self.fed(third)
        for group in old.groups():
            new.load(group, rebatched(old.export(group), cuts))
            old.drop(group)
        assert self.results(new) == self.expected(first, second, third)
        assert self.results(old) == self.expected()

    @given(data=st.data())
    @DRAWN
    def test_the_other_groups_stay(self, data: st.DataObject) -> None:
        first, later = data.draw(self.rows), data.draw(self.rows)
        old, new, whole = self.fed(first), self.make(), self.fed(first, later)
        moved = data.draw(st.sets(st.integers(0, self.groups - 1)))
        for group in moved & set(old.groups()):
            new.load(group, old.export(group))
            old.drop(group)
            assert not self.keyed or not list(old.export(group))
            assert not (self.keyed and self.divided) or (group not in old.groups() and old.nbytes(group) == 0)
        pushed = self.make()
        self.feed(pushed, later)
        for group in pushed.groups():
            (new if group in moved else old).load(group, pushed.export(group))
        if self.keyed:
            assert not set(_filled(new)) & set(_filled(old))
            assert sorted(self.results(old) + self.results(new), key=repr) == self.results(whole)

    @given(data=st.data())
    @DRAWN
    def test_a_frozen_view_does_not_change(self, data: st.DataObject) -> None:
        first, second, third = (data.draw(self.rows) for _ in range(3))
        state = self.fed(first)
        groups = state.groups()
        once = state.freeze(groups)
        self.feed(state, second)
        later = state.groups()
        again = state.freeze(later)
        dropped = data.draw(st.sets(st.integers(0, self.groups - 1)))
        for group in dropped & set(later):
            state.drop(group)
        self.feed(state, third)
        # The first view is exported twice: an export must not use the view up.
        views = ((again, later, (first, second)), (once, groups, (first,)), (once, groups, (first,)))
        for frozen, frozen_groups, inputs in views:
            restored = self.make()
            for group in frozen_groups:
                restored.load(group, frozen.export(group))
            assert self.results(restored) == self.expected(*inputs)
        if not dropped:
            assert self.results(state) == self.expected(first, second, third)

    @given(data=st.data())
    @DRAWN
    def test_released_groups_leave_the_others_as_they_were(self, data: st.DataObject) -> None:
        first, second = data.draw(self.rows), data.draw(self.rows)
        state = self.fed(first)
        groups = state.groups()
        frozen, again = state.freeze(groups), state.freeze(groups)
        released = data.draw(st.sets(st.integers(0, self.groups - 1))) & set(groups)
        restored, whole = self.make(), self.make()
        for group in released:
            restored.load(group, frozen.export(group))
            if isinstance(frozen, Releasable):
                frozen.release(group)
        self.feed(state, second)
        for group in groups:
            if group not in released:
                restored.load(group, frozen.export(group))
            whole.load(group, again.export(group))
        assert self.results(restored) == self.expected(first)
        assert self.results(whole) == self.expected(first)
        assert self.results(state) == self.expected(first, second)

    @given(data=st.data())
    @DRAWN
    def test_batches_are_of_the_schema_and_of_their_group(self, data: st.DataObject) -> None:
        state = self.fed(data.draw(self.rows), data.draw(self.rows))
        groups = state.groups()
        assert list(groups) == sorted(groups)
        for group in groups:
            batches = list(state.export(group))
            assert not self.divided or sum(batch.num_rows for batch in batches) > 0
            for batch in batches:
                batch.validate(full=True)
                assert batch.schema.equals(state.schema)
            if self.keyed and batches:
                with pytest.raises(ValueError, match=f"rows of key groups .{group}. were loaded into group"):
                    self.make().load((group + 1) % self.groups, batches)

    @given(data=st.data())
    @DRAWN
    def test_memory_is_reported(self, data: st.DataObject) -> None:
        empty, state = self.make(), self.fed(data.draw(self.rows))
        assert sum(empty.nbytes(group) for group in range(self.groups if self.keyed else 1)) <= empty.size()[1]
        for group in state.groups():
            assert state.nbytes(group) >= 0
        if state.groups() and self.keyed:
            assert state.size()[1] > 0
            assert sum(state.nbytes(group) for group in state.groups()) > 0

    def test_a_large_group_moves(self) -> None:
        state = self.many()
        group = max(state.groups(), key=state.nbytes)
        batches = list(state.export(group))
        assert all(0 < batch.num_rows <= MAX_EXPORTED_ROWS for batch in batches)
        moved = self.make()
        moved.load(group, batches)
        for other in state.groups():
            if other != group:
                state.drop(other)
        assert self.results(moved) == self.results(state)

    def test_another_thread_exports_while_the_state_changes(self) -> None:
        state = self.many()
        frozen, groups = state.freeze(state.groups()), state.groups()
        restored = self.make()

        def restore() -> None:
            for group in groups:
                restored.load(group, frozen.export(group))
                if isinstance(frozen, Releasable):
                    frozen.release(group)

        thread = threading.Thread(target=restore)
        thread.start()
        more = self.many()
        while thread.is_alive():
            for group in more.groups():
                state.load(group, more.export(group))
        thread.join()
        assert self.results(restored) == self.results(self.many())
