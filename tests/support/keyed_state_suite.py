"""What every keyed state must do. A test class subclasses this and says how to make one, feed it and read it."""

import threading
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sabotnb.state.slot_ranges import PIECE_ROWS

MANY = 10_000


def split(batches, cuts):
    """The same rows in other batches: joined, and cut at ``cuts``."""
    batches = list(batches)
    if not batches:
        return []
    (whole,) = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()
    bounds = sorted({0, *(cut for cut in cuts if cut < whole.num_rows), whole.num_rows})
    return [whole.slice(start, stop - start) for start, stop in pairwise(bounds)]


# Each subclass runs the same test with rows of its own, so there is nothing to replay from one to the other.
DRAWN = settings(max_examples=30, deadline=None, database=None, suppress_health_check=[HealthCheck.differing_executors])
CUTS = st.lists(st.integers(1, 30), max_size=3)


class KeyedStateSuite:
    """Subclasses define ``rows`` (a strategy of lists of rows), ``make``, ``feed``, ``results`` and ``many``.

    ``results(state)`` is a sorted list with something for each key or row, so that those of states with different key
    groups can be put together; it may use the state up.
    """

    groups = 4
    keyed = True
    """False if everything is in group 0."""

    def make(self):
        raise NotImplementedError

    def feed(self, state, rows):
        raise NotImplementedError

    def results(self, state):
        raise NotImplementedError

    def many(self):
        """A state with about MANY keys, or rows."""
        raise NotImplementedError

    def fed(self, *lots):
        state = self.make()
        for rows in lots:
            self.feed(state, rows)
        return state

    def expected(self, *lots):
        return self.results(self.fed(*lots))

    @given(data=st.data())
    @DRAWN
    def test_groups_move_to_another_state(self, data):
        first, second, third = (data.draw(self.rows) for _ in range(3))
        cuts = data.draw(CUTS)
        old, new = self.fed(first, second), self.fed(third)
        for group in old.groups():
            new.load(group, split(old.export(group), cuts))
            old.drop(group)
        assert self.results(new) == self.expected(first, second, third)
        assert self.results(old) == self.expected()

    @given(data=st.data())
    @DRAWN
    def test_the_other_groups_stay(self, data):
        first, later = data.draw(self.rows), data.draw(self.rows)
        old, new, whole = self.fed(first), self.make(), self.fed(first, later)
        moved = data.draw(st.sets(st.integers(0, self.groups - 1)))
        for group in moved & set(old.groups()):
            new.load(group, old.export(group))
            old.drop(group)
            assert not self.keyed or (group not in old.groups() and old.nbytes(group) == 0)
        pushed = self.make()
        self.feed(pushed, later)
        for group in pushed.groups():
            (new if group in moved else old).load(group, pushed.export(group))
        if self.keyed:
            assert not set(new.groups()) & set(old.groups())
            assert sorted(self.results(old) + self.results(new), key=repr) == self.results(whole)

    @given(data=st.data())
    @DRAWN
    def test_what_is_frozen_does_not_change(self, data):
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
        for frozen, of, lots in ((again, later, (first, second)), (once, groups, (first,)), (once, groups, (first,))):
            restored = self.make()
            for group in of:
                restored.load(group, frozen.export(group))
            assert self.results(restored) == self.expected(*lots)
        if not dropped:
            assert self.results(state) == self.expected(first, second, third)

    @given(data=st.data())
    @DRAWN
    def test_batches_are_of_the_schema_and_of_their_group(self, data):
        state = self.fed(data.draw(self.rows), data.draw(self.rows))
        groups = state.groups()
        assert list(groups) == sorted(groups)
        for group in groups:
            batches = list(state.export(group))
            assert sum(batch.num_rows for batch in batches) > 0
            for batch in batches:
                batch.validate(full=True)
                assert batch.schema.equals(state.schema)
            if self.keyed:
                with pytest.raises(ValueError, match=f"rows of key groups .{group}. were loaded into group"):
                    self.make().load((group + 1) % self.groups, batches)

    @given(data=st.data())
    @DRAWN
    def test_memory_is_told(self, data):
        empty, state = self.make(), self.fed(data.draw(self.rows))
        assert sum(empty.nbytes(group) for group in range(self.groups if self.keyed else 1)) <= empty.size()[1]
        for group in state.groups():
            assert state.nbytes(group) >= 0
        if state.groups() and self.keyed:
            assert state.size()[1] > 0
            assert sum(state.nbytes(group) for group in state.groups()) > 0

    def test_a_large_group_moves(self):
        state = self.many()
        group = max(state.groups(), key=state.nbytes)
        batches = list(state.export(group))
        assert all(0 < batch.num_rows <= PIECE_ROWS for batch in batches)
        moved = self.make()
        moved.load(group, batches)
        for other in state.groups():
            if other != group:
                state.drop(other)
        assert self.results(moved) == self.results(state)

    def test_another_thread_exports_while_the_state_goes_on(self):
        state = self.many()
        frozen, groups = state.freeze(state.groups()), state.groups()
        restored = self.make()

        def restore():
            for group in groups:
                restored.load(group, frozen.export(group))

        thread = threading.Thread(target=restore)
        thread.start()
        more = self.many()
        while thread.is_alive():
            for group in more.groups():
                state.load(group, more.export(group))
        thread.join()
        assert self.results(restored) == self.results(self.many())
