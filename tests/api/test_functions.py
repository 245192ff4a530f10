"""What functions of users give becomes rows as it is, or not at all."""

import datetime as dt

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
    with pytest.raises(errors.SourceError, match=r"row 1: 2.5 \(float\) is no int64 for column 'x'"):
        sb.Stream.from_rows([{"x": 1}, {"x": 2.5}], schema={"x": int})


def test_what_was_inferred_is_not_called_declared():
    with pytest.raises(errors.UserFunctionError, match=r"gave 'x' = 75.5 \(float\), for the first rows it gave int64;"):
        CUTS["inferred rows"]().to_rows()
