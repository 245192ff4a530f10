"""map_batches: what functions may give, and what is said of what they may not."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabotnb.blobs import capture
from sabotnb.config import Config
from sabotnb.errors import UserFunctionError
from sabotnb.graph import MapBatches, OnError
from sabotnb.testing import Harness

INPUT = pa.schema([("x", pa.int64()), ("s", pa.dictionary(pa.int32(), pa.string()))])
OUTPUT = pa.schema([("y", pa.float64()), ("s", pa.string())])
ROWS = [{"x": 4, "s": "a"}, {"x": 0, "s": None}, {"x": None, "s": "b"}]
HALVES = [{"y": 2.0, "s": "a"}, {"y": 0.0, "s": None}, {"y": None, "s": "b"}]


def batches(fn: Callable[..., Any], **options: Any) -> Harness:
    return Harness(MapBatches(capture(fn, "map_batches"), OUTPUT, **options), INPUT)


def halved(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.record_batch({"y": pc.divide(batch["x"].cast("double"), 2), "s": batch["s"]})


def in_runs(values: list[float | None]) -> pa.Array:
    return pc.run_end_encode(pa.array(values))


def in_two_pieces(batch: pa.RecordBatch):
    yield halved(batch.slice(0, 1))
    yield halved(batch.slice(1))


@pytest.mark.parametrize(
    ("fn", "wanted"),
    [
        (halved, "arrow"),
        (in_two_pieces, "arrow"),
        (lambda batch: pa.Table.from_batches([halved(batch)]), "arrow"),
        (lambda batch: halved(batch).select(["s", "y"]), "arrow"),
        (lambda batch: {"s": batch["s"].dictionary_encode(), "y": [2, 0.0, None]}, "arrow"),
        (lambda batch: {"s": batch["s"].cast(pa.string_view()), "y": in_runs([2.0, 0.0, None])}, "arrow"),
        (lambda batch: pa.record_batch({"y": in_runs([2.0, 0.0, None]), "s": batch["s"]}), "arrow"),
        (lambda df: df.assign(y=df["x"] / 2)[["y", "s"]], "pandas"),
        (lambda df: df.select("s", y=df["x"] / 2), "polars"),
        (lambda df: [df.select("s", y=df["x"] / 2).slice(at, 1) for at in range(len(df))], "polars"),
    ],
)
def test_formats_and_results(fn, wanted: str):
    with batches(fn, format=wanted) as harness:
        assert harness.push(ROWS).end().rows == HALVES


def test_a_large_result_comes_in_batches_of_bounded_size():
    spec = MapBatches(capture(lambda batch: {"y": [0.0] * 25, "s": ["a"] * 25}, "map_batches"), OUTPUT)
    with Harness(spec, INPUT, config=Config(batch_rows=10)) as harness:
        assert [batch.num_rows for batch in harness.push(ROWS).batches] == [10, 10, 5]


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda batch: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda batch: None, "gave None instead of a batch; does it lack a return?"),
        (lambda batch: 3, "gave int; it must give a RecordBatch, a Table, a DataFrame or a dict of columns"),
        (lambda batch: [3], "gave int; it must give"),
        (lambda batch: batch, "gave other columns than declared: it lacks 'y' and has 'x' besides; declared are y, s;"),
        (lambda batch: {"y": [1.0], "s": ["a", "b"]}, "gave columns of different lengths (y: 1, s: 2)"),
        (lambda batch: {"y": ["one"], "s": ["a"]}, "gave 'y' = 'one' (str), declared is double; correct it, or"),
        (
            lambda batch: pa.table({"y": [1], "s": ["a"]}),
            "gave 'y' as int64, declared is double; cast it, or declare int64",
        ),
    ],
)
def test_a_wrong_result_of_a_batch(fn, message: str):
    with batches(fn) as harness, pytest.raises(UserFunctionError) as raised:
        harness.push(ROWS)
    error = raised.value
    assert str(error).startswith("<lambda> (test_map_batches.py:")
    assert message in str(error)
    assert (error.function, error.operator) == ("<lambda>", "operator_0")
    assert error.sample == "x     s\n4     a\n0     null\nnull  b"


def test_what_it_raised_is_the_cause_and_the_traceback_is_the_users():
    def clean(batch: pa.RecordBatch) -> pa.RecordBatch:
        raise ValueError("dirty")

    with batches(clean) as harness, pytest.raises(UserFunctionError) as raised:
        harness.push(ROWS)
    assert isinstance(raised.value.__cause__, ValueError)
    lines = raised.value.user_traceback.splitlines()
    assert lines[0].startswith("  test_map_batches.py:")
    assert lines[1:] == ['    raise ValueError("dirty")', "ValueError: dirty"]


def test_a_batch_that_fails_goes_to_the_side_as_a_whole():
    def half_way(batch: pa.RecordBatch):
        yield halved(batch)
        if batch["x"][0].as_py() == 4:
            raise ValueError("dirty")

    with batches(half_way, on_error=OnError.SIDE) as harness:
        harness.push(ROWS[:2]).push(ROWS[2:])
        assert harness.rows == HALVES[2:]
        assert harness.side("errors") == [{**row, "error": "ValueError: dirty"} for row in ROWS[:2]]
