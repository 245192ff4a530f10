import pyarrow as pa
import pytest

from sabotnb.connectors.formats.type_code import schema_code, type_code


@pytest.mark.parametrize(
    "data_type",
    [
        pa.bool_(),
        pa.int8(),
        pa.uint64(),
        pa.float16(),
        pa.float32(),
        pa.float64(),
        pa.string(),
        pa.large_string(),
        pa.binary(),
        pa.binary(3),
        pa.null(),
        pa.date32(),
        pa.date64(),
        pa.time32("ms"),
        pa.time64("ns"),
        pa.timestamp("us"),
        pa.timestamp("ns", "Europe/Berlin"),
        pa.duration("s"),
        pa.decimal128(38, 2),
        pa.decimal256(60, 2),
        pa.list_(pa.struct({"a'b": pa.uint64()})),
        pa.large_list(pa.int8()),
        pa.list_(pa.int8(), 3),
        pa.map_(pa.string(), pa.float64()),
        pa.dictionary(pa.int8(), pa.string()),
    ],
)
def test_the_code_of_a_type_makes_it(data_type):
    assert eval(type_code(data_type), {"pa": pa}) == data_type


def test_the_code_of_a_schema():
    assert schema_code("it's", pa.int64()) == """schema={"it's": pa.int64()}"""
