"""Operators on delayed rows, which have the clock of their split in a hidden column."""

import pyarrow as pa
import pytest

from sabotnb import operators
from sabotnb.blobs import capture
from sabotnb.eventtime import is_delayed, with_clock
from sabotnb.expr import col, lit
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    Distinct,
    Filter,
    FilterBatches,
    Join,
    MapBatches,
    MapRows,
    Project,
    Reduce,
    Sort,
    Top,
    Union,
)
from sabotnb.protocol import Delayed
from sabotnb.testing import Harness

SCHEMA = pa.schema([("x", pa.int64()), ("s", pa.dictionary(pa.int32(), pa.string()))])
RIGHT = pa.schema([("x", pa.int64()), ("y", pa.int64())])
ROWS = [{"x": 1, "s": "a"}, {"x": 2, "s": None}, {"x": 1, "s": "b"}]
DELAYED = with_clock(pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA), pa.array([7, 5, 9]))
NOT_DELAYED = pa.RecordBatch.from_pylist([{"x": 1, "s": "c"}], schema=SCHEMA)
PARTNERS = [{"x": 1, "y": 10}, {"x": 1, "y": 20}, {"x": 3, "y": 30}]


def function(batch):
    return batch


def join(how):
    return Join(("x",), ("x",), how)


@pytest.mark.parametrize(
    ("spec", "declared"),
    [
        (Filter(lit(value=True)), Delayed.KEEP),
        (Project((("x", col("x")),)), Delayed.KEEP),
        (Union(1), Delayed.KEEP),
        (Distinct(()), Delayed.KEEP),
        (FilterBatches(capture(function, "filter")), Delayed.SPLIT),
        (MapBatches(capture(function, "map"), SCHEMA), Delayed.SPLIT),
        (MapRows(capture(function, "map_rows"), SCHEMA), Delayed.SPLIT),
        (Aggregate((), (AggregateColumn("n", "count"),), SCHEMA), Delayed.DROP),
        (Reduce((), capture(function, "reduce"), SCHEMA), Delayed.DROP),
        (Sort(("x",), (False,)), Delayed.DROP),
        (Top((), 1, "x"), Delayed.DROP),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_each_operator_declares_what_it_does_with_delayed_rows(spec, declared):
    assert operators.create(spec, [SCHEMA]).delayed is declared


def read(batches):
    """Rows with their clocks; None for rows that are not delayed."""
    return [
        tuple(row.values()) if is_delayed(batch) else (*row.values(), None)
        for batch in batches
        for row in batch.to_pylist()
    ]


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        (Filter(col("x") == 1), [(1, "a", 7), (1, "b", 9), (1, "c", None)]),
        (Filter(lit(value=True)), [(1, "a", 7), (2, None, 5), (1, "b", 9), (1, "c", None)]),
        (Filter(col("x") > 9), []),
        (Project((("double", col("x") * 2),)), [(2, 7), (4, 5), (2, 9), (2, None)]),
        (Project(()), [(7,), (5,), (9,), (None,)]),
        (Union(1), [(1, "a", 7), (2, None, 5), (1, "b", 9), (1, "c", None)]),
        (Distinct(("x",)), [(1, "a", 7), (2, None, 5)]),
    ],
)
def test_rows_keep_their_clock(spec, rows):
    with Harness(spec, SCHEMA) as harness:
        assert read(harness.push(DELAYED).push(NOT_DELAYED).end().batches) == rows


@pytest.mark.parametrize("before", ["left", "right"])
@pytest.mark.parametrize(
    ("how", "rows"),
    [
        ("inner", [(1, "a", 10, 7), (1, "a", 20, 7), (1, "b", 10, 9), (1, "b", 20, 9)]),
        ("left", [(1, "a", 10, 7), (1, "a", 20, 7), (1, "b", 10, 9), (1, "b", 20, 9), (2, None, None, 5)]),
        ("semi", [(1, "a", 7), (1, "b", 9)]),
        ("anti", [(2, None, 5)]),
        ("right", [(1, "a", 10, 7), (1, "a", 20, 7), (1, "b", 10, 9), (1, "b", 20, 9), (3, None, 30, None)]),
    ],
)
def test_joined_rows_have_the_clock_of_the_left_row(how, rows, before):
    right = with_clock(pa.RecordBatch.from_pylist(PARTNERS, schema=RIGHT), 3)  # its clock has no meaning for a result
    with Harness(join(how), SCHEMA, RIGHT) as harness:
        if before == "left":
            harness.push(DELAYED)
        harness.push(right, port=1).end(port=1)
        if before == "right":
            harness.push(DELAYED)
        result = read(harness.end().batches)
    assert sorted(result, key=str) == sorted(rows, key=str)


def test_delayed_and_other_left_rows_wait_for_the_right_input():
    with Harness(join("semi"), SCHEMA, RIGHT) as harness:
        harness.push(DELAYED).push(NOT_DELAYED).push(PARTNERS, port=1)
        result = read(harness.end(port=1).end().batches)
    assert sorted(result, key=str) == [(1, "a", 7), (1, "b", 9), (1, "c", None)]
