"""Operators whose key groups spill, and scripts of rows for them."""

from dataclasses import replace

import pyarrow as pa
from grouped_rows import BY_ORDER, COLUMNS, ORDERED, ROW, SCHEMA, batch_of
from hypothesis import strategies as st

from sabotnb.blobs import capture, capture_value
from sabotnb.config import Config
from sabotnb.expr import partial_schema
from sabotnb.graph import Aggregate, Distinct, Join, Phase, Reduce, Top
from sabotnb.testing import EndPort, Harness, Push

SPILLING = Config(batch_rows=3, state_bytes=1)
"""Each batch finds that the state before it needs too much memory."""

REDUCE = Reduce(
    ("k",),
    capture(lambda left, right: {"x": (left["x"] or 0) + (right["x"] or 0)}, "reduce"),
    pa.schema([SCHEMA.field("k"), SCHEMA.field("x")]),
)
RIGHT = pa.schema({"k": pa.string(), "n": pa.int16(), "y": pa.int64()})
HOWS = ("inner", "left", "right", "full", "semi", "anti")
GROUPING = {
    "aggregate": Aggregate(("k", "n"), COLUMNS, SCHEMA),
    "merged aggregate": Aggregate(("k", "n"), COLUMNS[:4], SCHEMA, Phase.FINAL),
    "distinct": Distinct(("k", "n")),
    "distinct rows": Distinct(tuple(SCHEMA.names)),
    "reduce": REDUCE,
    "reduce with a first value": replace(REDUCE, init=capture_value({"x": 100}, "init")),
    "top": Top(("k",), 2, "x", rank="r"),
    "top with ties": Top(("k",), 2, "x", reverse=True, ties=True),
}
JOINS = {f"{how} join": Join(("k",), ("k",), how) for how in HOWS}
SPECS = {**GROUPING, **JOINS}
ORDERED_SPECS = {
    "aggregate": Aggregate(("k", "s"), COLUMNS, ORDERED),
    "aggregate by order": Aggregate(("k", "n"), COLUMNS[:4] + BY_ORDER, ORDERED),
    "merged aggregate": Aggregate(("k",), COLUMNS[:4] + BY_ORDER[:2], ORDERED, Phase.FINAL),
    "distinct": Distinct(("k", "s")),
    "reduce": replace(REDUCE, schema=pa.schema([ORDERED.field("k"), SCHEMA.field("x")])),
    "top": Top(("k",), 2, "s", rank="r"),
    "top with ties": Top(("s",), 2, "k", reverse=True, ties=True),
    **{f"{how} join": Join(("k",), ("k",), how) for how in HOWS if how != "right"},
}


def inputs_of(spec, left=SCHEMA):
    """The schemas of the ports."""
    if isinstance(spec, Reduce):
        return [pa.schema([left.field("k"), left.field("x")])]
    if isinstance(spec, Aggregate) and spec.phase is Phase.FINAL:
        return [partial_schema(spec.keys, spec.columns, spec.schema)]
    right = RIGHT if left is SCHEMA else pa.schema([left.field("k"), *RIGHT.remove(0)])
    return [left, right] if isinstance(spec, Join) else [left]


@st.composite
def scripts(draw, spec, left=SCHEMA):
    """Steps for ``spec``: batches of its ports in any order, and the ends of the ports."""
    inputs = inputs_of(spec, left)
    partial = None
    if isinstance(spec, Aggregate) and spec.phase is Phase.FINAL:
        partial = Harness(replace(spec, phase=Phase.PARTIAL), left)
    steps, open_ports = [], [*range(len(inputs))]
    for port in draw(st.lists(st.integers(0, len(inputs) - 1), max_size=8)):
        if port in open_ports and draw(st.integers(0, 7)) == 7:
            steps.append(EndPort(port))
            open_ports.remove(port)
        elif port in open_ports:
            rows = draw(st.lists(ROW, min_size=1, max_size=8))
            batch = batch_of(rows, left if partial else inputs[port])
            steps.append(Push(partial.push(batch).batches[-1] if partial else batch, port))
    return [*steps, *map(EndPort, open_ports)]


def played(spec, steps, config, left=SCHEMA, **options):
    """A harness of ``spec`` that has run ``steps``."""
    harness = Harness(spec, *inputs_of(spec, left), config=config, groups=8, **options)
    for step in steps:
        if isinstance(step, Push):
            harness.push(step.rows, step.port)
        else:
            harness.end(step.port, step.reason)
    return harness
