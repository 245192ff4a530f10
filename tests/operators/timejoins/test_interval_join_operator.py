"""Interval joins of drawn rows against DuckDB, whatever the batches and watermarks."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from time_joins import EVENTS, LEFT, SCHEMAS, Run, batch_of, by_duckdb

from sabotnb.graph import Bound, IntervalJoin, TimeColumn
from sabotnb.operators.timejoins.interval_join_operator import IntervalJoinOperator
from sabotnb.operators.timejoins.timed_rows import Settling, TimedRows
from sabotnb.protocol import CLOCK, MAX_WATERMARK, EndReason, OperatorContext
from sabotnb.testing import KeyedStateSuite

STOPPED, EXHAUSTED = EndReason.STOPPED, EndReason.EXHAUSTED

HOWS = ["inner", "left", "right", "full", "semi", "anti"]
BOUNDS = [
    (Bound(-3), Bound(4)),
    (Bound(0), Bound(5)),
    (Bound(-5), Bound(0)),
    (Bound(2), Bound(2)),
    (Bound(0), Bound(column="e")),
    (Bound(column="e"), Bound(10)),
    (Bound(column="e"), Bound(column="e")),
]


def spec_of(how, low, high):
    return IntervalJoin(("k",), ("k",), TimeColumn("t"), TimeColumn("t"), low, high, how)


def sql(spec):
    low, high = (f"l.{bound.column}" if bound.column else f"l.t + {bound.us}" for bound in (spec.low, spec.high))
    on = f"l.k = r.k and r.t between {low} and {high}"
    if spec.how in ("semi", "anti"):
        return f"select * from l where {'not' if spec.how == 'anti' else ''} exists (select 1 from r where {on})"
    later = ", greatest(l.t, r.t)" if spec.has_join_time else ""
    columns = f"coalesce(l.k, r.k), l.t, l.e, l.n, r.t, r.m{later}"
    return f"select {columns} from l {spec.how} join r on {on}"


@pytest.mark.parametrize("how", HOWS)
@given(events=EVENTS, bounds=st.sampled_from(BOUNDS), limit=st.integers(1, 9), move=st.booleans())
@settings(max_examples=50, deadline=None)
def test_interval_joins_are_those_of_duckdb(how, events, bounds, limit, move):
    spec = spec_of(how, *bounds)
    run = Run(spec, events, limit, move=move)
    assert all(0 < size <= max(limit, len(events)) for size in run.sizes)
    assert Counter(run.rows) == by_duckdb(sql(spec), run.in_time)
    assert len(run.late) == sum(map(len, run.arrived)) - sum(map(len, run.in_time))


def opened(spec, clock=None):
    operator = IntervalJoinOperator(spec, SCHEMAS, clock) if clock else IntervalJoinOperator(spec, SCHEMAS)
    context = OperatorContext("job", "join_0", 0, 1, 4, wake_in=lambda _: None)
    operator.open(context)
    return operator, context


def rows(outs):
    return [out.num_rows for out in outs]


def test_an_outer_row_leaves_when_no_partner_can_come_and_holds_the_watermark_until_then():
    operator, _ = opened(spec_of("left", Bound(0), Bound(5)))
    assert rows(operator.process(0, batch_of(0, [("a", 10, None, 0)]))) == []
    assert rows(operator.on_watermark(15)) == []
    assert operator.output_watermark(15) == 10
    assert rows(operator.on_watermark(16)) == [1]
    assert operator.output_watermark(16) == 16
    assert rows(operator.on_watermark(100)) == []


@pytest.mark.parametrize("how", HOWS)
def test_rows_that_leave_late_hold_the_watermark(how):
    """Pairs have the later time, which is not behind the watermark; a row that waits for a partner has its own."""
    operator, _ = opened(spec_of(how, Bound(-5), Bound(5)))
    left, right = batch_of(0, [("a", 10, None, 0)]), batch_of(1, [("b", 11, 0)])
    list(operator.process(0, left))
    list(operator.process(1, right))
    list(operator.on_watermark(12))
    oldest = {"inner": 12, "right": 11}.get(how, 10)
    assert operator.output_watermark(12) == oldest
    found = [time for out in operator.on_watermark(100) for time in times_of(out)]
    assert sorted(found) == {"left": [10], "right": [11], "full": [10, 11], "anti": [10]}.get(how, [])
    assert operator.output_watermark(100) == 100


def times_of(out):
    return out["join_time" if "join_time" in out.schema.names else "t"].cast(pa.int64()).to_pylist()


def test_a_left_row_of_a_semi_join_leaves_behind_the_watermark_that_it_held():
    operator, _ = opened(spec_of("semi", Bound(0), Bound(20)))
    list(operator.process(0, batch_of(0, [("a", 10, None, 0)])))
    list(operator.on_watermark(25))
    assert operator.output_watermark(25) == 10
    assert [times_of(out) for out in operator.process(1, batch_of(1, [("a", 26, 0)]))] == [[10]]
    assert operator.output_watermark(25) == 25


def test_rows_are_dropped_when_the_watermark_has_passed_their_last_partner():
    operator, context = opened(spec_of("inner", Bound(-5), Bound(5)))
    for start in range(0, 10_000, 100):
        times = range(start, start + 100)
        list(operator.process(0, batch_of(0, [("a", at, None, 0) for at in times])))
        list(operator.process(1, batch_of(1, [("b", at, 0) for at in times])))
        list(operator.on_watermark(start + 100))
    stored = [sum(map(len, state.runs)) for state in context.states.values()]
    assert max(stored) <= 200


def test_late_rows_of_both_sides_have_the_columns_of_both_and_how_late_they_are():
    operator, context = opened(spec_of("inner", Bound(0), Bound(5)))
    list(operator.on_watermark(4))
    delayed = batch_of(0, [("a", 10, None, 7), ("a", 12, None, 8)]).append_column(CLOCK, pa.array([12, 12]))
    ((tag, left),) = operator.process(0, delayed)
    ((_, right),) = operator.process(1, batch_of(1, [("a", 1, 9)]))
    assert (tag, left.schema.names) == ("late", ["k", "t", "e", "n", "k_right", "t_right", "m", "late_by"])
    assert left.schema.equals(right.schema)
    assert [left["n"].to_pylist(), left["m"].to_pylist(), left["late_by"].cast(pa.int64()).to_pylist()] == [
        [7],
        [None],
        [2],
    ]
    assert [right["n"].to_pylist(), right["m"].to_pylist(), right["k_right"].to_pylist()] == [[None], [9], ["a"]]
    assert context.counters.late == 2
    assert rows(operator.process(1, batch_of(1, [("a", 12, 0)]))) == [1]


def test_rows_after_the_end_of_the_other_side_are_answered_at_once_and_not_stored():
    operator, context = opened(spec_of("left", Bound(0), Bound(5)))
    list(operator.on_end(1, EndReason.EXHAUSTED))
    assert rows(operator.process(0, batch_of(0, [("a", 10, None, 0)]))) == [1]
    assert [state.runs for state in context.states.values()] == [[], []]


@pytest.mark.parametrize(
    ("how", "reasons", "counted"),
    [
        ("left", (STOPPED, STOPPED), 1),
        ("left", (EXHAUSTED, STOPPED), 1),
        ("right", (STOPPED, STOPPED), 2),
        ("full", (STOPPED, STOPPED), 3),
        ("anti", (STOPPED, STOPPED), 1),
        ("inner", (STOPPED, STOPPED), 0),
        ("semi", (STOPPED, STOPPED), 0),
    ],
)
def test_a_stop_counts_the_rows_that_still_wait_and_returns_none(how, reasons, counted):
    operator, context = opened(spec_of(how, Bound(0), Bound(5)))
    list(operator.process(0, batch_of(0, [("a", 10, None, 0), ("b", 10, None, 0)])))
    list(operator.process(1, batch_of(1, [("a", 12, 0), ("c", 12, 0), ("d", 13, 0)])))
    assert [rows(operator.on_end(port, reason)) for port, reason in enumerate(reasons)] == [[], []]
    assert context.counters.waiting_rows == counted


def test_rows_that_wait_for_an_exhausted_input_leave_at_a_stop():
    operator, context = opened(spec_of("left", Bound(0), Bound(5)))
    list(operator.process(0, batch_of(0, [("a", 10, None, 0)])))
    assert [rows(operator.on_end(port, reason)) for port, reason in ((1, EXHAUSTED), (0, STOPPED))] == [[1], []]
    assert context.counters.waiting_rows == 0


def test_without_event_time_rows_meet_by_their_arrival():
    now = [0]
    spec = IntervalJoin(("k",), ("k",), None, None, Bound(-10), Bound(10))
    operator, context = opened(spec, lambda: now[0])
    assert rows(operator.process(0, batch_of(0, [("a", 99, None, 0)]))) == []
    now[0] = 10
    assert rows(operator.process(1, batch_of(1, [("a", 1, 0)]))) == [1]
    now[0] = 11
    assert rows(operator.process(1, batch_of(1, [("a", 1, 0)]))) == []
    now[0] = 100
    assert rows(operator.on_wake()) == []
    assert [state.runs for state in context.states.values()] == [[], []]


def test_times_too_far_apart_for_one_number_are_ranked():
    operator, _ = opened(spec_of("inner", Bound(-3), Bound(3)))
    far = 2**61
    batch = pa.RecordBatch.from_arrays(
        [pa.array(["a", "a", "b"]).cast(LEFT.field("k").type)]
        + [pa.array([-far, far, 0]).cast(pa.timestamp("us"))] * 2
        + [pa.array([1, 2, 3])],
        schema=LEFT,
    )
    list(operator.process(0, batch))
    right = pa.RecordBatch.from_arrays(
        [pa.array(["a", "a", "b"]), pa.array([far + 3, -far + 4, 3]).cast(pa.timestamp("us")), pa.array([1, 2, 3])],
        schema=SCHEMAS[1],
    )
    found = [row for out in operator.process(1, right) for row in out["n"].to_pylist()]
    assert found == [2, 3]


class TestTimedRows(KeyedStateSuite):
    rows = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 30), st.booleans()), max_size=20)

    def make(self):
        schema = pa.schema({"k": pa.string(), "x": pa.int64()})
        return TimedRows(schema, pa.schema({"k": pa.string()}), self.groups, Settling(tracked=True, returned=True))

    def feed(self, state, rows):
        if rows:
            keys, times, settled = (list(column) for column in zip(*rows, strict=True))
            batch = pa.RecordBatch.from_pydict({"k": keys, "x": times})
            numbers = pa.array(times).to_numpy()
            state.add(batch, numbers, numbers + 5, numbers - 5, pa.array(settled).to_numpy(zero_copy_only=False))

    def results(self, state):
        found = [
            (*row.values(), int(run.times[at]), int(run.until[at]), int(run.since[at]), bool(run.settled[at]))
            for run in state.runs
            for at, row in enumerate(run.rows.to_pylist())
        ]
        return sorted(found, key=repr)

    def many(self):
        return self.fed([(f"key {number}", number, False) for number in range(10_000)])


def test_the_end_of_time_settles_everything():
    state = TestTimedRows().fed([("a", 1, False), ("b", 2, True)])
    assert state.oldest() == 1
    assert [len(found) for _, found in state.due(MAX_WATERMARK)] == [1]
    assert state.oldest() == MAX_WATERMARK
    state.expire(MAX_WATERMARK)
    assert state.runs == []
