"""What is said never to raise does not, whatever the values: every function, on the extremes of every type."""

import datetime as dt
import math
from decimal import Decimal
from itertools import product

import pyarrow as pa
import pytest

from sabotnb import expr
from sabotnb.errors import ExpressionError, TypeMismatch
from sabotnb.expr import Expr, coalesce, col, lit, udf, when

BIG = 2**63 - 1
INTEGERS = {
    f"{sign}{bits}": pa.array([0, 1, high, low, None], getattr(pa, f"{sign}{bits}")())
    for bits in (8, 16, 32, 64)
    for sign, low, high in (("int", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1), ("uint", 0, 2**bits - 1))
}
FLOATS = [0.0, -0.0, math.nan, -math.inf, None]
FAR = pa.array([0, -1, BIG, -BIG, None], pa.int64())
TIMES = {
    **{f"timestamp_{unit}": FAR.cast(pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")},
    "timestamp_zone": FAR.cast(pa.timestamp("s", "Europe/Berlin")),
    **{f"duration_{unit}": FAR.cast(pa.duration(unit)) for unit in ("s", "ms", "us", "ns")},
    "date32": pa.array([0, -1, 2**31 - 1, -(2**31), None], pa.int32()).cast(pa.date32()),
    "date64": pa.array([0, -1, BIG // 86_400_000, -(BIG // 86_400_000), None], pa.int64()),
    "time32": pa.array([0, 1, 86_399, 43_200, None], pa.int32()).cast(pa.time32("s")),
    "time64": pa.array([0, 1, 86_399_999_999_999, 5, None], pa.int64()).cast(pa.time64("ns")),
}
TIMES["date64"] = pa.compute.multiply(TIMES["date64"], 86_400_000).cast(pa.date64())
BATCH = pa.record_batch(
    {
        **INTEGERS,
        "half": pa.array(FLOATS, pa.float32()).cast(pa.float16()),
        "float": pa.array(FLOATS, pa.float32()),
        "double": pa.array([1e308, *FLOATS[1:]]),
        "narrow": pa.array([Decimal("9.99"), Decimal("-9.99"), Decimal(0), Decimal("0.01"), None], pa.decimal128(3, 2)),
        "wide": pa.array([Decimal(10) ** 37, -(Decimal(10) ** 37), Decimal(0), Decimal(1), None], pa.decimal128(38, 0)),
        "tiny": pa.array([Decimal(10) ** -38, None, None, None, None], pa.decimal256(76, 76)),
        "string": ["", "ä" * 40, "1", "\0", None],
        "large_string": pa.array(["", "x", "1e400", "2020-01-01", None], pa.large_string()),
        "text_of_few": pa.array(["a", "b", "a", None, "b"]).dictionary_encode(),
        "far_of_few": FAR.cast(pa.timestamp("s")).dictionary_encode(),
        "binary": [b"", b"\xff", b"x", b"\0", None],
        "fixed": pa.array([b"abcd"] * 4 + [None], pa.binary(4)),
        "bool": [True, False, True, False, None],
        "null": pa.nulls(5),
        **TIMES,
        "list": [[1], [], [None], [1, 2, 3], None],
        "struct": [{"x": 1}, {"x": None}, {"x": 0}, {"x": 5}, None],
    }
)
NAMES = BATCH.schema.names
UNCAST = (pa.types.is_nested, pa.types.is_null, pa.types.is_dictionary)
TYPES = [one for one in dict.fromkeys(BATCH.schema.types) if not any(is_it(one) for is_it in UNCAST)]

ONE = {
    "not": lambda x: ~x,
    "negate": lambda x: -x,
    "is_null": Expr.is_null,
    "is_nan": Expr.is_nan,
    "is_finite": Expr.is_finite,
    "abs": Expr.abs,
    "round": lambda x: x.round(2),
    "round_up": lambda x: x.round(-3),
    "floor": Expr.floor,
    "ceil": Expr.ceil,
    "sqrt": Expr.sqrt,
    "exp": Expr.exp,
    "log": Expr.log,
    "log2": lambda x: x.log(2),
    "clip": lambda x: x.clip(0, 5),
    "power": lambda x: x**-2,
    "is_in": lambda x: x.is_in([1, None]),
    "is_in_text": lambda x: x.is_in(["a", "b"]),
    "before": lambda x: x < dt.datetime(2020, 1, 1),
    "before_day": lambda x: x < dt.date(2020, 1, 1),
    "after_text": lambda x: x > "2020-01-01",
    "equal_text": lambda x: x == "a",
    "one_more": lambda x: x + 1,
    "half_of": lambda x: x / 2,
    "remainder": lambda x: x % 2,
    "fill_null": lambda x: x.fill_null(0),
    "len": lambda x: x.str.len(),
    "lower": lambda x: x.str.lower(),
    "strip": lambda x: x.str.strip(),
    "contains": lambda x: x.str.contains("^a"),
    "replace": lambda x: x.str.replace_all("(a)", r"\1\1"),
    "slice": lambda x: x.str.slice(-2, 1),
    "split": lambda x: x.str.split(","),
    "to_datetime": lambda x: x.str.to_datetime(),
    **{
        name: lambda x, name=name: getattr(x.dt, name)()
        for name in ("year", "quarter", "month", "week", "day", "day_of_year", "weekday", "hour", "minute", "second")
    },
    "date": lambda x: x.dt.date(),
    "truncate": lambda x: x.dt.truncate("1w"),
    "truncate_month": lambda x: x.dt.truncate("1mo"),
    "epoch": lambda x: x.dt.epoch("ns"),
    "in_zone": lambda x: x.dt.convert_time_zone("America/New_York"),
    "strftime": lambda x: x.dt.strftime("%Y-%m-%d %H:%M:%S"),
    "total_seconds": lambda x: x.dt.total_seconds(),
    "list_len": lambda x: x.list.len(),
    "list_get": lambda x: x.list.get(-1),
    "field": lambda x: x.struct.field("x"),
}
TWO = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "floor_divide": lambda x, y: x // y,
    "modulo": lambda x, y: x % y,
    "power": lambda x, y: x**y,
    "equal": lambda x, y: x == y,
    "less": lambda x, y: x < y,
    "between": lambda x, y: x.is_between(y, y),
    "and": lambda x, y: x & y,
    "coalesce": coalesce,
    "when": lambda x, y: when(col("bool")).then(x).otherwise(y),
    "clip": lambda x, y: x.clip(y),
}


def checked(one: Expr) -> str:
    """What is said of it, after that has been compared with what it does."""
    try:
        total = expr.is_total(one, BATCH.schema)
    except TypeMismatch:
        return "refused"
    try:
        expr.evaluate(one, BATCH)
    except ExpressionError:
        assert not total, one
        return "raised"
    return "total" if total else "held"


@pytest.mark.parametrize("function", ONE)
def test_a_function_of_one_column(function: str):
    assert {checked(ONE[function](col(name))) for name in NAMES} != {"refused"}


@pytest.mark.parametrize("function", TWO)
def test_a_function_of_two_columns(function: str):
    assert {checked(TWO[function](col(x), col(y))) for x, y in product(NAMES, NAMES)} != {"refused"}


@pytest.mark.parametrize("target", TYPES, ids=str)
def test_a_cast(target: pa.DataType):
    assert {checked(col(name).cast(target)) for name in NAMES} != {"refused"}


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (col("half").abs(), "abs cannot be computed of halffloat; cast it first"),
        (col("null") == col("null"), "equal cannot be computed of null; cast it first"),
        (col("int64").round(-20), "Rounding to -20 digits is out of range for type int64"),
        (col("time32") == "12:00", "time32[s] and string have no common type"),
        (col("timestamp_ns") < dt.datetime(3000, 1, 1), "'3000-01-01 00:00:00' is not a timestamp[ns]: "),
        (col("wide") + col("tiny"), "decimal128(38, 0) and decimal256(76, 76) have no common type"),
    ],
    ids=str,
)
def test_what_has_no_kernel_is_refused_when_it_is_written(one: Expr, message: str):
    with pytest.raises(TypeMismatch) as raised:
        expr.bind(one, BATCH.schema)
    assert message in str(raised.value)


@udf("bool")
def anything(x: pa.Array) -> pa.Array:
    return x.is_valid()


@pytest.mark.parametrize(
    ("one", "total"),
    [
        (col("int64") > 1, True),
        (col("int64") + 1 > 1, False),
        (col("int32").cast("int64") > 1, True),
        (col("int64").cast("int32") > 1, False),
        (col("double").cast("float32") > 1, True),
        (col("string").str.len() > 1, True),
        (col("timestamp_us").dt.date() == dt.date(2020, 1, 1), True),
        (col("timestamp_s") > col("timestamp_ns"), False),
        (col("timestamp_ns") > col("timestamp_s"), False),
        (col("timestamp_us") > dt.datetime(2020, 1, 1), True),
        (col("timestamp_s") > "2020-01-01", True),
        (col("timestamp_s").cast("timestamp[ns]") > lit(0, pa.timestamp("ns")), False),
        (col("timestamp_ns").cast("timestamp[s]") > lit(0, pa.timestamp("s")), True),
        (col("date32") > dt.date(2020, 1, 1), True),
        (col("far_of_few") > lit(0, pa.timestamp("ns")), False),
        (col("double").is_nan() | (1 / col("double") > 0), True),
        (col("struct").struct.field("x") == 1, True),
        (col("list").list.get(0) == 1, True),
        (col("string").str.split(",").list.len() > 1, True),
        (when(col("bool")).then(col("timestamp_s")).otherwise(col("timestamp_ns")).is_null(), False),
        (anything(col("int64")), False),
    ],
    ids=str,
)
def test_table(one: Expr, total: bool):
    assert expr.is_total(one, BATCH.schema) is total


def test_a_dictionary_may_have_entries_that_no_row_has():
    indices = pa.array([0, None], pa.int32())
    far = pa.DictionaryArray.from_arrays(indices, pa.array([0, BIG]).cast(pa.timestamp("s")))
    batch = pa.record_batch({"t": far})
    assert expr.evaluate(col("t") < lit(1, pa.timestamp("ns")), batch).to_pylist() == [True, None]
