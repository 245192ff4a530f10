"""Arithmetic and rounding of the smallest and largest values, against Python's exact ones."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.errors import ExpressionError
from sabotnb.expr import Expr, bind, col, evaluate

SIGNED = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


def computed(expr: Expr, values: list, data_type: pa.DataType | str) -> list:
    return evaluate(expr, pa.record_batch({"x": pa.array(values, data_type)})).to_pylist()


@pytest.mark.parametrize("data_type", SIGNED)
def test_the_smallest_integer_and_minus_one(data_type: str):
    low = -(1 << SIGNED[data_type] - 1)
    assert computed(col("x") % -1, [low, -low - 1, 0, None], data_type) == [0, 0, 0, None]
    assert computed(col("x") % col("x"), [low, -1, None], data_type) == [0, 0, None]
    assert computed(col("x") // -1, [low + 1, -low - 1], data_type) == [-low - 1, low + 1]
    with pytest.raises(ExpressionError, match="overflow"):
        computed(col("x") // -1, [low], data_type)


@given(
    text=st.decimals("-9999.99", "9999.99", places=2, allow_nan=False),
    digits=st.integers(-6, 4),
)
def test_decimals_round_as_pythons_do(text: Decimal, digits: int):
    exact = text.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    assert computed(col("x").round(digits), [text], pa.decimal128(6, 2)) == [exact]
    assert computed(col("x").ceil(), [text], pa.decimal128(6, 2)) == [text.to_integral_value(ROUND_CEILING)]
    assert computed(col("x").floor(), [text], pa.decimal128(6, 2)) == [text.to_integral_value(ROUND_FLOOR)]


def test_a_decimal_that_rounds_up_has_room_for_its_digit():
    schema = pa.schema({"x": pa.decimal128(3, 2), "wide": pa.decimal128(38, 2)})
    assert bind(col("x").round(0), schema) == pa.decimal128(4, 2)
    assert bind(col("x").round(2), schema) == pa.decimal128(3, 2)
    assert bind(col("wide").ceil(), schema) == pa.decimal128(38, 2)
    assert computed(col("x").round(0), [Decimal("9.99")], pa.decimal128(3, 2)) == [Decimal("10.00")]
    assert computed(col("x").ceil(), [Decimal("9.01")], pa.decimal128(3, 2)) == [Decimal("10.00")]
    with pytest.raises(ExpressionError, match="does not fit"):
        computed(col("x").ceil(), [Decimal("9" * 36 + ".99")], pa.decimal128(38, 2))


@pytest.mark.parametrize("digits", [1, 2, 15, 20, 300, 308, 400])
def test_floats_without_such_digits_stay(digits: int):
    values = [1e308, -1e308, float("inf"), 1e16, 0.5, -0.5, None]
    assert computed(col("x").round(digits), values, pa.float64()) == values


@pytest.mark.parametrize(
    ("digits", "expected"), [(15, 0.285), (2, 0.28), (0, 0.0), (-1, 0.0), (-308, 0.0), (-400, 0.0)]
)
def test_floats_round_to_the_nearest(digits: int, expected: float):
    assert computed(col("x").round(digits), [0.285], pa.float64()) == [expected]


def test_integers_round_beyond_their_digits():
    assert computed(col("x").round(-3), [127, -128, 15], pa.int8()) == [0, 0, 0]
    assert computed(col("x").round(-2), [127, -128, 50], pa.int8()) == [100, -100, 0]
    with pytest.raises(ExpressionError, match="130 not in range"):
        computed(col("x").round(-1), [127], pa.int8())
