"""Totals of the panes of overlapping windows, against merging every pane."""

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.graph import Aggregate, AggregateColumn, Phase
from sabotnb.operators.group_states import SharedMaker
from sabotnb.operators.windows.pane_store import PaneStore, Place
from sabotnb.operators.windows.panes import Pane
from sabotnb.operators.windows.running_windows import RunningWindows
from sabotnb.operators.windows.window_starts import SlidingPanes
from sabotnb.protocol import OperatorContext, RunId
from sabotnb.state import SlotParts, SlotTable, shared_slots

SCHEMA = pa.schema({"k": pa.int64(), "v": pa.int64(), "s": pa.string()})
COUNTS = (AggregateColumn("n", "count"), AggregateColumn("known", "count", "v"))
OTHERS = (
    *COUNTS,
    AggregateColumn("total", "sum", "v"),
    AggregateColumn("most", "max", "v"),
    AggregateColumn("spread", "var", "v"),
    AggregateColumn("word", "min", "s"),
)
CONTEXT = OperatorContext(RunId("job", 1), "window_0", 0, 1, 4)
Row = tuple[int, int, int | None]


def batch_of(rows: list[Row]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [{"k": key, "v": value, "s": None if value is None else f"s{value}"} for _, key, value in rows], schema=SCHEMA
    )


def results(state: Any) -> list[dict[str, Any]]:
    rows = [row for batch in state.results() for row in batch.to_pylist()]
    for row in rows:
        if row.get("spread") is not None:
            row["spread"] = round(row["spread"], 6)
    return sorted(rows, key=lambda row: row.get("k", 0))


@pytest.mark.parametrize("columns", [COUNTS, OTHERS], ids=["counts", "others"])
@pytest.mark.parametrize("keys", [("k",), ()], ids=["keyed", "global"])
@given(
    rows=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9), st.none() | st.integers(-5, 5)), max_size=60),
    size=st.integers(2, 12),
    due=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_totals_equal_merged_panes(
    columns: tuple[AggregateColumn, ...], keys: tuple[str, ...], rows: list[Row], size: int, *, due: bool
) -> None:
    make = SharedMaker(Aggregate(keys, columns, SCHEMA, Phase.FULL), CONTEXT)
    store = PaneStore(make, keys, 4)
    running = RunningWindows(store, SlidingPanes(size, 1), make)
    by_pane = defaultdict(list)
    for row in rows:
        by_pane[row[0]].append(row)
    for end in range(1, 60 + size):
        for row in by_pane[end - 1]:
            late = bool(row[2] == 0 and size > 2)
            place = Place(Pane(end - 1, end), end + late)
            store.state(place).add(batch_of([row]))
            running.note(place)
        places = store.of_window(end - size, end, overlapping=True)
        if places:
            assert results(running.merged(end - size, end)) == results(store.merged(places))
        store.remove(Pane(end - size, end - size + 1))
        if due:
            make.shared.sweep([state.aggregates for state in store.panes.values()])
            running.clear()


@pytest.mark.parametrize("columns", [COUNTS, OTHERS], ids=["counts", "others"])
@pytest.mark.parametrize("size", [8, 300])
def test_the_cost_of_a_window_does_not_grow_with_its_panes(
    monkeypatch: pytest.MonkeyPatch, columns: tuple[AggregateColumn, ...], size: int
) -> None:
    merged, keys, panes = [0], 10, 2 * size
    merge = SlotTable.merge

    def counting(table: SlotTable, rows: SlotParts) -> None:
        merged[0] += len(rows.slots)
        merge(table, rows)

    make = SharedMaker(Aggregate(("k",), columns, SCHEMA, Phase.FULL), CONTEXT)
    store = PaneStore(make, ["k"], 4)
    running = RunningWindows(store, SlidingPanes(size, 1), make)
    monkeypatch.setattr(SlotTable, "merge", counting)
    for end in range(1, panes):
        store.state(Place(Pane(end - 1, end), end)).add(batch_of([(0, key, key) for key in range(keys)]))
        assert results(running.merged(end - size, end))[0]["n"] == min(end, size)
    assert merged[0] <= 6 * keys * panes


def test_keys_leave_the_index_with_their_panes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_slots, "FEW_KEYS", 64)
    make = SharedMaker(Aggregate(("k",), OTHERS, SCHEMA, Phase.FULL), CONTEXT)
    store = PaneStore(make, ["k"], 4, make.shared.nbytes)
    running, sizes = RunningWindows(store, SlidingPanes(8, 1), make), []
    for end in range(1, 400):
        rows = [(end, end * 10 + number, number) for number in range(20)]  # half of them were in the pane before
        store.state(Place(Pane(end - 1, end), end)).add(batch_of(rows))
        found = results(running.merged(end - 8, end))
        assert [row["k"] for row in found] == list(range(max(1, end - 7) * 10, end * 10 + 20))
        store.remove(Pane(end - 8, end - 7))
        running.sweep()
        sizes.append(store.size()[1])
    assert max(sizes[200:]) <= max(sizes[:200])


def test_a_frozen_pane_keeps_its_keys_in_a_sweep() -> None:
    make = SharedMaker(Aggregate(("k",), COUNTS, SCHEMA, Phase.FULL), CONTEXT)
    first, second = make(), make()
    first.add(batch_of([(0, 7, 1)]))
    second.add(batch_of([(0, 8, 1), (0, 8, None)]))
    frozen = second.keyed.freeze([0])
    make.shared.sweep([second.aggregates])
    second.add(batch_of([(0, 9, 1)]))
    assert [list(row.values()) for batch in frozen.export(0) for row in batch.to_pylist()] == [[8, 2, 1]]
    assert [(row["k"], row["n"]) for row in results(second)] == [(8, 2), (9, 1)]
