"""Sessions of drawn rows against their definition, in any batches."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_definition import assigned

from sabotnb.blobs import capture
from sabotnb.graph import Aggregate, AggregateColumn, Reduce, SessionWindow, Top, UntilWindow, Window
from sabotnb.operators.group_states import maker_of
from sabotnb.operators.windows.numbered_windows import NUMBER
from sabotnb.operators.windows.session_operator import SessionOperator
from sabotnb.operators.windows.session_store import SessionStore
from sabotnb.protocol import CLOCK, MAX_WATERMARK, MIN_WATERMARK, EndReason, OperatorContext, Out, RunId
from sabotnb.testing import Harness, KeyedStateSuite

SCHEMA = pa.schema({"t": pa.timestamp("us"), "k": pa.int64()})
COUNT = AggregateColumn("n", "count")
GAP = 5
Row = tuple[int, int]


def opened(keys: tuple[str, ...] = ("k",)) -> SessionOperator:
    operator = SessionOperator(Window(Aggregate(keys, (COUNT,), SCHEMA), SessionWindow(GAP), "t"), [SCHEMA])
    operator.open(OperatorContext(RunId("job", 1), "window_0", 0, 1, 4))
    return operator


def batch_of(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = [pa.array(column, pa.int64()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, SCHEMA.names).cast(SCHEMA)


def sessions(rows: Sequence[Row], *, keyed: bool) -> Counter[tuple[Any, ...]]:
    """(start, end, key, rows) of each session."""
    times = defaultdict(list)
    for time, key in rows:
        times[key if keyed else None].append(time)
    found: Counter[tuple[Any, ...]] = Counter()
    for key, all_times in times.items():
        ordered = sorted(all_times)
        cuts = [0, *(i for i, (a, b) in enumerate(pairwise(ordered), 1) if b - a >= GAP), len(ordered)]
        for start, stop in pairwise(cuts):
            found[ordered[start], ordered[stop - 1] + GAP, key, stop - start] += 1
    return found


def read(results: Sequence[pa.RecordBatch], *, keyed: bool) -> Counter[tuple[Any, ...]]:
    plain = [
        out.set_column(0, "s", out[0].cast(pa.int64())).set_column(1, "e", out[1].cast(pa.int64())) for out in results
    ]
    rows = [row for out in plain for row in out.to_pylist()]
    return Counter((row["s"], row["e"], row["k"] if keyed else None, row["n"]) for row in rows)


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "global"])
@given(
    rows=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2)), min_size=1, max_size=40),
    cuts=st.sets(st.integers(1, 40)),
)
@settings(max_examples=150, deadline=None)
def test_sessions_do_not_depend_on_batches_or_order(rows: list[Row], cuts: set[int], *, keyed: bool) -> None:
    operator, results = opened(("k",) if keyed else ()), list[pa.RecordBatch]()
    bounds = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    for start, stop in pairwise(bounds):
        results += operator.process(0, batch_of(rows[start:stop]))
    results += operator.on_watermark(MAX_WATERMARK)
    assert read(results, keyed=keyed) == sessions(rows, keyed=keyed)


@given(rows=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2)), min_size=1, max_size=40), size=st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_sessions_of_rows_in_order_leave_when_they_are_complete(rows: list[Row], size: int) -> None:
    operator, ordered, results = opened(), sorted(rows), list[pa.RecordBatch]()
    for start in range(0, len(ordered), size):
        results += operator.process(0, batch_of(ordered[start : start + size]))
        watermark = ordered[start : start + size][-1][0]
        results += operator.on_watermark(watermark)
        ended = [s for s in sessions(ordered, keyed=True).elements() if s[1] <= watermark]
        assert read(results, keyed=True) == Counter(ended)
    results += operator.on_end(0, EndReason.EXHAUSTED)
    assert read(results, keyed=True) == sessions(ordered, keyed=True)


@st.composite
def disordered(draw: st.DrawFn) -> tuple[list[list[Row]], list[tuple[int, int]]]:
    """The rows of two splits, and how many rows of which split are read at a time."""
    row = st.tuples(st.integers(0, 40), st.integers(0, 1))
    splits = draw(st.lists(st.lists(row, min_size=1, max_size=20), min_size=2, max_size=2))
    return splits, draw(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 5)), max_size=30))


@given(read_in=disordered(), max_delay=st.integers(0, 4))
@settings(max_examples=300, deadline=None)
def test_a_delayed_row_joins_no_session_that_had_ended_by_its_clock(
    read_in: tuple[list[list[Row]], list[tuple[int, int]]], max_delay: int
) -> None:
    splits, order = read_in
    operator, results, late = opened(), list[pa.RecordBatch](), list[Row]()
    clocks, at = [MIN_WATERMARK] * 2, [0, 0]

    def take(outs: Iterable[Out]) -> None:
        for out in outs:
            if isinstance(out, pa.RecordBatch):
                results.append(out)
            else:
                late.extend(zip(out[1]["t"].cast(pa.int64()).to_pylist(), out[1]["k"].to_pylist(), strict=True))

    for split, count in [*order, (0, 20), (1, 20)]:
        rows = splits[split][at[split] : at[split] + count]
        at[split] += count
        for row in rows:
            delayed = [pa.array([clocks[split]])] if row[0] < clocks[split] else []
            batch = batch_of([row])
            take(operator.process(0, batch.append_column(CLOCK, delayed[0]) if delayed else batch))
            clocks[split] = max(clocks[split], row[0] - max_delay)
        take(operator.on_watermark(min(clocks)))
    take(operator.on_end(0, EndReason.EXHAUSTED))
    expected = assigned(SessionWindow(GAP), [[{"t": t, "k": k} for t, k in rows] for rows in splits], max_delay, "k")
    assert sorted(late) == sorted((row["t"], row["k"]) for row in expected.late)
    assert read(results, keyed=True) == Counter(
        (*bounds, key, len(rows)) for (bounds, key), rows in expected.windows.items()
    )


def test_a_row_is_late_by_its_own_time_and_the_gap() -> None:
    operator = opened()
    rows = batch_of([(10, 0), (11, 1)]).append_column(CLOCK, pa.array([15, 15]))
    ((tag, late),) = operator.process(0, rows)
    assert (tag, late["k"].to_pylist(), late["late_by"].cast(pa.int64()).to_pylist()) == ("late", [0], [0])
    assert read(list(operator.on_watermark(MAX_WATERMARK)), keyed=True) == sessions([(11, 1)], keyed=True)


def test_top_of_each_session() -> None:
    spec = Window(Top(("k",), 1, "t"), SessionWindow(GAP), "t")
    operator = SessionOperator(spec, [SCHEMA])
    operator.open(OperatorContext(RunId("job", 1), "window_0", 0, 1, 4))
    list(operator.process(0, batch_of([(0, 0), (3, 0), (20, 0), (1, 1)])))
    found = [row for batch in operator.on_watermark(MAX_WATERMARK) for row in batch["t"].cast(pa.int64()).to_pylist()]
    assert sorted(found) == [1, 3, 20]


UNTIL = pa.schema({"t": pa.timestamp("us"), "k": pa.int64(), "e": pa.timestamp("us")})
UntilRow = tuple[int, int, int]


def until_batch(rows: Sequence[UntilRow]) -> pa.RecordBatch:
    columns = [pa.array(column, pa.int64()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, UNTIL.names).cast(UNTIL)


@pytest.mark.parametrize("keys", [("k",), ()], ids=["keyed", "global"])
@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=40).map(
        sorted
    ),
    size=st.integers(1, 9),
)
@settings(max_examples=150, deadline=None)
def test_rows_until_the_same_time_leave_then(
    rows: list[tuple[int, int, int]], size: int, keys: tuple[str, ...]
) -> None:
    operator = SessionOperator(Window(Aggregate(keys, (COUNT,), UNTIL), UntilWindow("e"), "t"), [UNTIL])
    operator.open(OperatorContext(RunId("job", 1), "window_0", 0, 1, 4))
    expected, found = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for time, key, end in rows:
        expected[max(end, time + 1), key if keys else None] += 1

    def note(results: Sequence[pa.RecordBatch], low: int, high: int) -> None:
        for row in (row for out in results for row in out.set_column(0, "e", out[0].cast(pa.int64())).to_pylist()):
            assert low < row["e"] <= high
            assert (row["e"], row.get("k")) not in found
            found[row["e"], row.get("k")] = row["n"]

    seen = -1
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        assert not list(operator.process(0, until_batch(part)))
        note(list(operator.on_watermark(part[-1][0])), seen, part[-1][0])
        seen = part[-1][0]
    note(list(operator.on_end(0, EndReason.EXHAUSTED)), seen, 100)
    assert found == expected


def test_categories_of_keys_move_with_the_sessions() -> None:
    schema = pa.schema({"t": pa.timestamp("us"), "k": pa.dictionary(pa.int32(), pa.string(), ordered=True)})
    spec = Window(Aggregate(("k",), (COUNT, AggregateColumn("best", "max", "k")), schema), SessionWindow(GAP), "t")
    keys = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int32()), pa.array(["low", "high"]), ordered=True)
    old, new = Harness(spec, schema, groups=4), Harness(spec, schema, groups=4)
    old.push(pa.record_batch([pa.array([0, 1, 2], pa.timestamp("us")), keys], schema=schema))
    for group in old.states["sessions"].groups():
        new.states["sessions"].load(group, old.states["sessions"].export(group))
    new.end(0)
    assert sorted((row["k"], row["n"], row["best"]) for row in new.rows) == [("high", 2, "high"), ("low", 1, "low")]


def test_a_function_sees_only_the_columns_of_the_input() -> None:
    reduce = Reduce(("k",), capture(lambda left, right: {**left, "t": max(left["t"], right["t"])}, "reduce"), SCHEMA)
    harness = Harness(Window(reduce, SessionWindow(GAP), "t"), SCHEMA)
    harness.push(batch_of([(0, 1), (3, 1), (9, 1)]))
    harness.end(0)
    assert [row["t"].microsecond for row in harness.rows] == [3, 9]


class TestSessionStore(KeyedStateSuite):
    divided = False
    rows = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), max_size=20)

    def make(self) -> SessionStore:
        schema = SCHEMA.append(pa.field(NUMBER, pa.int64()))
        verb = Aggregate((NUMBER,), (COUNT,), schema)
        make = maker_of(verb, schema, OperatorContext(RunId("job", 1), "window_0", 0, 1, self.groups), groups=1)
        return SessionStore(make, pa.schema({"k": pa.int64()}), GAP, self.groups)

    def feed(self, state: SessionStore, rows: Sequence[Any]) -> None:
        if rows:
            batch = batch_of(rows)
            times = batch["t"].cast(pa.int64()).to_numpy()
            state.add(batch, times, times)

    def results(self, state: SessionStore) -> list[Any]:
        run = state.take_complete(MAX_WATERMARK - GAP)
        if run is None:
            return []
        found = [row for batch in state.results(run) for row in batch.to_pylist()]
        keys = run.keys["k"].to_pylist()
        rows = [(keys[row[NUMBER]], int(run.first[row[NUMBER]]), int(run.last[row[NUMBER]]), row["n"]) for row in found]
        return sorted(rows, key=repr)

    def many(self) -> SessionStore:
        return self.fed([(0, key) for key in range(10_000)])


def test_a_stop_drops_the_open_sessions_and_counts_them():
    operator = opened()
    list(operator.process(0, batch_of([(1, 1), (12, 1), (13, 2)])))
    list(operator.process(0, batch_of([(14, 1), (30, 1)])))
    assert operator.awaited() == 6
    list(operator.on_watermark(10))
    assert operator.awaited() in (17, 18)
    assert list(operator.on_end(0, EndReason.STOPPED)) == []
    assert operator._ctx.counters.open_windows == 3
