from decimal import Decimal

import pyarrow as pa
import pytest

from sabotnb.connectors.formats.number_types import is_rounded, joint_type, number_type


@pytest.mark.parametrize(
    ("text", "rounded"),
    [
        ("9007199254740992", False),
        ("9007199254740993", True),
        ("-9007199254740993", True),
        ("9007199254740993.0", True),
        ("9007199254740993.5", True),
        ("9007199254740992.0", False),
        ("1234567.123456789012", False),
        ("9.007199254740993e15", True),
        ("1e300", False),
        ("1" * 400, True),
        ("NaN", False),
        ("-Infinity", False),
    ],
)
def test_numbers_that_a_double_rounds(text, rounded):
    assert is_rounded(Decimal(text)) is rounded


@pytest.mark.parametrize(
    ("texts", "data_type"),
    [
        ([], pa.int64()),
        (["1", str(-(2**63))], pa.int64()),
        (["1", str(2**63)], pa.uint64()),
        (["-1", str(2**63)], pa.decimal128(38, 0)),
        (["1.0"], pa.float64()),
        (["1.25", str(2**53 + 1)], pa.decimal128(38, 2)),
        (["1.50", "123456789012345678901234567890.12"], pa.decimal128(38, 2)),
        (["1e300", str(2**53 + 1)], None),
        (["1" * 39], None),
        (["1" + "0" * 20, "0.5"], pa.float64()),
        (["NaN", "1"], pa.float64()),
    ],
)
def test_the_type_of_numbers(texts, data_type):
    assert number_type(map(Decimal, texts)) == data_type


DECIMAL = pa.decimal128(38, 1)


@pytest.mark.parametrize(
    ("known", "found", "joint"),
    [
        (pa.int64(), pa.int64(), pa.int64()),
        (pa.int64(), pa.uint64(), pa.decimal128(38, 0)),
        (pa.uint64(), pa.int64(), pa.decimal128(38, 0)),
        (pa.uint8(), pa.int64(), pa.int64()),
        (pa.uint8(), pa.uint64(), pa.uint64()),
        (pa.int64(), pa.float64(), pa.float64()),
        (pa.float64(), pa.int64(), pa.float64()),
        (pa.float64(), pa.uint64(), None),
        (pa.float64(), DECIMAL, DECIMAL),
        (DECIMAL, pa.int64(), DECIMAL),
        (DECIMAL, pa.decimal128(38, 3), pa.decimal128(38, 3)),
        (DECIMAL, pa.float64(), None),
        (pa.null(), pa.string(), pa.string()),
        (pa.string(), pa.null(), pa.string()),
        (pa.int64(), pa.string(), None),
        (pa.date32(), pa.timestamp("us"), pa.timestamp("us")),
        (pa.list_(pa.int64()), pa.list_(pa.float64()), pa.list_(pa.float64())),
        (pa.list_(pa.int64()), pa.list_(pa.string()), None),
        (pa.struct({"a": pa.int64()}), pa.struct({"b": pa.bool_()}), pa.struct({"a": pa.int64(), "b": pa.bool_()})),
        (pa.struct({"a": pa.int64()}), pa.struct({"a": pa.bool_()}), None),
    ],
)
def test_a_type_for_both(known, found, joint):
    assert joint_type(known, found) == joint
