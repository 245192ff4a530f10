"""Keyed states of which groups are in a file are keyed states like others."""

import pyarrow as pa
from hypothesis import strategies as st

from sabotnb.expr import AggregateLike
from sabotnb.graph import AggregateColumn
from sabotnb.operators.spilling.state_budget import StateBudget
from sabotnb.state import GroupedAggregates, GroupedRows, KeySet
from sabotnb.testing import KeyedStateSuite
from sabotnb.testing.keyed_state_suite import MANY

SCHEMA = pa.schema({"k": pa.string(), "x": pa.int64()})
KEYS = pa.schema({"k": pa.string()})
SUMS: list[AggregateLike] = [AggregateColumn("n", "count"), AggregateColumn("s", "sum", "x")]


class SpilledSuite(KeyedStateSuite):
    """Every feed finds that the rows before it need too much memory."""

    rows = st.lists(st.fixed_dictionaries({"k": st.sampled_from("abcdef"), "x": st.integers(0, 9)}), max_size=9)

    def state(self):
        raise NotImplementedError

    def make(self):
        self.budget = StateBudget(1, lambda _nbytes: None)
        shared = self.budget.shared(self.state())
        shared.budget = self.budget
        return shared

    def feed(self, state, rows):
        if rows:
            self.add(state, pa.RecordBatch.from_pylist(rows, SCHEMA))

    def add(self, state, batch):
        state.budget.note(batch)
        state._parts[0].add(batch)

    def results(self, state):
        whole = self.state()
        for group in state.groups():
            whole.load(group, state.take(group))
        assert not state.groups()
        return sorted((row for group in whole.groups() for row in self.rows_of(whole, group)), key=repr)

    def rows_of(self, whole, group):
        return [row for batch in whole.export(group) for row in batch.to_pylist()]

    def many(self):
        state = self.make()
        keys = pa.array([str(i % 2000) for i in range(MANY)])
        batch = pa.record_batch([keys, pa.array(range(MANY))], schema=SCHEMA)
        for start in (0, MANY // 2):
            self.add(state, batch.slice(start, MANY // 2))
        return state


class TestAggregates(SpilledSuite):
    def state(self):
        return GroupedAggregates(KEYS, SUMS, SCHEMA, self.groups)

    def add(self, state, batch):
        state.budget.note(batch)
        state._parts[0].update(batch)


class TestRows(SpilledSuite):
    def state(self):
        return GroupedRows(SCHEMA, ["k"], self.groups)


class TestKeys(SpilledSuite):
    def state(self):
        return KeySet(KEYS, self.groups)

    def add(self, state, batch):
        state.budget.note(batch)
        state._parts[0].add([batch.column("k")])
