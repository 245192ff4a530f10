"""Operators that store rows until the end of a port hold the watermark back: their rows leave before it."""

import pyarrow as pa
import pytest

from sabotnb.eventtime import with_clock
from sabotnb.graph import Join, Sort
from sabotnb.protocol import MIN_WATERMARK
from sabotnb.testing import Harness

SCHEMA = pa.schema([("x", pa.int64())])
ROWS = [{"x": 2}, {"x": 1}]
DELAYED = with_clock(pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA), 5)


def test_sort_holds_the_watermark_until_its_input_has_ended():
    with Harness(Sort(("x",), (False,)), SCHEMA) as harness:
        assert harness.advance(3).watermark == 3
        assert harness.push(ROWS).advance(5).watermark == 3
        assert harness.end().rows == ROWS[::-1]
        assert harness.watermark == 5


@pytest.mark.parametrize("rows", [ROWS, DELAYED])
def test_a_join_holds_the_watermark_while_left_rows_wait_for_the_right_input(rows):
    with Harness(Join(("x",), ("x",), "left"), SCHEMA, SCHEMA) as harness:
        assert harness.push([{"x": 1}], port=1).advance(3).watermark == 3
        assert harness.push(rows).advance(5).watermark == 3
        assert harness.end(1).watermark == 5
        assert len(harness.rows) == 2
        assert harness.push(rows).advance(6).watermark == 6


def test_an_operator_without_rows_holds_no_watermark():
    with Harness(Join(("x",), ("x",)), SCHEMA, SCHEMA) as harness:
        assert harness.watermark == MIN_WATERMARK
        assert harness.advance(5).watermark == 5
