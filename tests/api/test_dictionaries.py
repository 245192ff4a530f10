"""Columns of dictionaries: each file and batch brings its own, with indexes as small as pandas makes them."""

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.connectors.sinks import hidden_file
from sabotnb.errors import SabotnbError

INDEXES = (pa.int8(), pa.uint8(), pa.uint64())
PARTS = range(3)
MANY = 100
"""Values of a part: two parts together have more than int8 counts, three more than uint8."""


def values(part: int) -> list[str]:
    return [f"{part}-{number}" for number in range(MANY)]


def table(part: int, index: pa.DataType = INDEXES[0]) -> pa.Table:
    frame = pd.DataFrame({"c": pd.Categorical(values(part)), "n": range(MANY)})
    found = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    assert found.schema.field("c").type.index_type == pa.int8()
    return found.set_column(0, "c", found["c"].cast(pa.dictionary(index, pa.string())))


def tables() -> Iterator[pa.Table]:
    for part in PARTS:
        yield table(part)


SCHEMA = table(0).schema


def parquet(folder: Path) -> sb.Stream:
    for part in PARTS:
        table(part).to_pandas().to_parquet(folder / f"{part}.parquet")
    return sb.Stream.from_parquet(folder)


def ipc(folder: Path) -> sb.Stream:
    for part in PARTS:
        with pa.ipc.new_file(str(folder / f"{part}.arrow"), SCHEMA) as writer:
            writer.write_table(table(part))
    return sb.Stream.from_ipc(folder)


SOURCES = {
    "parquet": parquet,
    "ipc": ipc,
    "arrow": lambda _: sb.Stream.from_arrow(pa.concat_tables(tables())),
    "pandas": lambda _: sb.union(*(sb.Stream.from_pandas(part.to_pandas()) for part in tables())),
    "generator": lambda _: sb.Stream.from_generator(tables, schema=SCHEMA, replayable=True),
    "rows": lambda _: sb.Stream.from_rows(
        [{"c": value, "n": number} for part in PARTS for number, value in enumerate(values(part))], schema=SCHEMA
    ),
    "union": lambda _: sb.union(*(sb.Stream.from_arrow(table(part, INDEXES[part])) for part in PARTS)),
    "function": lambda _: sb.Stream.from_rows([{"n": 0}]).map_batches(lambda _: tables(), schema=SCHEMA),
}
VERBS: dict[str, Callable[[sb.Stream], sb.Stream]] = {
    "read": lambda stream: stream,
    "sort": lambda stream: stream.sort("c"),
    "top": lambda stream: stream.top(500, by="c"),
    "distinct": lambda stream: stream.distinct(),
    "group": lambda stream: stream.group_by("c").agg(n=sb.count()),
    "join": lambda stream: stream.join(stream.select("c", m="n"), on="c"),
    "first": lambda stream: stream.group_by("c").agg(d=col("c").first(by="n")).select(c="d"),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("verb", VERBS)
def test_indexes_have_room_for_the_values_of_all_parts(tmp_path, source: str, verb: str):
    stream = SOURCES[source](tmp_path)
    assert stream.schema.field("c").type.index_type == pa.int32()
    made = [row["c"] for row in VERBS[verb](stream).to_rows()]
    expected = [value for part in PARTS for value in values(part)]
    assert sorted(made) == sorted(expected)
    assert verb != "sort" or made == sorted(expected)


@pytest.mark.parametrize("source", SOURCES)
def test_schema_and_data_say_the_same(tmp_path, source: str):
    stream = SOURCES[source](tmp_path)
    assert stream.to_arrow().schema == stream.schema
    assert set(stream.head(3 * MANY).to_pandas()["c"]) == {value for part in PARTS for value in values(part)}


def nested() -> pa.Table:
    batches = [
        pa.record_batch(
            {
                "s": pa.StructArray.from_arrays([part["c"].combine_chunks()], ["c"]),
                "l": pa.ListArray.from_arrays(pa.array(range(MANY + 1), pa.int32()), part["c"].combine_chunks()),
                "n": part["n"].combine_chunks(),
            }
        )
        for part in tables()
    ]
    return pa.Table.from_batches(batches)


def by_number(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: (row["n"], row["s"]["c"]))


def test_dictionaries_in_structs_and_lists():
    stream = sb.Stream.from_arrow(nested())
    assert by_number(stream.sort("n").to_rows()) == by_number(nested().to_pylist())
    assert stream.to_arrow().schema == stream.schema
    assert len(stream.group_by(c=col("s").struct.field("c")).agg(n=sb.count()).to_rows()) == 3 * MANY


@pytest.mark.parametrize("kind", ["parquet", "ipc"])
def test_files_of_dictionaries_in_structs_and_lists(tmp_path, monkeypatch, kind: str):
    monkeypatch.setattr(hidden_file, "FLUSH_ROWS", MANY)
    with sb.local(processes=False):
        getattr(sb.Stream.from_arrow(nested()), f"sink_{kind}")(tmp_path / "out").run().wait()
    assert by_number(getattr(sb.Stream, f"from_{kind}")(tmp_path / "out").to_rows()) == by_number(nested().to_pylist())


def test_parquet_files_of_others_with_dictionaries_in_structs(tmp_path):
    with pq.ParquetWriter(tmp_path / "a.parquet", nested().schema) as writer:
        for batch in nested().to_batches():
            writer.write_batch(batch)
    assert by_number(sb.Stream.from_parquet(tmp_path).to_rows()) == by_number(nested().to_pylist())


VALUES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "decimal": (pa.decimal128(5, 2), [Decimal("3.50"), Decimal("1.50")]),
    "date": (pa.date32(), [dt.date(2024, 1, 3), dt.date(2024, 1, 1)]),
    "timestamp": (pa.timestamp("us"), [dt.datetime(2024, 1, 3), dt.datetime(2024, 1, 1)]),
    "time": (pa.time64("us"), [dt.time(3), dt.time(1)]),
    "duration": (pa.duration("us"), [dt.timedelta(3), dt.timedelta(1)]),
    "bool": (pa.bool_(), [True, False]),
    "half": (pa.float16(), [3.0, 1.0]),
    "bytes": (pa.binary(2), [b"bb", b"aa"]),
    "struct": (pa.struct({"x": pa.int64()}), [{"x": 3}, {"x": 1}]),
    "list": (pa.list_(pa.int64()), [[3], [1]]),
    "null": (pa.null(), [None, None]),
}


@pytest.mark.parametrize(
    "verb",
    [
        lambda s: s.map_batches(lambda batch: batch),
        lambda s: s.select("n", c=sb.coalesce(col("c"), col("c"))),
        lambda s: s.select("n", c=sb.when(col("n") > 1).then(col("c")).otherwise(None)),
        lambda s: s.filter(col("c").is_null()),
        lambda s: s.sort("c", "n"),
        lambda s: s.top(2, by="c"),
        lambda s: s.group_by("c").agg(n=sb.count()),
        lambda s: s.join(s.filter(col("n") > 2).select("c", m="n"), on="c", how="full"),
        lambda s: s.join(s.filter(col("n") > 9).select("n", d="c"), on="n", how="left"),
    ],
)
@pytest.mark.parametrize(("kind", "values"), VALUES.values(), ids=VALUES)
def test_dictionaries_of_all_types_are_as_plain_columns(
    verb: Callable[[sb.Stream], sb.Stream], kind: pa.DataType, values: list[Any]
):
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, None, 1], pa.int8()), pa.array(values, kind))
    plain = pa.array([values[0], values[1], values[0], None, values[1]], kind)
    both = [sb.Stream.from_arrow(pa.table({"c": column, "n": range(5)})) for column in (encoded, plain)]
    try:
        expected = sorted(map(str, verb(both[1]).to_rows()))
    except SabotnbError as refused:
        with pytest.raises(type(refused)):
            verb(both[0]).to_rows()
        return
    assert sorted(map(str, verb(both[0]).to_rows())) == expected


def test_dictionaries_of_extension_types_become_plain_columns():
    frame = pd.DataFrame({"p": pd.period_range("2024-01", periods=3, freq="M").astype("category")})
    given = sb.Stream.from_pandas(frame)
    assert isinstance(given.schema.field("p").type, pa.BaseExtensionType)
    with sb.local(processes=False):
        assert given.rebalance().to_arrow()["p"].combine_chunks().storage.to_pylist() == [648, 649, 650]


def test_ordered_categories_that_lose_their_order_inside_are_refused_with_the_remedy():
    frame = pd.DataFrame({"x": [1, 5, 9, 3]})
    frame["b"] = pd.cut(frame["x"], [0, 4, 8, 12])
    with pytest.raises(SabotnbError, match=r"'b' has ordered categories of .*interval") as refused:
        sb.Stream.from_pandas(frame)
    frame["b"] = eval(str(refused.value).partition("Make them text: ")[2], {"frame": frame})
    grouped = sb.Stream.from_pandas(frame).group_by("b").agg(n=sb.count()).sort("b")
    assert [tuple(row.values()) for row in grouped.to_rows()] == [("(0, 4]", 2), ("(4, 8]", 1), ("(8, 12]", 1)]


def test_ordered_categories_without_a_value_have_no_order_to_lose():
    frame = pd.DataFrame({"c": pd.Categorical([None, None], ordered=True)})
    assert sb.Stream.from_pandas(frame).sort("c").to_rows() == [{"c": None}] * 2
