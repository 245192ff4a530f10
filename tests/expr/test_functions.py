"""Every function once: what it gives for a value, for an edge, and for null."""

import datetime as dt
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb import expr
from sabotnb.errors import ExpressionError, TypeMismatch
from sabotnb.expr import Expr, coalesce, col, duration, lit, when

NAN, INF = math.nan, math.inf
MONEY = col("d").cast(pa.decimal128(38, 2))
"""As wide as sums are."""
NOON = dt.datetime(2013, 7, 1, 12, 34, 56)
LEAP = dt.datetime(2020, 2, 29)
WHOLE_SECONDS = col("t").dt.truncate("1s").cast("timestamp[s]")
OLD = dt.datetime(1969, 12, 31, 23, 59, 59, 500_000)

BATCH = pa.record_batch(
    {
        "i": pa.array([7, -7, None], pa.int64()),
        "j": pa.array([2, 2, 2], pa.int32()),
        "u": pa.array([1, 2, None], pa.uint8()),
        "f": pa.array([2.5, NAN, None], pa.float64()),
        "g": pa.array([-3.5, INF, None], pa.float32()),
        "d": pa.array([Decimal("1.50"), Decimal("-2.25"), None], pa.decimal128(9, 2)),
        "s": pa.array(["  Ab ", "ÄÖ", None]),
        "t": pa.array([NOON, OLD, None], pa.timestamp("us")),
        "z": pa.array([NOON, LEAP, None], pa.timestamp("ms", "America/New_York")),
        "day": pa.array([dt.date(2013, 7, 1), LEAP.date(), None]),
        "n": pa.array([{"x": 1}, {"x": None}, None], pa.struct([("x", pa.int16())])),
        "l": pa.array([[1, 2], [], None], pa.list_(pa.int32())),
    }
)


@pytest.mark.parametrize(
    ("one", "type_", "values"),
    [
        (col("i") / col("j"), "double", [3.5, -3.5, None]),
        (col("i") // col("j"), "int64", [3, -4, None]),
        (col("i") % col("j"), "int64", [1, 1, None]),
        (col("f") // 2, "double", [1.0, NAN, None]),
        (col("f") % 2, "double", [0.5, NAN, None]),
        (col("i") / 0, "double", [INF, -INF, None]),
        (col("i") ** 2, "int64", [49, 49, None]),
        (col("j") ** -1, "double", [0.5, 0.5, 0.5]),
        (2 ** col("u"), "uint8", [2, 4, None]),
        (col("g") * 2, "float", [-7.0, INF, None]),
        (col("g") / 2, "float", [-1.75, INF, None]),
        (col("g") + col("i"), "double", [3.5, INF, None]),
        (col("u") + 300, "int64", [301, 302, None]),
        (-col("u"), "int64", [-1, -2, None]),
        (1 - col("i"), "int64", [-6, 8, None]),
        (col("d") * 2, "decimal128(11, 2)", [Decimal("3.00"), Decimal("-4.50"), None]),
        (MONEY * 2, "decimal128(38, 2)", [Decimal("3.00"), Decimal("-4.50"), None]),
        (MONEY + lit(None), "decimal128(38, 2)", [None, None, None]),
        (1 - MONEY, "decimal128(38, 2)", [Decimal("-0.50"), Decimal("3.25"), None]),
        (MONEY * Decimal("0.19"), "decimal128(38, 4)", [Decimal("0.2850"), Decimal("-0.4275"), None]),
        (MONEY * col("d"), "decimal128(38, 4)", [Decimal("2.2500"), Decimal("5.0625"), None]),
        (col("d") + 1, "decimal128(10, 2)", [Decimal("2.50"), Decimal("-1.25"), None]),
        (col("d") / 2, "double", [0.75, -1.125, None]),
        (col("s") + "!", "string", ["  Ab !", "ÄÖ!", None]),
        ("<" + col("s"), "string", ["<  Ab ", "<ÄÖ", None]),
        (abs(col("i")), "int64", [7, 7, None]),
        (col("f").round(), "double", [2.0, NAN, None]),
        (col("i").round(-1), "int64", [10, -10, None]),
        (col("g").floor(), "float", [-4.0, INF, None]),
        (col("g").ceil(), "float", [-3.0, INF, None]),
        (col("i").sqrt(), "double", [math.sqrt(7), NAN, None]),
        (col("i").log(7), "double", [1.0, NAN, None]),
        (col("j").exp(), "double", [math.exp(2)] * 3),
        (col("i").clip(-1, 1), "int64", [1, -1, None]),
        (col("f").clip(lower=3), "double", [3.0, NAN, None]),
        (col("f").is_nan(), "bool", [False, True, None]),
        (col("i").is_nan(), "bool", [False, False, None]),
        (col("g").is_finite(), "bool", [True, False, None]),
        (col("f") == NAN, "bool", [False, False, None]),
        (col("f") == col("f"), "bool", [True, False, None]),
        (col("u") < col("i"), "bool", [True, False, None]),
        (col("i").is_in([7, None]), "bool", [True, None, None]),
        (~col("i").is_in([7]), "bool", [False, True, None]),
        (col("i").is_between(-7, 7, closed="left"), "bool", [False, True, None]),
        (coalesce(col("i"), col("f"), 0), "double", [7.0, -7.0, 0.0]),
        (coalesce("i", "f", 0), "double", [7.0, -7.0, 0.0]),
        (col("s").fill_null("none"), "string", ["  Ab ", "ÄÖ", "none"]),
        (when(col("i") > 0).then("up").when(col("i") < 0).then("down"), "string", ["up", "down", None]),
        (when(col("i") > 0).then(1).otherwise(0.5), "double", [1.0, 0.5, 0.5]),
        (col("i").cast("string"), "string", ["7", "-7", None]),
        (col("j").cast(float), "double", [2.0] * 3),
        (col("t").cast("date"), "date32", [NOON.date(), OLD.date(), None]),
        (col("s").str.len(), "int64", [5, 2, None]),
        (col("s").str.lower(), "string", ["  ab ", "äö", None]),
        (col("s").str.upper(), "string", ["  AB ", "ÄÖ", None]),
        (col("s").str.strip(), "string", ["Ab", "ÄÖ", None]),
        (col("s").str.strip_start(), "string", ["Ab ", "ÄÖ", None]),
        (col("s").str.strip_end(" b"), "string", ["  A", "ÄÖ", None]),
        (col("s").str.contains("[A-B]"), "bool", [True, False, None]),
        (col("s").str.contains("[A-B]", literal=True), "bool", [False, False, None]),
        (col("s").str.starts_with("Ä"), "bool", [False, True, None]),
        (col("s").str.ends_with("b "), "bool", [True, False, None]),
        (col("s").str.replace(" ", "_"), "string", ["_ Ab ", "ÄÖ", None]),
        (col("s").str.replace_all("", "-", literal=True).str.slice(0, 4), "string", ["- - ", "-Ä-Ö", None]),
        (col("s").str.replace("", r"\1", literal=True), "string", [r"\1  Ab ", r"\1ÄÖ", None]),
        (col("s").str.replace_all(r"(\w)", r"<\1>"), "string", ["  <A><b> ", "ÄÖ", None]),
        (col("s").str.slice(-2), "string", ["b ", "ÄÖ", None]),
        (col("s").str.slice(2, 2), "string", ["Ab", "", None]),
        (col("s").str.slice(-2, 5), "string", ["b ", "ÄÖ", None]),
        (col("s").str.split("b").list.get(0), "string", ["  A", "ÄÖ", None]),
        (lit("2020-01-02").str.to_datetime(), "timestamp[us]", [dt.datetime(2020, 1, 2)] * 3),
        (lit("2/1/20").str.to_datetime("%d/%m/%y"), "timestamp[us]", [dt.datetime(2020, 1, 2)] * 3),
        (col("t").dt.year(), "int64", [2013, 1969, None]),
        (col("day").dt.quarter(), "int64", [3, 1, None]),
        (col("t").dt.month(), "int64", [7, 12, None]),
        (col("t").dt.week(), "int64", [27, 1, None]),
        (col("day").dt.day(), "int64", [1, 29, None]),
        (col("day").dt.day_of_year(), "int64", [182, 60, None]),
        (col("t").dt.weekday(), "int64", [1, 3, None]),
        (col("z").dt.hour(), "int64", [8, 19, None]),
        (col("t").dt.minute(), "int64", [34, 59, None]),
        (col("day").dt.second(), "int64", [0, 0, None]),
        (col("z").dt.date(), "date32", [NOON.date(), dt.date(2020, 2, 28), None]),
        (
            col("t").dt.truncate("15m"),
            "timestamp[us]",
            [dt.datetime(2013, 7, 1, 12, 30), OLD.replace(minute=45, second=0, microsecond=0), None],
        ),
        (col("day").dt.truncate("1w"), "date32", [dt.date(2013, 7, 1), dt.date(2020, 2, 24), None]),
        (col("day").dt.truncate("1y"), "date32", [dt.date(2013, 1, 1), dt.date(2020, 1, 1), None]),
        (col("t").dt.epoch("s"), "int64", [1372682096, -1, None]),
        (col("day").dt.epoch("ms"), "int64", [1372636800000, 1582934400000, None]),
        (col("t").dt.offset_by("-1h"), "timestamp[us]", [NOON.replace(hour=11), OLD.replace(hour=22), None]),
        (col("t") + duration("1s"), "timestamp[us]", [NOON.replace(second=57), OLD + dt.timedelta(seconds=1), None]),
        (col("day") + dt.timedelta(days=1), "date32", [dt.date(2013, 7, 2), dt.date(2020, 3, 1), None]),
        (col("t") - col("day"), "duration[us]", [dt.timedelta(hours=12, minutes=34, seconds=56), OLD - LEAP, None]),
        ((col("t") - col("day")).dt.total_seconds(), "double", [45296.0, (OLD - LEAP).total_seconds(), None]),
        (col("t") >= "2013-07-01T12:00", "bool", [True, False, None]),
        (col("z") == NOON, "bool", [True, False, None]),
        (col("z") == "2013-07-01T14:34:56+02:00", "bool", [True, False, None]),
        (col("t") > dt.date(2000, 1, 1), "bool", [True, False, None]),
        (col("z").dt.convert_time_zone("UTC").dt.hour(), "int64", [12, 0, None]),
        (col("t").dt.strftime("%Y/%m"), "string", ["2013/07", "1969/12", None]),
        (col("t").dt.strftime("%H:%M:%S %%f"), "string", ["12:34:56 %f", "23:59:59 %f", None]),
        (col("t").dt.strftime("%S%.f"), "string", ["56.000000", "59.500000", None]),
        (col("t").cast("timestamp[ns]").dt.strftime("%S.%f"), "string", ["56.000000", "59.500000", None]),
        (
            col("t").dt.truncate("1s").cast("timestamp[s]").dt.strftime("%S.%f"),
            "string",
            ["56.000000", "59.000000", None],
        ),
        (col("n").struct.field("x"), "int16", [1, None, None]),
        (col("l").list.len(), "int64", [2, 0, None]),
        (col("l").list.get(-1), "int32", [2, None, None]),
        (lit(1) + 2, "int64", [3, 3, 3]),
        (lit(1, "int8"), "int8", [1, 1, 1]),
        (lit(None), "null", [None] * 3),
    ],
    ids=str,
)
def test_function(one: Expr, type_: str, values: list[object]):
    result = expr.evaluate(one, BATCH)
    assert str(result.type).removesuffix("[day]") == type_
    assert result.to_pylist() == [
        pytest.approx(value, nan_ok=True) if isinstance(value, float) else value for value in values
    ]
    assert expr.evaluate(one, BATCH.slice(0, 0)) == result.slice(0, 0)


def test_views_and_large_text_behave_as_text():
    batch = pa.record_batch(
        {"v": pa.array(["a", None], pa.string_view()), "l": pa.array(["a", "b"], pa.large_string())}
    )
    assert expr.evaluate(col("v").str.upper(), batch).to_pylist() == ["A", None]
    assert expr.evaluate(col("v") == col("l"), batch).to_pylist() == [True, None]
    assert expr.evaluate(col("l") + "!", batch).to_pylist() == ["a!", "b!"]


def test_a_dictionary_stays_one_where_nothing_is_computed():
    batch = pa.record_batch({"s": pa.array(["x", None, "x"]).dictionary_encode()})
    assert pa.types.is_dictionary(expr.bind(col("s"), batch.schema))
    assert pa.types.is_string(expr.bind(col("s").fill_null(""), batch.schema))
    assert expr.evaluate(col("s") == "x", batch).to_pylist() == [True, None, True]
    assert expr.evaluate(col("s").fill_null("-"), batch).to_pylist() == ["x", "-", "x"]


def test_an_unused_dictionary_entry_that_cannot_be_cast_does_no_harm():
    values = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), ["1", "oops"])
    assert expr.evaluate(col("s").cast(int), pa.record_batch({"s": values})).to_pylist() == [1, 1]


def test_a_uint64_meets_a_signed_integer_exactly():
    batch = pa.record_batch({"u": pa.array([2**63 + 1], pa.uint64()), "i": pa.array([-1], pa.int64())})
    assert expr.evaluate(col("u") > col("i"), batch).to_pylist() == [True]


def test_a_large_uint64_is_divided_exactly():
    batch = pa.record_batch({"u": pa.array([2**64 - 1, None, 2**63], pa.uint64())})
    assert expr.evaluate(col("u") % 10, batch).to_pylist() == [5, None, 8]
    assert expr.evaluate(col("u") // 10, batch).to_pylist() == [1844674407370955161, None, 922337203685477580]


@given(st.lists(st.tuples(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(-(2**63), 2**63 - 1).filter(bool))))
def test_quotient_and_remainder_are_those_of_python(pairs):
    a, b = (pa.array([pair[side] for pair in pairs], pa.int64()) for side in (0, 1))
    batch = pa.record_batch({"a": a, "b": b})
    assert expr.evaluate(col("a") // col("b"), batch).to_pylist() == [a // b for a, b in pairs]
    assert expr.evaluate(col("a") % col("b"), batch).to_pylist() == [a % b for a, b in pairs]
    assert expr.evaluate(col("a") % -123, batch).to_pylist() == [a % -123 for a, _ in pairs]


def test_a_large_integer_meets_a_float():
    batch = pa.record_batch({"i": pa.array([2**53 + 1])})
    assert expr.evaluate(col("i") > 0.5, batch).to_pylist() == [True]


def test_decimals_that_need_more_digits_than_there_are_raise():
    nines = pa.record_batch({"d": pa.array([Decimal("9" * 38)], pa.decimal128(38, 0))})
    with pytest.raises(ExpressionError, match="38"):
        expr.evaluate(col("d") * 2, nines)
    with pytest.raises(TypeMismatch, match=r"could need more than 76 digits; cast one of them"):
        expr.evaluate(col("d") * col("d"), nines)


def test_a_negative_scale_is_what_the_message_speaks_of():
    batch = pa.record_batch({"d": pa.array([500], pa.decimal128(5, -2))})
    with pytest.raises(TypeMismatch, match=r"negative scale.*\.cast\(pa.decimal128\(38, 0\)\)"):
        expr.evaluate(col("d") + 1, batch)
    assert expr.evaluate(col("d").cast(pa.decimal128(38, 0)) + 1, batch).to_pylist() == [501]


@given(
    st.lists(st.none() | st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)), max_size=5),
    st.lists(st.integers(0, 4), max_size=20),
)
def test_strftime_of_times_that_repeat(moments, numbers):
    times = [moments[number] for number in numbers if number < len(moments)]
    batch = pa.record_batch({"t": pa.array(times, pa.timestamp("us"))})
    for pattern in ("%Y-%m-%d", "%H:%M:%S", "%S.%f"):
        found = expr.evaluate(col("t").dt.strftime(pattern), batch)
        assert found.to_pylist() == [time and time.strftime(pattern) for time in times]
