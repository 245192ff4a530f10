import sys
import types

import cloudpickle
import pyarrow as pa
import pytest
from taskjobs import X, graph, numbers, rows, vertex

import sabotnb as sb
from sabotnb import col
from sabotnb.blobs import Function, Origin
from sabotnb.errors import ModuleMissing, UserFunctionError
from sabotnb.graph import specs
from sabotnb.task import run_local
from sabotnb.testing import assert_rows

TEXTS = sb.Stream.from_rows([{"s": "1"}, {"s": "two"}, {"s": "3"}])
Y = {"y": pa.int64()}


def parse(row):
    return {"y": int(row["s"])}


def parse_batch(batch):
    return pa.record_batch({"y": [int(s) for s in batch["s"].to_pylist()]})


@sb.udf(pa.int64())
def parse_column(column):
    return pa.array([int(s) for s in column.to_pylist()])


FAILING = {
    "map_rows_0": (lambda: TEXTS.map_rows(parse, schema=Y), "parse"),
    "map_0": (lambda: TEXTS.map_batches(parse_batch, schema=Y), "parse_batch"),
    "select_0": (lambda: TEXTS.select(y=parse_column(col("s"))), "parse_column"),
}


@pytest.mark.parametrize("operator", FAILING)
def test_a_failing_function_is_named_with_its_line_and_its_rows(operator):
    stream, function = FAILING[operator]
    with pytest.raises(UserFunctionError) as raised:
        stream().to_rows()
    error = raised.value
    assert isinstance(error.__cause__, ValueError)
    assert error.operator == operator
    assert str(error).startswith(f"{operator}: {function} (test_user_functions.py:")
    assert "two" in error.sample
    assert "test_user_functions.py:" in error.user_traceback
    assert "sabotnb/" not in error.user_traceback


def test_rows_whose_function_fails_can_go_to_a_side_output():
    stream = TEXTS.map_rows(parse, schema=Y, on_error="side")
    assert_rows(stream, [{"y": 1}, {"y": 3}])
    (failed,) = stream.side("errors").to_rows()
    assert failed["s"] == "two"


def test_the_error_of_a_missing_module_says_how_to_send_it():
    geo = types.ModuleType("geo")
    exec("def distance(batch): return batch", geo.__dict__)
    sys.modules["geo"] = geo
    try:
        pickled = cloudpickle.dumps(geo.distance)
    finally:
        del sys.modules["geo"]
    distance = Function("0" * 64, "distance", "distance", Origin("cell [7], line 3"), pickled)
    job = graph(
        [
            vertex(
                "numbers",
                sb.Stream.from_rows(rows(1)).to_job_graph().operators["source_0"].spec,
                specs.MapBatches(distance, X),
                specs.Sink("collect"),
            )
        ]
    )
    with pytest.raises(
        ModuleMissing, match=r"this process has no module geo \(cell \[7\], line 3\): env.upload"
    ) as raised:
        list(run_local(job, {"numbers": numbers([]).splits()}))
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)
