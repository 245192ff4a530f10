"""Rows, keys and folds as keyed state."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.state import BuildSide, Direction, GroupedRows, KeyedRows, KeySet, Reducers, Retention
from sabotnb.testing import KeyedStateSuite
from sabotnb.testing.keyed_state_suite import DRAWN, MANY

SCHEMA = pa.schema({"k": pa.dictionary(pa.int32(), pa.string()), "n": pa.int16(), "x": pa.int64()})
KEYS = pa.schema({"k": pa.string(), "n": pa.int16()})
ROW = st.fixed_dictionaries(
    {
        "k": st.none() | st.sampled_from("abcde"),
        "n": st.none() | st.integers(0, 2),
        "x": st.none() | st.integers(0, 5),
    }
).map(lambda row: {name: row[name] for name in SCHEMA.names})


def batch_of(rows):
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


def many_rows():
    keys = pa.array([str(i % 2000) for i in range(MANY)]).dictionary_encode()
    numbers = np.arange(MANY)
    return pa.record_batch([keys, pa.array(numbers % 3).cast(pa.int16()), pa.array(numbers)], schema=SCHEMA)


def in_order(batches):
    return sorted((row for batch in batches for row in batch.to_pylist()), key=repr)


class RowsSuite(KeyedStateSuite):
    rows = st.lists(ROW, max_size=20)

    def feed(self, state, rows):
        if rows:
            state.add(batch_of(rows))

    def results(self, state):
        return in_order(piece.batch for piece in state.joined().pieces)

    def many(self):
        state, batch = self.make(), many_rows()
        for start in (0, MANY // 2):
            state.add(batch.slice(start, MANY // 2))
        return state


class TestGroupedRows(RowsSuite):
    def make(self):
        return GroupedRows(SCHEMA, KEYS.names, self.groups)

    def test_a_dictionary_travels_without_the_values_of_other_groups(self):
        state = self.make()
        keys = pa.DictionaryArray.from_arrays(pa.array([5, 7, 7], pa.int32()), pa.array([str(i) for i in range(1000)]))
        state.add(pa.record_batch([keys, pa.array([1] * 3, pa.int16()), pa.array([1] * 3)], schema=SCHEMA))
        batches = [batch for group in state.groups() for batch in state.export(group)]
        assert sum(batch.num_rows for batch in batches) == 3
        assert all(len(batch.column("k").dictionary) <= 2 for batch in batches)


class TestRowsWithoutKeys(RowsSuite):
    keyed = False

    def make(self):
        return GroupedRows(SCHEMA, (), self.groups)


class TestKeyedRows(RowsSuite):
    def make(self):
        return KeyedRows(SCHEMA, KEYS, self.groups)


class TestBestRows(RowsSuite):
    order = (("x", Direction.DOWN), ("k", Direction.UP))

    def make(self):
        return KeyedRows(SCHEMA, KEYS.remove(0), self.groups, Retention(2, self.order))

    def results(self, state):
        return in_order(piece.batch for piece in state.arranged().pieces)

    @given(rows=RowsSuite.rows)
    @DRAWN
    def test_only_rows_that_are_kept_are_exported(self, rows):
        state = self.fed(rows, rows)
        exported = Counter(row["n"] for group in state.groups() for b in state.export(group) for row in b.to_pylist())
        assert exported == {key: min(2, 2 * count) for key, count in Counter(row["n"] for row in rows).items()}


class BuildSideSuite(RowsSuite):
    """Keys of rows with an odd ``x`` are met by a probe."""

    def make(self):
        return BuildSide(SCHEMA, KEYS, self.groups, outer=self.outer)

    def feed(self, state, rows):
        super().feed(state, rows)
        if probing := [row for row in rows if (row["x"] or 0) % 2]:
            probe = state.probe([batch_of(probing)[name] for name in KEYS.names], outer=False)
            while probe.next(3) is not None:
                pass


class TestBuildSide(BuildSideSuite):
    outer = False

    @given(rows=RowsSuite.rows, left=RowsSuite.rows, moved=st.sets(st.integers(0, 3)), outer=st.booleans())
    @DRAWN
    def test_pairs_are_found_wherever_the_rows_are(self, rows, left, moved, outer):
        state, other = self.make(), self.make()
        state.add(batch_of(rows))
        list(self.pairs(state, left))
        for group in moved & set(state.groups()):
            other.load(group, state.export(group))
            state.drop(group)
        found = sorted([*self.pairs(state, left), *self.pairs(other, left)])
        keys = [(row["k"], row["n"]) for row in rows if None not in (row["k"], row["n"])]
        assert found == sorted((number, key) for number, row in enumerate(left) for key in keys if key == key_of(row))

    def pairs(self, state, left):
        probe = state.probe([batch_of(left)[name] for name in KEYS.names], outer=False)
        while (pairs := probe.next(4)) is not None:
            for number, row in zip(pairs[0].tolist(), pairs[1].to_pylist(), strict=True):
                yield number, key_of(row)


def unmatched(state):
    return [row for batch in state.take_unmatched(5) for row in batch.to_pylist()]


def key_of(row):
    return row["k"], row["n"]


class TestOuterBuildSide(BuildSideSuite):
    outer = True

    def results(self, state):
        """All rows, and again those whose key was not met."""
        lonely = unmatched(state)
        return sorted([*super().results(state), *({"lonely": repr(row)} for row in lonely)], key=repr)

    @given(rows=RowsSuite.rows)
    @DRAWN
    def test_rows_are_lonely_whose_key_was_not_met(self, rows):
        state = self.fed(rows)
        met = {key_of(row) for row in rows if (row["x"] or 0) % 2 and None not in key_of(row)}
        expected = sorted((row for row in rows if key_of(row) not in met), key=repr)
        assert sorted(unmatched(state), key=repr) == expected


class TestKeySet(KeyedStateSuite):
    rows = st.lists(ROW, max_size=20)

    def make(self):
        return KeySet(pa.schema([SCHEMA.field(name) for name in KEYS.names]), self.groups)

    def feed(self, state, rows):
        state.add([batch_of(rows)[name] for name in KEYS.names])

    def results(self, state):
        return in_order(batch for group in state.groups() for batch in state.export(group))

    def many(self):
        state = self.make()
        state.add([many_rows()[name] for name in KEYS.names])
        return state

    @given(rows=rows, others=rows)
    @DRAWN
    def test_keys_are_found_and_new_once(self, rows, others):
        state, met = self.make(), set()
        for lot in (rows, others):
            keys = [key_of(row) for row in lot]
            fresh = [number for number, key in enumerate(keys) if key not in {*met, *keys[:number]}]
            assert state.add([batch_of(lot)[name] for name in KEYS.names]).tolist() == fresh
            met.update(keys)
        found = state.find([batch_of(others)[name] for name in KEYS.names])
        assert found.tolist() == [all(row[name] is not None for name in KEYS.names) for row in others]
        assert state.size()[0] == len(met)


def added(left, right):
    """Changes its left argument, as functions of users do."""
    left["seen"] = sorted([*left.get("seen", [left.get("x")]), *right.get("seen", [right.get("x")])], key=repr)
    return left


class TestFolds(KeyedStateSuite):
    rows = st.lists(ROW, max_size=20)
    init = None

    def make(self):
        return Reducers(pa.schema([SCHEMA.field(name) for name in KEYS.names]), added, self.init, self.groups)

    def feed(self, state, rows):
        if rows:
            state.update(batch_of(rows))

    def results(self, state):
        out = []
        for folds, keys in state.results(7):
            rows = zip(folds, *(key.to_pylist() for key in keys), strict=True)
            out += [(key, fold.get("seen", [fold.get("x")])) for fold, *key in rows]
        return sorted(out, key=repr)

    def many(self):
        return self.fed(many_rows().to_pylist())


class TestFoldsWithInit(TestFolds):
    @staticmethod
    def init():
        return {"seen": []}


class TestFoldsWithoutKeys(TestFolds):
    keyed = False

    def make(self):
        return Reducers(pa.schema([]), added, None, self.groups)

    def many(self):
        return self.fed(many_rows().slice(0, 100).to_pylist())


def test_columns_may_have_the_names_of_what_is_beside_them():
    batch = pa.record_batch({"matched": pa.array([1, 2, 3]), "fold": pa.array([4, 5, 6])})
    side, other = (BuildSide(batch.schema, batch.schema.remove(1), 4, outer=True) for _ in range(2))
    side.add(batch)
    assert side.probe([pa.array([2])], outer=False).next(9) is not None
    folds, more = (Reducers(batch.schema.remove(0), added, None, 4) for _ in range(2))
    folds.update(batch)
    for old, new in ((side, other), (folds, more)):
        for group in old.groups():
            new.load(group, old.export(group))
    assert sorted(row["fold"] for row in unmatched(other)) == [4, 6]
    assert sorted(row["matched"] for rows, _ in more.results(9) for row in rows) == [1, 2, 3]
