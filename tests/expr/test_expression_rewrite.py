"""Names, columns and substitution; durations and type spellings."""

import datetime as dt
import math
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from sabotnb import expr
from sabotnb.errors import ExpressionError, TypeMismatch
from sabotnb.expr import Expr, coalesce, col, duration_us, lit, may_be_true, type_of, when


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (col("x"), "x"),
        (col("x") + col("y"), "x"),
        (1 - col("y"), "y"),
        ((col("x") > 1).alias("big"), "big"),
        (col("x").alias("y") + 1, "y"),
        (coalesce(col("x"), 0), "x"),
        (when(col("c")).then(col("v")).otherwise(0), "v"),
        (col("n").struct.field("part"), "part"),
        (lit(1), None),
    ],
    ids=str,
)
def test_root_name(one: Expr, name: str | None):
    assert expr.root_name(one) == name


@pytest.mark.parametrize(
    ("one", "name"), [(col("x"), "x"), (col("x").alias("y"), "x"), (col("x") + 0, None), (lit(1), None)], ids=str
)
def test_column_name_is_of_plain_columns_only(one: Expr, name: str | None):
    assert expr.column_name(one) == name


def test_columns_are_all_that_it_reads():
    one = when(col("a").is_null()).then(col("b") + 1).otherwise(col("c").alias("d"))
    assert expr.columns(one) == {"a", "b", "c"}


def test_substitute_puts_in_what_columns_were_computed_from():
    one = (col("hours") > 2) & (col("carrier") == "AA")
    assert expr.same(
        expr.substitute(one, {"hours": (col("air_time") / 60).alias("hours")}),
        (col("air_time") / 60 > 2) & (col("carrier") == "AA"),
    )


BATCH = pa.record_batch(
    {
        "i8": pa.array([100, -3, None], pa.int8()),
        "u64": pa.array([1, 2, None], pa.uint64()),
        "f32": pa.array([0.1, -2.5, None], pa.float32()),
        "d": pa.array([Decimal("1.50"), Decimal("-2.25"), None], pa.decimal128(5, 2)),
        "s": pa.array(["a", "b", None], pa.large_string()),
        "t": pa.array([0, 10**9, None], pa.timestamp("ns")),
    }
)


@pytest.mark.parametrize(
    "value", [100, -1, 0.1, Decimal("2.5"), "a", dt.datetime(1970, 1, 1), dt.datetime(3000, 1, 1), None]
)
@pytest.mark.parametrize("name", BATCH.schema.names)
@pytest.mark.parametrize(
    "one",
    [
        lambda x, c: x + c,
        lambda x, c: c * x,
        lambda x, c: x / c,
        lambda x, c: x**c,
        lambda x, c: x == c,
        lambda x, c: x.fill_null(c),
        lambda x, c: x.clip(c),
        lambda x, c: x.is_between(c, c),
        lambda x, c: when(x.is_null()).then(c).otherwise(x),
    ],
    ids=["add", "multiply", "divide", "power", "equal", "fill_null", "clip", "is_between", "when"],
)
def test_a_constant_in_the_place_of_its_column_changes_neither_type_nor_values(one, name, value):
    as_column = one(col(name), col("c"))
    constant = lit(value)
    column = pa.array([value] * BATCH.num_rows, constant.node.type)
    batch = BATCH.append_column("c", column)
    assert result(expr.substitute(as_column, {"c": constant}), batch) == result(as_column, batch)


def result(one: Expr, batch: pa.RecordBatch) -> object:
    try:
        return expr.bind(one, batch.schema), str(expr.evaluate(one, batch))
    except (TypeMismatch, ExpressionError) as error:
        return type(error)


def test_conjuncts_and_all_of():
    parts = expr.conjuncts((col("a") & col("b")) & (col("c") | col("d")))
    assert [str(part) for part in parts] == ["col('a')", "col('b')", "col('c') | col('d')"]
    assert str(expr.all_of(parts)) == "(col('a') & col('b')) & (col('c') | col('d'))"
    assert str(expr.all_of([])) == "True"


def test_where_it_was_written_does_not_make_expressions_differ():
    assert expr.same(col("x") + 1, col("x") + 1)
    assert hash(col("x") + 1) == hash(col("x") + 1)
    assert not expr.same(col("x") + 1, col("x") + 1.0)
    assert not expr.same(lit(1), lit(value=True))
    assert expr.same(lit(float("nan")), lit(float("nan")))
    assert not expr.same(lit(0.0), lit(-0.0))
    assert expr.same(lit(pa.scalar("a", pa.string_view())), lit(pa.scalar("a", pa.large_string())))


def test_the_sign_of_zero_is_not_forgotten():
    batch = pa.record_batch({"x": [1.0]})
    assert [expr.evaluate(col("x") / lit(zero), batch)[0].as_py() for zero in (0.0, -0.0)] == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("written", "us"),
    [
        ("250ms", 250_000),
        ("5s", 5_000_000),
        ("1h30m", 5_400_000_000),
        ("1d", 86_400_000_000),
        ("1.5h", 5_400_000_000),
        ("-15m", -900_000_000),
        (dt.timedelta(seconds=1, microseconds=1), 1_000_001),
    ],
)
def test_duration(written: str | dt.timedelta, us: int):
    assert duration_us(written) == us


@pytest.mark.parametrize("written", ["5", "5M", "1mo", "m5", "", "5 apples", "1.5us", 5, 5.0, None])
def test_no_duration(written: object):
    with pytest.raises(TypeMismatch, match="write '250ms', '5s', '15m', '1h30m', '1d'"):
        duration_us(written)


@pytest.mark.parametrize(
    ("spelling", "data_type"),
    [
        ("int64", pa.int64()),
        (float, pa.float64()),
        ("date", pa.date32()),
        ("timestamp[ms]", pa.timestamp("ms")),
        ("timestamp[us, tz=UTC]", pa.timestamp("us", "UTC")),
        ("list[str]", pa.list_(pa.string())),
        (pa.decimal128(5, 2), pa.decimal128(5, 2)),
        ("string_view", pa.large_string()),
        (pa.list_(pa.string_view()), pa.list_(pa.large_string())),
        (pa.run_end_encoded(pa.int32(), pa.int64()), pa.int64()),
    ],
)
def test_type_spelling(spelling: object, data_type: pa.DataType):
    assert type_of(spelling) == data_type


def test_writing_expressions_loads_no_kernels():
    code = (
        "import sys; from sabotnb.expr import col, when, udf;"
        "when(col('x') > 1).then(col('y').str.upper()).otherwise(None);"
        "print([m for m in ('pyarrow.compute', 'pandas', 'numba', 'difflib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_may_be_true_follows_from_the_parts():
    known = {"a": True, "b": False}

    def answer(node):
        return known.get(node.name, True)

    a, b, c = col("a"), col("b"), col("c")
    for condition, expected in [
        (a & b, False),
        (a | b, True),
        ((a & b).alias("x") | (b & c), False),
        (((a | b).alias("x") & c).alias("y"), True),
        (b.alias("x"), False),
    ]:
        assert may_be_true(condition.node, answer) is expected
    deep = a
    for _ in range(5000):
        deep = (deep & b) | c
    assert may_be_true(deep.node, answer) is True
    assert may_be_true(deep.node, lambda node: np.array([answer(node), False])).tolist() == [True, False]
