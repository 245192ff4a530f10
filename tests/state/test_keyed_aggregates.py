"""Aggregates as keyed state, one kind at a time."""

import pyarrow as pa
import pytest
from aggregates_oracle import found
from hypothesis import strategies as st

from sabotnb.blobs import capture
from sabotnb.expr.aggregates import type_to_text
from sabotnb.graph.specs import AggregateColumn
from sabotnb.state import GroupedAggregates
from sabotnb.testing import KeyedStateSuite
from sabotnb.testing.keyed_state_suite import MANY

SCHEMA = pa.schema({"k": pa.dictionary(pa.int32(), pa.string()), "n": pa.int64(), "x": pa.int64(), "s": pa.string()})
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.none() | st.sampled_from("abcde"),
            "n": st.integers(0, 1),
            "x": st.none() | st.integers(-50, 50),
            "s": st.none() | st.text("xyz", max_size=40),
        }
    ),
    max_size=20,
)


class Kept:
    """An aggregate of the user that changes in place, and refers to more that does."""

    returns = pa.list_(pa.int64())

    def __init__(self):
        self.values = []

    def update(self, values):
        self.values.extend(values.drop_null().to_pylist())

    def merge(self, other):
        self.values.extend(other.values)

    def result(self):
        return sorted(self.values)


class AggregateSuite(KeyedStateSuite):
    keys = ("k", "n")
    rows = ROWS

    def make(self):
        return GroupedAggregates(pa.schema([SCHEMA.field(key) for key in self.keys]), self.columns, SCHEMA, self.groups)

    def feed(self, state, rows):
        if rows:
            state.update(pa.RecordBatch.from_pylist(rows, SCHEMA))

    def results(self, state):
        return sorted(found(state.results(), self.keys).items(), key=repr)

    def many(self):
        rows = [{"k": str(i // 2), "n": i % 2, "x": i, "s": f"text {i}"} for i in range(MANY)]
        return self.fed(rows)


class TestFixed(AggregateSuite):
    columns = (AggregateColumn("c", "count"), AggregateColumn("t", "sum", "x"), AggregateColumn("m", "max", "x"))

    def test_a_large_group_comes_in_pieces(self):
        state = self.many()
        assert all(len(list(state.export(group))) > 1 for group in state.groups())

    def test_a_freeze_takes_no_memory(self):
        state = self.many()
        before = pa.total_allocated_bytes()
        frozen = state.freeze(state.groups())
        assert pa.total_allocated_bytes() - before < 1000
        assert frozen is not None


class TestTexts(AggregateSuite):
    columns = (AggregateColumn("a", "max", "s"), AggregateColumn("l", "last", "s", by="x"))


class TestDistinctValues(AggregateSuite):
    columns = (AggregateColumn("u", "n_unique", "s"), AggregateColumn("v", "n_unique", "x"))


class TestCollectedValues(AggregateSuite):
    columns = (
        AggregateColumn("q", "quantile", "x", options={"q": 0.5}),
        AggregateColumn("t", "top_k", "s", options={"k": 2}),
        AggregateColumn("b", "arg_max", "x", by="s"),
    )


class TestClasses(AggregateSuite):
    columns = (
        AggregateColumn(
            "c", "custom", "x", options={"returns": type_to_text(Kept.returns)}, function=capture(Kept, "aggregate")
        ),
    )

    def many(self):
        rows = [{"k": str(i % 3), "n": i, "x": i, "s": None} for i in range(10_000)]
        return self.fed(rows)


class TestSketches(AggregateSuite):
    columns = (AggregateColumn("u", "approx_n_unique", "x"),)

    def many(self):
        rows = [{"k": str(i % 3), "n": i, "x": i, "s": None} for i in range(10_000)]
        return self.fed(rows)


class TestWithoutKeys(AggregateSuite):
    keys = ()
    keyed = False
    columns = TestFixed.columns + TestTexts.columns + TestDistinctValues.columns + TestCollectedValues.columns


class Silent:
    """Must not be asked for anything but to take values."""

    returns = pa.int64()
    asked = 0

    def update(self, values):
        pass

    def __reduce__(self):
        raise RuntimeError("pickled")


def test_a_freeze_runs_no_code_of_the_user():
    column = AggregateColumn(
        "c", "custom", "x", options={"returns": type_to_text(pa.int64())}, function=capture(Silent, "aggregate")
    )
    state = GroupedAggregates(pa.schema([SCHEMA.field("n")]), [column], SCHEMA, 4)
    state.update(pa.RecordBatch.from_pylist([{"k": "a", "n": 1, "x": 1, "s": None}], SCHEMA))
    frozen = state.freeze(state.groups())
    with pytest.raises(Exception, match="pickled"):
        list(frozen.export(state.groups()[0]))


def test_objects_travel_without_their_class():
    state = TestClasses().fed([{"k": "a", "n": n, "x": 7, "s": None} for n in range(100)])
    dumped = [data for group in state.groups() for batch in state.export(group) for data in batch.column(2).to_pylist()]
    assert len(dumped) == 100
    assert max(map(len, dumped)) < 100
    assert not any(b"extend" in data for data in dumped)
