"""What may raise sees only the rows that need it."""

import datetime as dt

import pyarrow as pa
import pytest

from sabotnb import expr
from sabotnb.errors import ExpressionError
from sabotnb.expr import col, lit, when

BATCH = pa.record_batch(
    {
        "x": [10, 20, None, 30],
        "by": [0, 5, 5, None],
        "s": ["1", "two", "3", None],
        "t": pa.array([dt.datetime(3000, 1, 1), dt.datetime(2020, 1, 1), None, None], pa.timestamp("s")),
        "n": pa.array([0, 0, 0, None], pa.timestamp("ns")),
    }
)
SOON = col("t") < dt.datetime(2200, 1, 1)


@pytest.mark.parametrize(
    ("one", "values"),
    [
        ((col("by") != 0) & (col("x") // col("by") > 3), [False, True, None, None]),
        ((col("by") == 0) | (col("x") // col("by") > 3), [True, True, None, None]),
        (when(col("by") != 0).then(col("x") // col("by")).otherwise(-1), [-1, 4, None, -1]),
        (when(col("s").str.contains("^[0-9]+$")).then(col("s").cast(int)), [1, None, 3, None]),
        (when(col("by") == 0).then(0).when(col("x") % col("by") == 0).then(1).otherwise(2), [0, 1, 2, 2]),
        (when(lit(value=True)).then(1).otherwise(col("x") // 0), [1, 1, 1, 1]),
        (when(lit(value=False)).then(lit(1) // 0).otherwise(2), [2, 2, 2, 2]),
        (when(lit(value=True)).then(1).when(lit(1) // 0 > 1).then(2).otherwise(col("x") // 0), [1, 1, 1, 1]),
        (col("n").is_null() & col("n").is_not_null() & (lit(1) // 0 > 0), [False] * 4),
        (col("n").is_null() | col("n").is_not_null() | (lit(1) // 0 > 0), [True] * 4),
        (SOON & (col("t") > col("n")), [False, True, None, None]),
        (when(SOON).then(col("t") > col("n")), [None, True, None, None]),
        (when(SOON).then(col("t")).otherwise(col("n")).is_not_null(), [True, True, True, False]),
    ],
    ids=str,
)
def test_guard(one: expr.Expr, values: list[object]):
    assert expr.evaluate(one, BATCH).to_pylist() == values


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (col("x") // col("by"), "col('x') // col('by'): divide by zero; guard it: when(divisor != 0)"),
        (col("x") % 0, "col('x') % 0: divide by zero"),
        (col("x") * (2**62), "col('x') * 4611686018427387904: overflow; cast to a wider type before"),
        (col("x").cast("int8") * 10, "col('x').cast('int8') * 10: overflow"),
        (col("x") ** -col("by"), "col('x') ** (-col('by')): integers to negative integer powers are not allowed"),
        (
            col("s").cast(int),
            "col('s').cast('int64'): Failed to parse string: 'two' as a scalar of type int64; correct or filter out",
        ),
        (col("x").cast("uint8") - 11, "overflow"),
        (col("t") > col("n"), "col('t') > col('n'): Casting from timestamp[s] to timestamp[ns] would result in out of"),
        (col("t").cast("timestamp[ns]"), "timestamp: 32503680000; coarser units reach farther: .cast('timestamp[us]')"),
        (
            when(col("x") > 0).then(col("t")).otherwise(col("n")),
            "when(col('x') > 0).then(col('t')).otherwise(col('n'))",
        ),
    ],
    ids=str,
)
def test_a_row_without_a_value_names_the_expression(one: expr.Expr, message: str):
    with pytest.raises(ExpressionError) as raised:
        expr.evaluate(one, BATCH)
    assert message in str(raised.value)
