"""Operators that group rows, or hold them to the end, go on after a cut as if they had never stopped."""

from dataclasses import replace

import pyarrow as pa
import pytest
from grouped_rows import BY_ORDER, COLUMNS, ORDERED, ROW, SCHEMA, batch_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.blobs import capture, capture_value
from sabotnb.expr import partial_schema
from sabotnb.graph import Aggregate, Distinct, Phase, Reduce, Sort, Top, Union
from sabotnb.protocol import EndReason
from sabotnb.testing import Advance, EndPort, Harness, Push, Recovery, Wait

SECOND = 1_000_000
FEW = COLUMNS[:3]
REDUCED = pa.schema([SCHEMA.field("k"), SCHEMA.field("x")])
REDUCE = Reduce(
    ("k",),
    capture(lambda left, right: {"x": max(left["x"] or 0, right["x"] or 0)}, "reduce"),
    REDUCED,
    capture_value({"x": 0}, "init"),
)
GLOBAL_REDUCE = replace(REDUCE, keys=(), schema=pa.schema([SCHEMA.field("x")]))
KEYED = {
    "aggregate": Aggregate(("k", "n"), COLUMNS, SCHEMA),
    "merged aggregate": Aggregate(("k", "n"), COLUMNS[:4], SCHEMA, Phase.FINAL),
    "distinct": Distinct(("k", "n")),
    "reduce": REDUCE,
    "reduce without init": replace(REDUCE, init=None),
    "top": Top(("k",), 2, "x", rank="r"),
    "top with ties": Top(("k",), 2, "x", reverse=True, ties=True),
    "latest": Top(("k",), 1, "x"),
}
UPDATES = {
    name: replace(KEYED[name], every=SECOND)
    for name in ("aggregate", "merged aggregate", "reduce", "reduce without init", "top", "latest")
}
GLOBAL = {
    "global aggregate": Aggregate((), COLUMNS, SCHEMA),
    "global merged aggregate": Aggregate((), FEW, SCHEMA, Phase.FINAL),
    "global reduce": GLOBAL_REDUCE,
    "global reduce without init": replace(GLOBAL_REDUCE, init=None),
    "global top": Top((), 2, "x", rank="r"),
    "sort": Sort(("x", "s"), (True, False)),
}
GLOBAL |= {
    f"{name} updates": replace(spec, every=SECOND) for name, spec in GLOBAL.items() if not isinstance(spec, Sort)
}
ALL = {**KEYED, **{f"{name} updates": spec for name, spec in UPDATES.items()}, **GLOBAL}
ALL |= {
    "top of updates": Top(("k",), 2, "x", rank="r", every=SECOND, updated=("k", "n")),
    "top of updates without keys": Top((), 2, "x", rank="r", every=SECOND, updated=("k",)),
    "latest of updates": Top(("k",), 1, "x", every=SECOND, updated=("k", "n")),
}
ORDERED_SPECS = {
    "aggregate": Aggregate(("k", "s"), COLUMNS, ORDERED),
    "aggregate by order": Aggregate(("k", "n"), COLUMNS[:4] + BY_ORDER, ORDERED),
    "merged aggregate": Aggregate(("k",), COLUMNS[:4] + BY_ORDER[:2], ORDERED, Phase.FINAL),
    "updates": Aggregate(("k",), COLUMNS[:4] + BY_ORDER, ORDERED, every=SECOND),
    "distinct": Distinct(("k", "s")),
    "reduce": replace(REDUCE, schema=pa.schema([ORDERED.field("k"), SCHEMA.field("x")])),
    "top": Top(("k",), 2, "s", rank="r"),
    "top with ties": Top(("s",), 2, "k", reverse=True, ties=True),
}

WORK = st.lists(
    st.lists(ROW, min_size=1, max_size=6).map(lambda rows: ("push", rows))
    | st.integers(1, 3).map(lambda s: ("wait", s)),
    max_size=5,
)
ENDS = st.sampled_from([EndReason.EXHAUSTED, EndReason.STOPPED])


def recovery_of(spec, left):
    if isinstance(spec, Aggregate) and spec.phase is Phase.FINAL:
        return Recovery.of(spec, partial_schema(spec.keys, spec.columns, spec.schema))
    if isinstance(spec, Reduce):
        return Recovery.of(spec, pa.schema([left.field(name) for name in (*spec.keys, "x")]))
    return Recovery.of(spec, left)


def steps_of(recovery, spec, left, work, reason):
    partial = None
    if isinstance(spec, Aggregate) and spec.phase is Phase.FINAL:
        partial = Harness(replace(spec, phase=Phase.PARTIAL), left)
    steps = []
    for what, value in work:
        if what == "wait":
            steps.append(Wait(value))
        elif partial is None:
            steps.append(Push(batch_of(value, recovery.inputs[0])))
        else:
            steps.append(Push(partial.push(batch_of(value, left)).batches[-1]))
    return [*steps, EndPort(0, reason)]


def check(data, spec, left, tasks):
    recovery = recovery_of(spec, left)
    steps = steps_of(recovery, spec, left, data.draw(WORK), data.draw(ENDS))
    recovery.check(steps, data.draw(st.integers(0, len(steps))), before=tasks[0], after=tasks[1])


@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_restored_operator_goes_on(name, data):
    check(data, ALL[name], SCHEMA, (1, 1))


@pytest.mark.parametrize("name", [name for name in ALL if name not in GLOBAL])
@pytest.mark.parametrize("tasks", [(2, 1), (1, 2), (2, 3)])
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_state_is_divided_over_other_tasks(name, tasks, data):
    check(data, ALL[name], SCHEMA, tasks)


@pytest.mark.parametrize("name", ORDERED_SPECS)
@pytest.mark.parametrize("tasks", [(1, 1), (2, 1), (1, 2)])
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_categories_keep_their_order(name, tasks, data):
    check(data, ORDERED_SPECS[name], ORDERED, tasks)


@pytest.mark.parametrize("name", GLOBAL)
def test_the_second_task_of_a_global_operator_returns_nothing(name):
    spec = GLOBAL[name]
    recovery = recovery_of(spec, SCHEMA)
    for at in range(3):
        recovery.check([Wait(2), EndPort()], at, before=2, after=2)


@pytest.mark.parametrize("at", range(5))
def test_sort_holds_the_watermark_back_until_it_has_returned_its_rows(at):
    rows = [{"x": 1, "s": "a", "k": "a", "n": 1}]
    Recovery.of(Sort(("x",), (False,)), SCHEMA).check([Advance(1), Push(rows), Advance(2), EndPort()], at)


@pytest.mark.parametrize("at", range(4))
def test_union(at):
    Recovery.of(Union(2), REDUCED, REDUCED).check(
        [Push([{"k": "a", "x": 1}]), Push([{"k": "b", "x": 2}], 1), EndPort(1)], at
    )
