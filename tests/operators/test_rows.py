"""filter, select and union."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import operators
from sabotnb.blobs import capture
from sabotnb.errors import ColumnNotFound, ExpressionError, GraphError, UserFunctionError
from sabotnb.expr import col, lit
from sabotnb.graph import Filter, FilterBatches, Project, Sink, Spec, Union
from sabotnb.testing import Harness

SCHEMA = pa.schema([("x", pa.int64()), ("s", pa.string())])
ROWS = [{"x": 1, "s": "a"}, {"x": 2, "s": None}, {"x": None, "s": "b"}]


def result(spec: Spec, rows: list[dict[str, object]] = ROWS) -> list[dict[str, object]]:
    with Harness(spec, SCHEMA) as harness:
        return harness.push(rows).end().rows


def test_filter_keeps_what_is_true_not_what_is_null():
    assert result(Filter(col("x") > 1)) == [{"x": 2, "s": None}]
    assert result(Filter(~(col("x") > 1))) == [{"x": 1, "s": "a"}]


def test_filter_hands_a_batch_on_uncopied_that_passes_whole():
    batch = pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA)
    operator = operators.create(Filter(lit(value=True)), [SCHEMA])
    assert next(iter(operator.process(0, batch))) is batch


def test_filter_gives_no_empty_batches():
    batch = pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA)
    assert [*operators.create(Filter(col("x") > 9), [SCHEMA]).process(0, batch)] == []


@pytest.mark.parametrize(
    "mask",
    [
        lambda batch: pc.greater(batch["x"], 1),
        lambda batch: pa.chunked_array([[False], [True, None]]),
        lambda batch: [False, True, False],
        lambda batch: batch.to_pandas()["x"] > 1,
        lambda batch: batch["x"].to_numpy(zero_copy_only=False) > 1,
    ],
)
def test_filter_by_a_function(mask):
    assert result(FilterBatches(capture(mask, "filter"))) == [{"x": 2, "s": None}]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (lambda batch: batch["x"], "gave int64; a filter gives one boolean per row"),
        (lambda batch: [True], "gave 1 values for 3 rows; a filter gives one boolean per row"),
        (lambda batch: None, "gave NoneType; a filter gives one boolean per row"),
        (lambda batch: batch["y"], "raised KeyError"),
    ],
)
def test_filter_by_a_function_that_gives_no_mask(mask, message: str):
    with pytest.raises(UserFunctionError) as raised:
        result(FilterBatches(capture(mask, "filter")))
    assert message in str(raised.value)
    assert raised.value.operator == "operator_0"
    assert raised.value.sample.splitlines()[:2] == ["x     s", "1     a"]


def test_project_selects_renames_and_computes():
    spec = Project((("y", col("x") * 2), ("t", col("s")), ("one", lit(1))))
    assert result(spec) == [
        {"y": 2, "t": "a", "one": 1},
        {"y": 4, "t": None, "one": 1},
        {"y": None, "t": "b", "one": 1},
    ]


def test_project_to_no_columns_keeps_the_number_of_rows():
    batch = pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA)
    (made,) = operators.create(Project(()), [SCHEMA]).process(0, batch)
    assert (made.num_rows, made.num_columns) == (3, 0)


def test_a_row_without_a_value_names_the_expression():
    with pytest.raises(ExpressionError, match=r"10 // col\('x'\): divide by zero"):
        result(Project((("y", 10 // col("x")),)), [{"x": 0}])


def test_what_does_not_fit_is_refused_when_the_operator_is_made():
    with pytest.raises(ColumnNotFound, match="did you mean 's'"):
        operators.create(Filter(col("S") == "a"), [SCHEMA])


def test_sources_and_sinks_are_not_made_here():
    with pytest.raises(GraphError, match="sink is made by its connector"):
        operators.create(Sink("parquet"), [SCHEMA])


def test_union_hands_on_every_port():
    with Harness(Union(2), SCHEMA, SCHEMA) as harness:
        harness.push(ROWS[:1]).push(ROWS[1:], port=1).end()
        assert harness.rows == ROWS


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", None]), max_size=6), st.sets(st.integers(0, 6)))
def test_encodings_may_change_from_batch_to_batch(values: list[str | None], cuts: set[int]):
    plain = pa.record_batch({"s": pa.array(values, pa.string())})
    encoded = pa.record_batch({"s": plain["s"].dictionary_encode()})
    operator = operators.create(Filter(col("s") == "a"), [plain.schema])
    bounds = [*sorted(cuts), len(values)]
    parts = [
        (encoded if place % 2 else plain).slice(start, max(0, stop - start))
        for place, (start, stop) in enumerate(zip([0, *bounds], bounds, strict=False))
    ]
    kept = [row["s"] for part in parts for batch in operator.process(0, part) for row in batch.to_pylist()]
    assert kept == [value for value in values if value == "a"]
