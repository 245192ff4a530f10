"""As-of joins of drawn rows against DuckDB, whatever the batches and watermarks."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from time_joins import EVENTS, SCHEMAS, Run, batch_of, by_duckdb

from sabotnb.graph import AsofJoin, TimeColumn
from sabotnb.operators.timejoins.asof_join_operator import AsofJoinOperator
from sabotnb.operators.timejoins.latest_rows import LatestRows
from sabotnb.protocol import EndReason, OperatorContext
from sabotnb.testing import KeyedStateSuite

DIRECTIONS = ["backward", "forward", "nearest"]


def spec_of(direction, tolerance=None):
    return AsofJoin(("k",), ("k",), TimeColumn("t"), TimeColumn("t"), tolerance, direction)


def sql(spec):
    """The nearest right row by a window function; then ASOF JOIN must agree for backward without tolerance."""
    where = {"backward": "r.t <= l.t", "forward": "r.t >= l.t", "nearest": "true"}[spec.direction]
    if spec.tolerance is not None:
        where += f" and abs(l.t - r.t) <= {spec.tolerance}"
    return f"""
        with numbered as (select *, row_number() over () as id from l),
             found as (
                 select l.id, r.t, r.m,
                        row_number() over (partition by l.id order by abs(l.t - r.t), r.t, r.m) as place
                 from numbered l join r on l.k = r.k and {where}
             )
        select l.k, l.t, l.e, l.n, f.t, f.m from numbered l left join found f on l.id = f.id and f.place = 1
    """


ASOF = """
    select l.k, l.t, l.e, l.n, r.t, r.m
    from l asof left join (select k, t, min(m) as m from r group by k, t) r on l.k = r.k and l.t {} r.t
"""


@pytest.mark.parametrize("direction", DIRECTIONS)
@given(events=EVENTS, tolerance=st.sampled_from([None, None, 0, 1, 4]), limit=st.integers(1, 9), move=st.booleans())
@settings(max_examples=60, deadline=None)
def test_asof_joins_are_those_of_duckdb(direction, events, tolerance, limit, move):
    spec = spec_of(direction, tolerance)
    run = Run(spec, events, limit, move=move)
    assert Counter(run.rows) == by_duckdb(sql(spec), run.in_time)
    if tolerance is None and direction != "nearest":
        assert Counter(run.rows) == by_duckdb(ASOF.format(">=" if direction == "backward" else "<="), run.in_time)


def opened(spec):
    operator = AsofJoinOperator(spec, SCHEMAS)
    context = OperatorContext("job", "join_0", 0, 1, 4)
    operator.open(context)
    return operator, context


def partners(outs):
    return [at for out in outs for at in out["t_right"].cast(pa.int64()).to_pylist()]


@pytest.mark.parametrize(
    ("direction", "tolerance", "too_early", "partner"),
    [("backward", None, 10, 8), ("forward", None, 13, 13), ("nearest", None, 12, 8), ("forward", 2, 12, None)],
)
def test_a_left_row_waits_until_no_nearer_row_can_come(direction, tolerance, too_early, partner):
    operator, _ = opened(spec_of(direction, tolerance))
    list(operator.process(1, batch_of(1, [("a", 8, 0), ("a", 13, 0)])))
    list(operator.process(0, batch_of(0, [("a", 10, None, 0)])))
    assert partners(operator.on_watermark(too_early)) == []
    assert operator.output_watermark(too_early) == 10
    assert partners(operator.on_watermark(too_early + 1)) == [partner]
    assert operator.output_watermark(too_early + 1) == too_early + 1


@pytest.mark.parametrize(
    ("ends", "partner", "counted"),
    [
        (((0, EndReason.STOPPED), (1, EndReason.STOPPED)), [], 1),
        (((0, EndReason.EXHAUSTED), (1, EndReason.STOPPED)), [], 1),
        (((0, EndReason.STOPPED), (1, EndReason.EXHAUSTED)), [8], 0),
    ],
)
def test_a_stop_counts_the_left_rows_whose_partner_is_not_certain(ends, partner, counted):
    operator, context = opened(spec_of("backward"))
    list(operator.process(1, batch_of(1, [("a", 8, 0)])))
    list(operator.process(0, batch_of(0, [("a", 10, None, 0)])))
    assert partners(out for end in ends for out in operator.on_end(*end)) == partner
    assert context.counters.waiting_rows == counted


def test_the_smallest_of_right_rows_at_one_time_counts_whatever_their_order():
    operator, _ = opened(spec_of("backward"))
    for value in (5, 3, 4):
        list(operator.process(1, batch_of(1, [("a", 8, value)])))
    list(operator.process(0, batch_of(0, [("a", 10, None, 0)])))
    assert [out["m"].to_pylist() for out in operator.on_watermark(11)] == [[3]]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_right_rows_before_the_last_usable_one_are_dropped(direction):
    operator, context = opened(spec_of(direction))
    for start in range(0, 10_000, 100):
        list(operator.process(1, batch_of(1, [("ab"[at % 2], at, 0) for at in range(start, start + 100)])))
        list(operator.process(0, batch_of(0, [("a", start, None, 0)])))
        list(operator.on_watermark(start + 100))
    assert sum(map(len, _right(context))) <= 200


def _right(context):
    return next(state.runs for spec, state in context.states.items() if spec.name == "right")


class TestLatestRows(KeyedStateSuite):
    rows = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 30)), max_size=20)

    def make(self):
        schema = pa.schema({"k": pa.string(), "x": pa.int64()})
        return LatestRows(schema, pa.schema({"k": pa.string()}), self.groups, None)

    def feed(self, state, rows):
        if rows:
            keys, times = (list(column) for column in zip(*rows, strict=True))
            numbers = pa.array(times).to_numpy()
            state.add(pa.RecordBatch.from_pydict({"k": keys, "x": times}), numbers, numbers)

    def results(self, state):
        state.merge()
        found = [
            (*row.values(), int(at))
            for run in state.runs
            for row, at in zip(run.rows.to_pylist(), run.until, strict=True)
        ]
        return sorted(found, key=repr)

    def many(self):
        return self.fed([(f"key {number}", number) for number in range(10_000)])
