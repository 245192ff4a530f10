"""Rows that replace earlier ones of their key: conformance, and the current rows against a dict."""

import pyarrow as pa
from hypothesis import strategies as st

from sabotnb.state import CurrentRows
from sabotnb.testing.keyed_state_suite import MANY, KeyedStateSuite

SCHEMA = pa.schema({"k": pa.int64(), "n": pa.string(), "x": pa.int64()})
ROW = st.fixed_dictionaries({"k": st.none() | st.integers(0, 9), "n": st.none() | st.sampled_from("abc")}).map(
    lambda row: row | {"x": (row["k"] or 0) * 10}
)
"""The suite loads a state into another that has the same keys, which no task does: then either row may stay."""


class CurrentRowsSuite(KeyedStateSuite):
    rows = st.lists(ROW, max_size=30)
    keys: tuple[str, ...] = ("k",)
    updated: tuple[str, ...] = ("k", "n")

    def make(self):
        return CurrentRows(SCHEMA, self.keys, self.updated, self.groups)

    def feed(self, state, rows):
        if rows:
            state.add(pa.RecordBatch.from_pylist(list(rows), SCHEMA))

    def results(self, state):
        return sorted(map(repr, (row for batch in state.current(4) for row in batch.to_pylist())))

    def many(self):
        state = self.make()
        self.feed(state, [{"k": number, "n": "a", "x": number} for number in range(MANY)])
        return state


class TestCurrentRows(CurrentRowsSuite):
    pass


class TestWithoutKeys(CurrentRowsSuite):
    keyed = False
    keys = ()


def test_only_the_last_row_of_a_key_is_current():
    state = CurrentRows(SCHEMA, ("k",), ("k", "n"), 8)
    for rows in ([(1, "a", 5), (2, "a", 4), (1, "a", 3)], [(1, "b", 9), (2, "a", 1)]):
        state.add(pa.RecordBatch.from_pylist([dict(zip("knx", row, strict=True)) for row in rows], SCHEMA))
    found = {tuple(row.values()) for batch in state.current(100) for row in batch.to_pylist()}
    assert found == {(1, "a", 3), (1, "b", 9), (2, "a", 1)}


def test_without_a_key_there_is_one_row():
    state = CurrentRows(SCHEMA, (), (), 8)
    state.add(pa.RecordBatch.from_pylist([{"k": 1, "n": "a", "x": 1}, {"k": 2, "n": "b", "x": 2}], SCHEMA))
    assert [row for batch in state.current(100) for row in batch.to_pylist()] == [{"k": 2, "n": "b", "x": 2}]
