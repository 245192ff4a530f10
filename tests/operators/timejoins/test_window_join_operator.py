"""Joins in windows of drawn rows against DuckDB, whatever the batches and watermarks."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from time_joins import EVENTS, SCHEMAS, Run, batch_of, by_duckdb

from sabotnb.config import Config
from sabotnb.graph import SameWindow, SlidingWindow, TimeColumn, TumblingWindow, WindowJoin
from sabotnb.operators.timejoins.window_join_operator import WindowJoinOperator
from sabotnb.protocol import CLOCK, EndReason, OperatorContext

HOWS = ["inner", "left", "right", "full", "semi", "anti"]
SHAPES = [
    TumblingWindow(10),
    TumblingWindow(7, offset=3),
    SlidingWindow(10, 5),
    SlidingWindow(9, 6),
    SlidingWindow(4, 4),
]


def spec_of(how, shape):
    return WindowJoin(("k",), ("k",), shape, TimeColumn("t"), TimeColumn("t"), how)


def sql(spec):
    """Every row once for each of its windows, joined on key and window."""
    shape = spec.shape
    every = getattr(shape, "every", shape.size)
    windows = f"(select unnest(range({-10 * every + shape.offset}, 60, {every})) as s)"
    inside = f"x.t >= w.s and x.t < w.s + {shape.size} and w.s + {shape.size} > x.c"
    sides = {
        name: f"(select w.s, w.s + {shape.size} as e0, x.* from {name} x join {windows} w on {inside})" for name in "lr"
    }
    on = "a.k = b.k and a.s = b.s"
    if spec.how in ("semi", "anti"):
        exists = "not exists" if spec.how == "anti" else "exists"
        columns = "a.s, a.e0, a.k, a.t, a.e, a.n"
        return f"select {columns} from {sides['l']} a where {exists} (select 1 from {sides['r']} b where {on})"
    columns = "coalesce(a.s, b.s), coalesce(a.e0, b.e0), coalesce(a.k, b.k), a.t, a.e, a.n, b.t, b.m"
    return f"select {columns} from {sides['l']} a {spec.how} join {sides['r']} b on {on}"


def is_late(spec, row):
    """True if all windows of a row had ended by its clock."""
    every = getattr(spec.shape, "every", spec.shape.size)
    start = (row[1] - spec.shape.offset) // every * every + spec.shape.offset
    return start + spec.shape.size <= row[-1] or row[1] >= start + spec.shape.size


@pytest.mark.parametrize("how", HOWS)
@given(events=EVENTS, shape=st.sampled_from(SHAPES), limit=st.integers(1, 9), move=st.booleans())
@settings(max_examples=25, deadline=None)
def test_window_joins_are_those_of_duckdb(how, events, shape, limit, move):
    """A delayed row is in the windows that end after its clock; late rows are those that are in none."""
    spec = spec_of(how, shape)
    run = Run(spec, events, limit, move=move)
    assert Counter(run.rows) == by_duckdb(sql(spec), run.arrived)
    assert len(run.late) == sum(is_late(spec, row) for rows in run.arrived for row in rows)


def opened(spec, schemas=SCHEMAS, limit=65_536):
    operator = WindowJoinOperator(spec, schemas)
    context = OperatorContext("job", "join_0", 0, 1, 4, Config(batch_rows=limit))
    operator.open(context)
    return operator, context


def bounds(outs):
    return [
        (int(start), int(end))
        for out in outs
        for start, end in zip(*(out.column(at).cast(pa.int64()).to_pylist() for at in (0, 1)), strict=True)
    ]


def test_a_row_that_is_late_for_one_window_is_in_the_next():
    operator, context = opened(spec_of("inner", SlidingWindow(10, 5)))
    list(operator.process(1, batch_of(1, [("a", 7, 1)])))
    delayed = batch_of(0, [("a", 6, None, 0)]).append_column(CLOCK, pa.array([11]))
    assert list(operator.process(0, delayed)) == []
    assert bounds(operator.on_watermark(100)) == [(5, 15)]
    ((tag, late),) = operator.process(0, batch_of(0, [("a", 6, None, 8)]))
    assert (tag, late["n"].to_pylist(), late["late_by"].cast(pa.int64()).to_pylist()) == ("late", [8], [85])
    assert context.counters.late == 1


def test_the_state_of_a_window_is_dropped_with_it():
    operator, context = opened(spec_of("full", TumblingWindow(10)))
    for start in range(0, 1000, 10):
        list(operator.process(0, batch_of(0, [("a", start, None, 0)])))
        assert bounds(operator.on_watermark(start + 10)) == [(start, start + 10)]
    assert [len(state.panes) for state in context.states.values()] == [0, 0]


STOPPED, EXHAUSTED = EndReason.STOPPED, EndReason.EXHAUSTED


@pytest.mark.parametrize("reasons", [(STOPPED, STOPPED), (EXHAUSTED, STOPPED), (STOPPED, EXHAUSTED)])
@pytest.mark.parametrize(
    ("how", "shape", "dropped"),
    [
        ("inner", TumblingWindow(10), 2),
        ("left", TumblingWindow(10), 4),
        ("anti", TumblingWindow(10), 2),
        ("full", TumblingWindow(10), 5),
        ("inner", SlidingWindow(10, 5), 3),
    ],
)
def test_a_stop_drops_open_windows_and_counts_their_rows(how, shape, dropped, reasons):
    operator, context = opened(spec_of(how, shape))
    left, right = [("a", 1), ("b", 11), ("a", 16), ("b", 26)], [("a", 2), ("b", 13), ("b", 17), ("c", 35)]
    list(operator.process(0, batch_of(0, [(key, at, None, 0) for key, at in left])))
    list(operator.process(1, batch_of(1, [(key, at, 0) for key, at in right])))
    list(operator.on_watermark(10))
    assert [list(operator.on_end(port, reason)) for port, reason in enumerate(reasons)] == [[], []]
    assert context.counters.open_windows == dropped


def test_windows_that_both_sides_bring_are_in_the_output_once():
    stamp = pa.timestamp("us")
    schemas = [
        pa.schema({"window_start": stamp, "window_end": stamp, "k": pa.string(), name: pa.int64()}) for name in "nm"
    ]
    end = TimeColumn("window_end", -1)
    operator, _ = opened(WindowJoin(("k",), ("k",), SameWindow(), end, end), schemas)
    for port, value in ((0, 5), (1, 6)):
        rows = [{"window_start": at, "window_end": at + 10, "k": "a", "nm"[port]: value + at} for at in (0, 5)]
        list(operator.process(port, pa.RecordBatch.from_pylist(rows, schema=schemas[port])))
    (joined,) = operator.on_watermark(100)
    assert joined.schema.names == ["window_start", "window_end", "k", "n", "m"]
    assert bounds([joined]) == [(0, 10), (5, 15)]
    assert [joined["n"].to_pylist(), joined["m"].to_pylist()] == [[5, 10], [6, 11]]


@pytest.mark.parametrize("how", HOWS)
def test_batches_of_rows_of_many_windows_are_bounded(how):
    operator, _ = opened(spec_of(how, TumblingWindow(10)), limit=7)
    for at in range(0, 300, 3):
        list(operator.process(0, batch_of(0, [("a", at, None, 0), (None, at, None, 0)])))
        list(operator.process(1, batch_of(1, [("ab"[at % 2], at + 1, 0), (None, at, 0)])))
    sizes = [out.num_rows for out in operator.on_watermark(1000)]
    assert max(sizes) == 7
    assert sum(size < 7 for size in sizes) <= 3  # the last pairs, left rows and right rows


def test_a_join_says_which_end_of_a_window_it_waits_for():
    operator, _ = opened(spec_of("inner", TumblingWindow(10)))
    found = [operator.awaited()]
    list(operator.process(0, batch_of(0, [("a", 12, None, 1), ("a", 25, None, 2)])))
    found.append(operator.awaited())
    list(operator.on_watermark(20))
    assert [*found, operator.awaited()] == [None, 20, 30]
