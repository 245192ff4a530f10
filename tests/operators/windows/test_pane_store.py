"""The panes of windows as keyed state."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from sabotnb.graph import PLACE, Aggregate, AggregateColumn
from sabotnb.operators.group_states import SharedMaker, maker_of
from sabotnb.operators.windows.pane_store import PaneStore, Place, by_place, placed
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


A, B = (Place(Pane(start, start + 10), start + 10) for start in (0, 10))


@pytest.mark.parametrize("rows", [1, 1000], ids=["short runs", "long runs"])
@pytest.mark.parametrize("runs", [[A], [A, B], [A, B, A], [B, A._replace(admitted=20), A, B]], ids=len)
def test_rows_are_divided_by_place_in_their_order(runs: Sequence[Place], rows: int) -> None:
    schema = pa.schema([*PLACE, pa.field("v", pa.int64())])
    values = [range(number * rows, (number + 1) * rows) for number in range(len(runs))]
    parts = [
        placed(place, pa.record_batch({"v": pa.array(of_run)}), schema)
        for place, of_run in zip(runs, values, strict=True)
    ]
    expected: dict[Place, list[int]] = {}
    for place, of_run in zip(runs, values, strict=True):
        expected.setdefault(place, []).extend(of_run)
    found: dict[Place, list[int]] = {}
    for place, divided in by_place(pa.concat_batches(parts)):
        found.setdefault(place, []).extend(divided["v"].to_pylist())
    assert found == expected


def test_long_runs_of_a_place_are_not_copied() -> None:
    schema = pa.schema([*PLACE, pa.field("v", pa.int64())])
    batch = pa.concat_batches(
        [placed(place, pa.record_batch({"v": pa.array(range(1000))}), schema) for place in (A, B)]
    )
    memory = {part["v"].buffers()[1].address for _, part in by_place(batch)}
    assert memory == {batch["v"].buffers()[1].address}
