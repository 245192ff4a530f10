"""What functions of users give becomes rows as it is, or not at all."""

import datetime as dt
import sys
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col, errors

NOON = dt.datetime(2024, 5, 6, 12)
ONE = sb.Stream.from_rows([{"x": 3}])
TWO = sb.Stream.from_rows([{"x": 1}, {"x": 2}])
MANY = sb.Stream.from_arrow(pa.table({"x": range(200)}))

CUTS = {
    "inferred rows": lambda: MANY.map_rows(lambda row: {"x": row["x"] / 2 if row["x"] >= 150 else row["x"] // 2}),
    "declared rows": lambda: ONE.map_rows(lambda row: {"x": row["x"] / 2}, schema={"x": "int64"}),
    "a day of a moment": lambda: ONE.map_rows(lambda _: {"x": NOON}, schema={"x": "date"}),
    "seconds": lambda: ONE.map_rows(lambda _: {"x": NOON.replace(microsecond=5)}, schema={"x": "timestamp[s]"}),
    "rows in a list": lambda: ONE.map_rows(lambda _: {"x": [0.5]}, schema={"x": "list[int64]"}),
    "a fold": lambda: TWO.reduce(lambda left, right: {"x": (left["x"] + right["x"]) / 2}),
    "a row udf": lambda: ONE.select(h=sb.udf("int64", engine="row")(lambda x: x / 2)(col("x"))),
    "an arrow udf": lambda: ONE.select(h=sb.udf("int64")(lambda x: [1.5])(col("x"))),
    "columns": lambda: ONE.map_batches(lambda batch: {"x": [1.5]}, schema={"x": "int64"}),
    "a frame": lambda: ONE.map_batches(lambda frame: frame / 2, schema={"x": "int64"}, format="pandas"),
    "objects": lambda: ONE.map_batches(
        lambda frame: (frame / 2).astype(object), schema={"x": "int64"}, format="pandas"
    ),
    "a generator": lambda: sb.Stream.from_generator(lambda: iter([{"x": 1.75}]), {"x": "int64"}),
    "an aggregate": lambda: ONE.agg(h=sb.aggregate(Half)(col("x"))),
}


class Half:
    returns = "int64"

    def update(self, values: pa.Array) -> None:
        self.value = values[0].as_py() / 2

    def merge(self, other: "Half") -> None:
        self.value += other.value

    def result(self) -> float:
        return self.value


@pytest.mark.parametrize("kind", CUTS)
def test_what_a_column_would_cut_is_refused(kind):
    stream = CUTS[kind]()
    with pytest.raises(errors.UserFunctionError, match=r"int64|date32|timestamp\[s\]"):
        stream.to_rows()


def test_literals_and_rows_are_not_cut_either():
    with pytest.raises(errors.TypeMismatch, match=r"1.75 \(float\) does not fit int64"):
        sb.lit(1.75, "int64")
    with pytest.raises(errors.SourceError, match=r"row 1: 2.5 \(float\) is not of type int64 for column 'x'"):
        sb.Stream.from_rows([{"x": 1}, {"x": 2.5}], schema={"x": int})


def test_what_was_inferred_is_not_called_declared():
    with pytest.raises(errors.UserFunctionError, match=r"gave 'x' = 75.5 \(float\), for the first rows it gave int64;"):
        CUTS["inferred rows"]().to_rows()


TYPES = {
    "int64": [2**53 + 1, None],
    "uint64": [2**64 - 1, None],
    "int8": [1, None],
    "bool": [True, None],
    "float": [1.5, None],
    "halffloat": [np.float16(1.5), None],
    "string": ["001", None],
    "large_string": ["001", None],
    "binary": [b"a", None],
    "date32": [dt.date(2024, 5, 6), None],
    "date64": [dt.date(2024, 5, 6), None],
    "time32[s]": [dt.time(1), None],
    "time64[ns]": [dt.time(1), None],
    "timestamp[s]": [NOON, None],
    "timestamp[us]": [NOON, None],
    "duration[ms]": [dt.timedelta(1), None],
    "null": [None, None],
}
TYPES = {pa.type_for_alias(name): values for name, values in TYPES.items()} | {
    pa.timestamp("us", "Europe/Berlin"): [NOON.astimezone(ZoneInfo("Europe/Berlin")), None],
    pa.decimal128(10, 2): [Decimal("1.50"), None],
    pa.decimal256(50, 2): [Decimal("1.50"), None],
    pa.binary(2): [b"ab", None],
    pa.dictionary(pa.int32(), pa.string()): ["a", None],
    pa.list_(pa.int64()): [[2**53 + 1, None], None],
    pa.large_list(pa.large_string()): [["a"], None],
    pa.list_(pa.string(), 2): [["a", "b"], None],
    pa.struct({"a": pa.string(), "b": pa.list_(pa.date32())}): [{"a": "x", "b": [dt.date(2024, 5, 6)]}, None],
    pa.map_(pa.string(), pa.int64()): [[("a", 1)], None],
    pa.month_day_nano_interval(): [pa.MonthDayNano([1, 2, 3]), None],
    pa.uuid(): [UUID(int=5), None],
}
NOT_IN_POLARS = (pa.decimal256(50, 2), pa.month_day_nano_interval())


@pytest.mark.parametrize("wanted", ["arrow", "pandas", "polars"])
@pytest.mark.parametrize("data_type", TYPES, ids=str)
def test_what_is_given_back_is_what_went_in(data_type, wanted):
    values = TYPES[data_type]
    stream = sb.Stream.from_arrow(pa.table({"x": pa.array(values, data_type), "n": [1, 2]}))
    if wanted == "polars" and data_type in NOT_IN_POLARS:
        with pytest.raises(errors.SchemaError, match=r"polars has no type for column 'x' .*: drop or cast it before"):
            stream.map_batches(lambda frame: frame, format=wanted)
        return
    same = stream.map_batches(lambda frame: frame, format=wanted)
    plain = data_type.value_type if pa.types.is_dictionary(data_type) else data_type
    assert same.schema == pa.schema({"x": plain, "n": pa.int64()})
    assert same.to_arrow()["x"].to_pylist() == values


def test_columns_that_a_function_leaves_alone_or_encodes():
    rows = [{"s": "a", "d": dt.date(2024, 5, 6), "n": 1}, {"s": None, "d": None, "n": None}]
    stream = sb.Stream.from_rows(rows)
    more = stream.map_batches(lambda frame: frame.assign(z=frame["n"] * 2.0), format="pandas")
    assert more.to_rows() == [{**rows[0], "z": 2.0}, {**rows[1], "z": None}]
    encoded = stream.map_batches(lambda frame: frame.assign(s=frame["s"].astype("category")), format="pandas")
    assert (encoded.schema, encoded.to_rows()) == (stream.schema, rows)


def test_text_is_not_read_as_numbers():
    def padded(frame):
        return frame.assign(x=frame["x"].map("{:03d}".format))

    with pytest.raises(
        errors.UserFunctionError, match=r"gave 'x' as .*string, for an empty batch it gave int64; correct it"
    ):
        TWO.map_batches(padded, format="pandas").to_rows()
    declared = TWO.map_batches(padded, schema={"x": "string"}, format="pandas")
    assert declared.to_rows() == [{"x": "001"}, {"x": "002"}]


@pytest.mark.parametrize(
    ("fn", "wanted"),
    [
        (lambda frame: frame.assign(z=frame["x"].astype(object)), "pandas"),
        (lambda frame: frame.with_columns(z=None), "polars"),
        (lambda batch: {"z": ["x"] * batch.num_rows}, "arrow"),
    ],
)
def test_a_column_of_no_type_asks_for_a_schema(fn, wanted):
    with pytest.raises(
        errors.SchemaError, match=r"'z' .* empty batch: declare what it returns: map_batches\(fn, schema="
    ):
        TWO.map_batches(fn, format=wanted)


@pytest.mark.parametrize(
    ("fn", "gave"),
    [
        (lambda frame: frame["x"], "gave Series; it must give"),
        (lambda frame: 5, "gave int; it must give"),
        (lambda frame: pa.array([1]), "gave Int64Array; it must give"),
        (lambda frame: [pa.array([1])], "gave Int64Array; it must give"),
        (lambda frame: {"x": np.array([1j])}, "gave a column 'x' that cannot be one: Arrow cannot read it"),
    ],
)
def test_what_is_no_frame_is_refused_where_it_is_written(fn, gave):
    with pytest.raises(errors.UserFunctionError, match=gave):
        TWO.map_batches(fn, format="pandas")


def test_rows_that_are_given_back_keep_their_types():
    rows = [{"m": [("a", 1)], "d": Decimal("1.10"), "t": None, "l": [], "late": None}] * 100
    types = {
        "m": pa.map_(pa.string(), pa.int64()),
        "d": pa.decimal128(20, 4),
        "t": pa.timestamp("ns"),
        "l": pa.list_(pa.int64()),
        "late": pa.int8(),
    }
    stream = sb.Stream.from_rows([*rows, {**rows[0], "d": Decimal("123.4500"), "late": 5}], schema=pa.schema(types))
    same = stream.map_rows(lambda row: row)
    assert same.schema == stream.schema
    assert same.to_rows() == stream.to_rows()


@pytest.mark.parametrize(
    ("fn", "error", "says"),
    [
        (lambda row: "abc", errors.UserFunctionError, r"gave 'abc' \(str\); it must give a dict, None, or an iterable"),
        (lambda row: (1, 2), errors.UserFunctionError, r"gave 1 \(int\); it must give a dict"),
        (lambda row: {1: 2}, errors.UserFunctionError, "returned a row with the key 1; column names are strings"),
        (lambda row: {"y": row["x"] if row["x"] % 2 else "x"}, errors.SchemaError, "'y' values of several types"),
        (lambda row: {"y": None}, errors.SchemaError, r"no value of 'y'.*declare what it returns: map_rows\(fn"),
        (lambda row: {"y": []}, errors.SchemaError, "returned no value of 'y' for the first rows that tells its type"),
    ],
)
def test_rows_of_no_type_are_refused_where_they_are_written(fn, error, says):
    with pytest.raises(error, match=says):
        MANY.map_rows(fn)


FLIGHTS = [{"carrier": "AA", "delay": 1}]
BY_ROW = "gets a whole batch, not a row. For a function of one row write .map_rows(fn)"


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (lambda f: f.map_rows(lambda r: {"c": r["carier"]}), "KeyError: 'carier'. Did you mean 'carrier'?"),
        (lambda f: f.map_rows(lambda r: {"c": r["nope"]}), "KeyError: 'nope'. The row has: carrier, delay"),
        (lambda f: f.map_rows(lambda r: {"c": r.carier}), "A row is a dict: row['carrier']"),
        (lambda f: f.map_rows(lambda r: {"c": r.nothing()}), "Correct the function and run the cell again"),
        (lambda f: f.map(lambda b: b["carier"]), "Did you mean 'carrier'? The batch has: carrier, delay"),
        (lambda f: f.map(lambda b: b.carrier), f"A column of a batch is batch['carrier']; this function {BY_ROW}"),
        (lambda f: f.map(lambda b: b["carrier"].upper()), BY_ROW),
        (lambda f: f.map(lambda d: d[d.dely > 1], format="pandas"), "A column of a batch is batch['delay']"),
        (lambda f: f.map(lambda d: d["dely"], format="pandas"), "Did you mean 'delay'?"),
        (lambda f: f.map(lambda d: d if d.delay > 1 else None, format="pandas"), BY_ROW),
        (lambda f: f.filter(lambda r: r["delay"] > 15).to_rows(), "Write an expression: .filter(col('x') > 1)"),
        (lambda f: f.filter(lambda r: r.delay).to_rows(), "a column of a batch is batch['delay']"),
        (lambda f: f.filter(lambda r: r["dely"]).to_rows(), "did you mean 'delay'?"),
        (lambda f: f.map_rows(lambda r: r["dely"], schema={"x": "int64"}).to_rows(), "did you mean 'delay'?"),
        (lambda f: f.map(lambda r: r["dely"], schema={"x": "int64"}).to_rows(), "did you mean 'delay'?"),
        (lambda f: f.union(f).reduce(lambda a, b: a["dely"]).to_rows(), "did you mean 'delay'?"),
        (lambda f: f.partition_by(lambda b, n: b["dely"]).map(lambda b: b).to_rows(), "did you mean 'delay'?"),
    ],
)
def test_a_name_that_a_function_does_not_find_is_explained(run, said: str) -> None:
    with pytest.raises(errors.UserFunctionError) as raised:
        run(sb.Stream.from_rows(FLIGHTS))
    assert said in str(raised.value)
    assert "declare" not in str(raised.value).lower()


def test_a_function_that_exits_while_its_schema_is_asked_for_is_named():
    with pytest.raises(errors.UserFunctionError, match="an empty batch to find its schema and raised SystemExit: 3"):
        TWO.map_batches(lambda batch: sys.exit(3))
    with pytest.raises(errors.UserFunctionError, match="the first rows to find its schema and raised SystemExit: 3"):
        TWO.map_rows(lambda row: sys.exit(3))
