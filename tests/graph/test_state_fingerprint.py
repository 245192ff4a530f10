"""What an operator's state depends on."""

from dataclasses import replace

import pyarrow as pa
import pytest

from sabotnb.blobs import capture
from sabotnb.graph import Aggregate, AggregateColumn, Process, Source, Window, state_fingerprint
from sabotnb.graph.window_shapes import TumblingWindow

ROWS = pa.schema({"k": pa.string(), "x": pa.int64()})
SUM = Aggregate(("k",), (AggregateColumn("total", "sum", "x"),), ROWS)
HOURS = Window(SUM, TumblingWindow(3_600_000_000), "t")
FILES = Source("parquet", ROWS, {"paths": ["a"]})
CLASS = Process(("k",), capture(lambda: 1, "process"), ROWS)


@pytest.mark.parametrize(
    ("spec", "changed"),
    [
        (SUM, replace(SUM, schema=pa.schema({"k": pa.string(), "x": pa.int64(), "more": pa.int64()}))),
        (SUM, replace(SUM, every=1)),
        (HOURS, replace(HOURS, lateness=5)),
        (HOURS, replace(HOURS, verb=replace(SUM, every=1))),
        (FILES, replace(FILES, schema=pa.schema({"k": pa.string()}))),
        (CLASS, replace(CLASS, function=capture(lambda: 2, "process"))),
    ],
)
def test_state_does_not_depend_on_it(spec, changed):
    assert spec != changed
    assert state_fingerprint(spec) == state_fingerprint(changed)


@pytest.mark.parametrize(
    ("spec", "changed"),
    [
        (SUM, replace(SUM, keys=("x",))),
        (SUM, replace(SUM, columns=(AggregateColumn("total", "max", "x"),))),
        (HOURS, replace(HOURS, shape=TumblingWindow(60_000_000))),
        (HOURS, replace(HOURS, verb=replace(SUM, keys=()))),
        (FILES, replace(FILES, options={"paths": ["b"]})),
        (CLASS, replace(CLASS, keys=())),
        (SUM, HOURS),
    ],
)
def test_state_depends_on_it(spec, changed):
    assert state_fingerprint(spec) != state_fingerprint(changed)
