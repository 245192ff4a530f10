"""The panes of windows as keyed state."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from sabotnb.graph import Aggregate, AggregateColumn
from sabotnb.operators.group_states import SharedMaker, maker_of
from sabotnb.operators.windows.pane_store import PaneStore, Place
from sabotnb.operators.windows.panes import Pane
from sabotnb.protocol import OperatorContext, RunId
from sabotnb.testing import KeyedStateSuite

SCHEMA = pa.schema({"k": pa.string(), "v": pa.int64()})
VERB = Aggregate(
    ("k",), (AggregateColumn("n", "count"), AggregateColumn("q", "quantile", "v", options={"q": 0.5})), SCHEMA
)


class TestPaneStore(KeyedStateSuite):
    divided = False
    rows = st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abcdef"), st.integers(0, 9)), max_size=20)

    def make(self) -> PaneStore:
        make = maker_of(VERB, SCHEMA, OperatorContext(RunId("job", 1), "window_0", 0, 1, self.groups), groups=1)
        return PaneStore(make, ["k"], self.groups)

    def feed(self, state: PaneStore, rows: Sequence[Any]) -> None:
        for number, key, value in rows:
            place = Place(Pane(number * 10, number * 10 + 10), number * 10 + 10)
            state.state(place).add(pa.RecordBatch.from_pylist([{"k": key, "v": value}], schema=SCHEMA))

    def results(self, state: PaneStore) -> list[Any]:
        return sorted(
            (place, *row.values())
            for place, pane in state.panes.items()
            for batch in pane.results()
            for row in batch.to_pylist()
        )

    def many(self) -> PaneStore:
        state = self.make()
        keys = [f"key {number}" for number in range(10_000)]
        state.state(Place(Pane(0, 10), 10)).add(
            pa.RecordBatch.from_pydict({"k": keys, "v": [1] * len(keys)}, schema=SCHEMA)
        )
        return state


class TestPanesWithSharedSlots(KeyedStateSuite):
    divided = False
    rows = TestPaneStore.rows
    feed = TestPaneStore.feed
    results = TestPaneStore.results
    many = TestPaneStore.many

    def make(self) -> PaneStore:
        columns = (AggregateColumn("n", "count"), AggregateColumn("total", "sum", "v"))
        context = OperatorContext(RunId("job", 1), "window_0", 0, 1, self.groups)
        make = SharedMaker(Aggregate(("k",), columns, SCHEMA), context)
        return PaneStore(make, ["k"], self.groups, make.shared.nbytes)


def test_a_freeze_of_panes_with_shared_slots_merges_nothing():
    suite = TestPanesWithSharedSlots()
    state = suite.fed([(0, "a", 1), (0, "a", 2), (0, "b", 3)])
    (pane,) = state.panes.values()
    parts = list(pane.aggregates.held)
    frozen = state.freeze(state.groups())
    assert all(now is before for now, before in zip(pane.aggregates.held, parts, strict=True))
    assert len(parts) == 3
    assert sum(batch.num_rows for group in state.groups() for batch in frozen.export(group)) == 2
