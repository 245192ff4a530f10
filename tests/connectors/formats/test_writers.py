"""What is written as text returns as it was, where the schema is declared, or is refused when it is written."""

import math
from datetime import date
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import connectors
from sabotnb.connectors.formats.writers import FORMATS, output_schema
from sabotnb.errors import SinkError

INTEGERS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}
NOT_IN_CSV = "csv files cannot hold"
COLUMNS = {
    "bool": pa.array([True, None, False]),
    **{name: pa.array([-(2**bits), None, 2**bits - 1], pa.type_for_alias(name)) for name, bits in INTEGERS.items()},
    **{f"u{name}": pa.array([0, None, 2**bits], pa.type_for_alias(f"u{name}")) for name, bits in INTEGERS.items()},
    "ids": pa.array([12345678901234567890, 12345678901234567891], pa.uint64()),
    "halffloat": pa.array([1.5, None, -0.0], pa.float32()).cast(pa.float16()),
    "float": pa.array([0.1, None, -0.0, 1e30], pa.float32()),
    "double": pa.array([0.1, None, -0.0, 1e300, 5e-324, 2.0**60], pa.float64()),
    "nan": pa.array([1.0, math.nan]),
    "infinity": pa.array([1.0, math.inf, -math.inf]),
    "decimal32": pa.array([Decimal("1.50"), None], pa.decimal32(5, 2)),
    "decimal128": pa.array([Decimal("1.50"), None, Decimal("-0.01")], pa.decimal128(38, 2)),
    "decimal of many digits": pa.array([Decimal("1e-20"), Decimal(0), Decimal(10**17)], pa.decimal128(38, 20)),
    "decimal256": pa.array([Decimal("1." + "1" * 50), None], pa.decimal256(76, 50)),
    "date32": pa.array([date(2024, 5, 6), None, date(1, 1, 1), date(9999, 12, 31)], pa.date32()),
    "date64": pa.array([date(2024, 5, 6), None], pa.date64()),
    **{
        f"timestamp {unit} {zone}": pa.array([1_700_000_000_123_456_789, None, -1, 0])
        .cast(pa.timestamp("ns"))
        .cast(pa.timestamp(unit), safe=False)
        .cast(pa.timestamp(unit, zone))
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "Europe/Berlin", "+05:30")
    },
    "whole seconds": pa.array([0, 1_000_000], pa.timestamp("us")),
    "an old offset": pa.array([-3_000_000_000], pa.timestamp("s", "Europe/Berlin")),
    "first and last year": pa.array([-62_167_219_200, 253_402_300_799], pa.timestamp("s", "+05:30")),
    "year 10000": pa.array([0, 253_402_300_800], pa.timestamp("s")),
    "year 10000 as date": pa.array([2_932_896, 2_932_897], pa.int32()).cast(pa.date32()),
    "year -1": pa.array([0, -62_167_219_201_000], pa.timestamp("ms")),
    "nested year 10000": pa.array([[253_402_300_800]], pa.list_(pa.timestamp("s"))),
    "time32 s": pa.array([0, None, 86399], pa.time32("s")),
    "time32 ms": pa.array([1, None, 86_399_999], pa.time32("ms")),
    "time64 us": pa.array([1, None, 86_399_999_999], pa.time64("us")),
    "time64 ns": pa.array([1, None, 86_399_999_999_999], pa.time64("ns")),
    **{
        f"duration {unit}": pa.array([1, None, -(2**62), 2**63 - 1, 0], pa.duration(unit))
        for unit in ("s", "ms", "us", "ns")
    },
    "string": pa.array(["a,b", None, "", 'x"y', "é\n\r\n\t\x01", "\\", "null", "NA", "NaN", "1", "true"]),
    "large_string": pa.array(["x", None, ""], pa.large_string()),
    "string_view": pa.array(["x", None, ""], pa.string_view()),
    "dates as text": pa.array(["2024-05-06", None, "2024-05-07"]),
    "times as text": pa.array(["2024-05-06T01:02:03Z", None]),
    "binary": pa.array([b"\xff\x00", None, b""], pa.binary()),
    "large_binary": pa.array([b"\xff\x00", None], pa.large_binary()),
    "fixed_size_binary": pa.array([b"\xff\x00", None], pa.binary(2)),
    "uuid": pa.array([UUID(int=5).bytes, None], pa.uuid()),
    "dictionary": pa.array(["b", None, "a", "b"]).dictionary_encode(),
    "dictionary of integers": pa.array([2**60, None, 5]).dictionary_encode(),
    "list": pa.array([[1, None], None, []]),
    "large_list": pa.array([[date(2024, 5, 6)], None, []], pa.large_list(pa.date32())),
    "fixed_size_list": pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
    "struct": pa.array([{"a": 1, "b": {"c": "x"}}, None, {"a": None, "b": None}]),
    "map": pa.array([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int64())),
    "map of structs": pa.array([[("a", {"x": [1]})]], pa.map_(pa.string(), pa.struct({"x": pa.list_(pa.int64())}))),
    "nested bytes": pa.array([[{"x": b"\xff"}], None], pa.list_(pa.struct({"x": pa.binary()}))),
    "nested durations": pa.array([[5], None, [None]], pa.list_(pa.duration("ns"))),
    "nested ids": pa.array([[{"id": 2**64 - 1}, None]], pa.list_(pa.struct({"id": pa.uint64()}))),
    "nested times": pa.array([[1, None]], pa.list_(pa.timestamp("ns", "UTC"))),
    "nested infinity": pa.array([[1.0, math.inf]]),
    "nested dictionary": pa.array([["a"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    "null": pa.nulls(3),
    "nested null": pa.array([[None], []], pa.list_(pa.null())),
    "interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
}  # fmt: skip
REFUSED = {
    "csv": {
        *(name for name, column in COLUMNS.items() if pa.types.is_nested(column.type)),
        *(
            name
            for name in COLUMNS
            if name.startswith(("duration", "interval", "uuid", "year")) or name.endswith("binary")
        ),
    },
    "json": {
        "nan",
        "infinity",
        "nested infinity",
        "interval",
        "year 10000",
        "year 10000 as date",
        "year -1",
        "nested year 10000",
    },
}
SURE = {
    "csv": {"bool", "int64", "ids", "double", "nan", "infinity", "whole seconds"},
    "json": {"bool", "int64", "ids", "double", "string", "dates as text", "times as text", "list", "struct"},
}
"""What returns without a declared schema, too."""


def written(folder, file_format, column):
    """The file that has ``column`` beside a column of numbers."""
    table = pa.table({"k": pa.array(range(len(column)), pa.int64()), "x": column})
    schema = output_schema(file_format, connectors.table(table).schema)
    path = folder / f"a{FORMATS[file_format].suffix}"
    with pa.OSFile(str(path), "wb") as file:
        writer = FORMATS[file_format].open(file, schema)
        writer.write_table(pa.table({"k": table["k"], "x": table["x"].combine_chunks().cast(schema.field("x").type)}))
        writer.close()
    return path


@pytest.mark.parametrize("file_format", ["csv", "json"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_returns_or_is_refused(tmp_path, read, file_format, name):
    column = COLUMNS[name]
    if name in REFUSED[file_format]:
        with pytest.raises(SinkError, match=r"^column 'x' (is|has) .*cannot hold: (make it|write Parquet)"):
            written(tmp_path, file_format, column)
        return
    path = written(tmp_path, file_format, column)
    describe = getattr(connectors, file_format)
    spec = describe(path, schema={"x": column.type})
    same = connectors.table(pa.table({"x": column}))
    assert spec.schema.field("x").type == same.schema.field("x").type
    returned = read(spec)["x"].combine_chunks()
    expected = read(same)["x"].combine_chunks()
    assert returned.equals(expected) or (name == "nan" and str(returned) == str(expected))
    if pa.types.is_floating(column.type):
        assert str(returned) == str(expected)  # -0.0 equals 0.0
    if name in SURE[file_format]:
        inferred = read(describe(path))["x"].combine_chunks()
        assert inferred.cast(column.type).equals(column) or str(inferred) == str(column)


@pytest.mark.parametrize("number", [2**60, -(2**60)])
def test_seconds_that_parquet_does_not_hold(tmp_path, number):
    column = pa.array([0, number]).view(pa.timestamp("s"))
    with pytest.raises(SinkError, match="beyond the milliseconds that Parquet holds") as caught:
        written(tmp_path, "parquet", column)
    years = str(caught.value).split("leave such rows out: ")[1]
    stream = eval(f"stream{years}", {"stream": sb.Stream.from_arrow(pa.table({"x": column})), "col": sb.col})
    assert written(tmp_path, "parquet", stream.to_arrow()["x"].combine_chunks()).exists()
