"""Windows of every shape, over every verb, go on after a cut as if they had never stopped."""

from dataclasses import replace

import pyarrow as pa
import pytest
from grouped_rows import BY_ORDER, COLUMNS, ORDERED, ROW, SCHEMA, batch_of
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st

from sabotnb.blobs import capture
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    CountWindow,
    GlobalWindow,
    Phase,
    Reduce,
    SameWindow,
    SessionWindow,
    SlidingWindow,
    Top,
    TumblingWindow,
    UntilWindow,
    Window,
    output_schema,
)
from sabotnb.operators import create
from sabotnb.operators.windows.window_operator import WindowOperator
from sabotnb.protocol import CLOCK, EndReason
from sabotnb.testing import Advance, EndPort, Harness, Push, Recovery, Wait

TIMES = [pa.field(name, pa.timestamp("us")) for name in ("t", "u", "window_start", "window_end")]
ROWS, ORDERED_ROWS = pa.schema([*SCHEMA, *TIMES[:2]]), pa.schema([*ORDERED, *TIMES[:2]])
WINDOWED_ROWS = pa.schema([*SCHEMA, *TIMES])
COUNTS = (AggregateColumn("rows", "count"), AggregateColumn("texts", "count", "s"))
MERGEABLE = COLUMNS[:3]
SUM = capture(lambda left, right: {"x": (left["x"] or 0) + (right["x"] or 0)}, "reduce")


def verbs(schema, keys=("k",)):
    return {
        "all": Aggregate(keys, (*COLUMNS, *BY_ORDER), schema),
        "mergeable": Aggregate(keys, MERGEABLE, schema),
        "counts": Aggregate(keys, COUNTS, schema),
        "reduce": Reduce(keys, SUM, pa.schema([*(schema.field(key) for key in keys), schema.field("x")])),
        "top": Top(keys, 2, "x", rank="r"),
    }


SHAPES = {
    "tumbling": TumblingWindow(10),
    "sliding": SlidingWindow(20, 10),
    "many panes": SlidingWindow(24, 4, offset=1),
    "until": UntilWindow("u"),
    "same window": SameWindow(),
    "session": SessionWindow(5),
}
OPTIONS = {
    "": {},
    "lateness": {"lateness": 7},
    "early": {"early": 2_000_000},
    "both": {"lateness": 7, "early": 2_000_000},
}
CASES = {
    f"{shape} {verb} {option}".rstrip(): Window(of, SHAPES[shape], "t", **OPTIONS[option])
    for shape in SHAPES
    for verb, of in verbs(WINDOWED_ROWS if shape == "same window" else ROWS).items()
    for option in OPTIONS
    if verb == "all"
    or (verb, option) in (("mergeable", ""), ("counts", ""))
    or (verb, shape)
    in (
        ("reduce", "tumbling"),
        ("top", "sliding"),
    )
    if not (shape == "session" and option)
}
CASES |= {f"global {verb}": Window(of, GlobalWindow(), None) for verb, of in verbs(ROWS).items()}
CASES |= {f"count window {verb}": Window(of, CountWindow(3, 2)) for verb, of in verbs(ROWS).items()}
CASES |= {
    "global early": Window(verbs(ROWS)["all"], GlobalWindow(), None, early=2_000_000),
    "processing time": Window(verbs(ROWS)["all"], TumblingWindow(3_000_000)),
    "processing time sliding": Window(verbs(ROWS)["mergeable"], SlidingWindow(6_000_000, 2_000_000)),
    "processing time early": Window(verbs(ROWS)["all"], TumblingWindow(3_000_000), early=1_000_000),
    "merged tumbling": Window(replace(verbs(ROWS)["mergeable"], phase=Phase.FINAL), SHAPES["tumbling"], "t"),
    "merged sliding": Window(replace(verbs(ROWS)["mergeable"], phase=Phase.FINAL), SHAPES["many panes"], "t"),
    "merged lateness": Window(replace(verbs(ROWS)["mergeable"], phase=Phase.FINAL), SHAPES["sliding"], "t", lateness=7),
}
CASES |= {
    f"updates {name} {option}".rstrip(): Window(
        of, SameWindow(), "t", **OPTIONS[option], updated=("window_start", "window_end", "k", "n")
    )
    for name, of in verbs(WINDOWED_ROWS).items()
    for option in ("", "lateness", "both")
}
WITHOUT_KEYS = {
    f"{shape} {verb}": Window(of, SHAPES[shape], "t")
    for shape, verb in (("tumbling", "all"), ("many panes", "counts"), ("session", "all"), ("until", "top"))
    for of in [verbs(ROWS, ())[verb]]
} | {
    "global": Window(verbs(ROWS, ())["all"], GlobalWindow()),
    "count window": Window(verbs(ROWS, ())["all"], CountWindow(3, 2)),
}
CATEGORIES = {
    f"{shape} {verb}": Window(of, SHAPES[shape], "t")
    for shape, verb in (("tumbling", "all"), ("many panes", "mergeable"), ("session", "all"), ("sliding", "top"))
    for of in [verbs(ORDERED_ROWS)[verb]]
} | {"count window": Window(verbs(ORDERED_ROWS)["all"], CountWindow(3, 2))}

TIMED_ROW = st.tuples(ROW, st.integers(0, 40), st.integers(0, 12), st.integers(-8, 4)).map(
    lambda drawn: (
        drawn[0]
        | {
            "t": drawn[1],
            "u": drawn[1] + drawn[2],
            "window_start": drawn[1] // 10 * 10,
            "window_end": drawn[1] // 10 * 10 + 10,
            "clock": drawn[1] + drawn[3],
        }
    )
)
WORK = st.lists(
    st.tuples(st.sampled_from(["push", "delayed"]), st.lists(TIMED_ROW, min_size=1, max_size=8))
    | st.tuples(st.just("advance"), st.integers(1, 12))
    | st.tuples(st.just("wait"), st.integers(1, 3)),
    min_size=1,
    max_size=8,
)
ENDS = st.sampled_from([EndReason.EXHAUSTED, EndReason.STOPPED])
DRAWN = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "phases": [Stage.generate]}


def recovery_of(spec, schema):
    """Windows by the clock of their task take the clock of the check."""
    if getattr(spec.verb, "phase", None) is Phase.FINAL:
        schema = output_schema(partial(spec), [schema])

    def make(clock):
        made = create(spec, [schema])
        return WindowOperator(spec, [schema], clock) if isinstance(made, WindowOperator) else made

    return Recovery.of(spec, schema, make=make)


def rows_of(spec):
    return WINDOWED_ROWS if isinstance(spec.shape, SameWindow) else ROWS


def partial(spec):
    return replace(spec, verb=replace(spec.verb, phase=Phase.PARTIAL))


def steps_of(spec, schema, work, reason):
    phase = Harness(partial(spec), schema) if getattr(spec.verb, "phase", None) is Phase.FINAL else None
    steps, event_time = [], 0
    for what, value in work:
        if what == "wait":
            steps.append(Wait(value))
        elif what == "advance":
            event_time += value
            steps.append(Advance(event_time))
        else:
            batch = batch_of(value, schema)
            if what == "delayed" and spec.time is not None:
                clocks = pa.array([row["clock"] for row in value], pa.int64())
                batch = batch.append_column(pa.field(CLOCK, pa.int64(), nullable=False), clocks)
            batches = [batch] if phase is None else phase.push(batch).batches
            steps += map(Push, batches)
            if phase is not None:
                phase = Harness(partial(spec), schema)
    return [*steps, EndPort(0, reason)]


def check(data, spec, schema, tasks=(1, 1)):
    recovery = recovery_of(spec, schema)
    # A cut lets changes out that would not have left before a stop.
    reason = data.draw(ENDS) if recovery.updates is None else EndReason.EXHAUSTED
    steps = steps_of(spec, schema, data.draw(WORK), reason)
    at = data.draw(st.integers(0, len(steps)))
    recovery.check(steps, at, before=tasks[0], after=tasks[1])


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=4, **DRAWN)
def test_restored_windows_go_on(name, data):
    check(data, CASES[name], rows_of(CASES[name]))


@pytest.mark.parametrize("name", CASES)
@given(data=st.data(), tasks=st.sampled_from([(2, 1), (1, 2), (2, 3)]))
@settings(max_examples=2, **DRAWN)
def test_windows_are_divided_over_other_tasks(name, data, tasks):
    check(data, CASES[name], rows_of(CASES[name]), tasks)


@pytest.mark.parametrize("name", WITHOUT_KEYS)
@given(data=st.data())
@settings(max_examples=4, **DRAWN)
def test_restored_windows_without_keys_go_on(name, data):
    check(data, WITHOUT_KEYS[name], ROWS)


@pytest.mark.parametrize("name", CATEGORIES)
@given(data=st.data(), tasks=st.sampled_from([(1, 1), (2, 1), (1, 2)]))
@settings(max_examples=4, **DRAWN)
def test_categories_keep_their_order(name, data, tasks):
    check(data, CATEGORIES[name], ORDERED_ROWS, tasks)
