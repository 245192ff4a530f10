from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.errors import SourceError
from sabotnb.expr import col
from sabotnb.graph.specs import EventTime
from sabotnb.protocol.elements import MIN_WATERMARK

TABLE = pa.table(
    {
        "n": pa.array(range(200_000), pa.int64()),
        "word": pa.array(["ab", "cd", None, "ef"] * 50_000),
        "t": pa.array(range(200_000), pa.int64()).cast(pa.timestamp("ms")),
    }
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    pq.write_table(TABLE, path, row_group_size=50_000, store_schema=False)
    return str(path)


def test_schema_is_known_from_the_footer(file):
    spec = connectors.parquet(file)
    assert spec.schema == TABLE.schema
    assert spec.bounded
    assert spec.replayable


def test_splits_are_row_groups_that_add_up_to_the_file(file, read):
    spec = connectors.parquet(file)
    splits = connectors.source(spec).splits()
    assert [(split.rows, split.position["groups"]) for split in splits] == [(50_000, [i]) for i in range(4)]
    assert all(split.nbytes > 400_000 for split in splits)
    assert read(spec) == TABLE
    assert read(spec, max_rows=7_001) == TABLE


def test_small_row_groups_are_read_together(tmp_path):
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=20_000)
    splits = connectors.source(connectors.parquet(tmp_path / "a.parquet")).splits()
    assert [split.position["groups"] for split in splits] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_only_the_columns_of_the_schema_are_read(file, read):
    spec = connectors.parquet(file)
    narrow = replace(spec, schema=pa.schema([spec.schema.field("word"), spec.schema.field("n")]))
    assert read(narrow) == TABLE.select(["word", "n"])
    assert connectors.estimate(narrow).nbytes < connectors.estimate(spec).nbytes


def test_text_is_read_as_dictionaries_where_the_schema_says_so(file, read):
    spec = replace(connectors.parquet(file), schema=pa.schema({"word": pa.dictionary(pa.int32(), pa.string())}))
    table = read(spec)
    assert table.schema == spec.schema
    assert table["word"].to_pylist() == TABLE["word"].to_pylist()


def test_columns_with_small_dictionaries_are_named(tmp_path):
    path = tmp_path / "texts.parquet"
    few, many = ["a", "b"] * 100_000, [f"value {number}" for number in range(200_000)]
    pq.write_table(pa.table({"few": few, "many": many, "plain": few}), path, use_dictionary=["few", "many"])
    assert connectors.parquet(path).options["dictionaries"] == ["few"]


def test_the_predicate_keeps_exactly_its_rows_and_prunes_row_groups(file, read):
    spec = connectors.parquet(file)
    some = replace(spec, predicate=(col("n") >= 120_000) & (col("word") == "cd"))
    assert read(some)["n"].to_pylist() == list(range(120_001, 200_000, 4))
    assert [split.position["groups"] for split in connectors.source(some).splits()] == [[2], [3]]
    assert connectors.estimate(some).rows == 100_000
    assert connectors.estimate(spec) == connectors.SourceEstimate(200_000, connectors.estimate(spec).nbytes)


def test_the_predicate_may_read_columns_that_do_not_leave(file, read):
    spec = replace(connectors.parquet(file), schema=pa.schema({"n": pa.int64()}), predicate=col("word").is_null())
    assert read(spec)["n"].to_pylist() == list(range(2, 200_000, 4))


def test_a_predicate_that_nothing_matches_finishes(file, read):
    spec = replace(connectors.parquet(file), predicate=col("n") * 2 == -7)
    assert read(spec).num_rows == 0


@pytest.mark.parametrize(
    ("held", "data_type", "predicate", "rows"),
    [
        (["9", "10", "11"], pa.int64(), col("x") > 9, [10, 11]),
        ([9, 10, 11], pa.string(), col("x") < "2", ["10", "11"]),
        ([0.1, 0.1 + 1e-10, 0.2], pa.float32(), col("x") > 0.1, [pa.scalar(0.2, pa.float32()).as_py()]),
        (["2020-01-01", "2021-01-01", None], pa.date32(), col("x") > date(2020, 6, 1), [date(2021, 1, 1)]),
        (["b", "a", "b"], pa.dictionary(pa.int32(), pa.string()), col("x") == "b", ["b", "b"]),
        ([2, 1, 2], pa.dictionary(pa.int32(), pa.string()), col("x") == "2", ["2", "2"]),
        (["b", "a", "b"], pa.string_view(), col("x") == "b", ["b", "b"]),
    ],
    ids=str,
)
def test_the_predicate_is_about_the_types_that_were_asked_for(tmp_path, read, held, data_type, predicate, rows):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": held, "y": range(3)}), path, row_group_size=1)
    spec = replace(connectors.parquet(path, schema={"x": data_type}), predicate=predicate)
    assert read(spec)["x"].to_pylist() == rows
    other = replace(spec, schema=pa.schema([spec.schema.field("y")]))  # as if x were not read
    assert read(other).num_rows == len(rows)


def test_reading_goes_on_at_a_position(file):
    spec = replace(connectors.parquet(file), predicate=col("n") % 2 == 0)
    source = connectors.source(spec)
    split = source.splits()[1]
    first, position, *_ = source.open(split).poll(1000)
    rest, *_ = source.open(replace(split, position=position)).poll(1000)
    assert first["n"].to_pylist() + rest["n"].to_pylist() == list(range(50_000, 52_000, 2))


def test_row_groups_that_follow_each_other_in_time_are_splits_with_bounds(file):
    spec = replace(connectors.parquet(file), event_time=EventTime("t"))
    bounds = [split.lower_bound for split in connectors.source(spec).splits()]
    assert bounds == [0, 50_000_000, 100_000_000, 150_000_000]


def test_a_file_whose_row_groups_overlap_in_time_is_one_split(tmp_path):
    times = [datetime(2024, 1, day) for day in (3, 5, 4, 6)]
    pq.write_table(pa.table({"t": pa.array(times * 30_000)}), tmp_path / "a.parquet", row_group_size=70_000)
    spec = replace(connectors.parquet(tmp_path / "a.parquet"), event_time=EventTime("t"))
    (split,) = connectors.source(spec).splits()
    assert split.position["groups"] == [0, 1]
    assert split.lower_bound == 1_704_240_000_000_000


def test_without_statistics_there_is_no_bound(tmp_path):
    pq.write_table(TABLE, tmp_path / "a.parquet", write_statistics=False, row_group_size=100_000)
    spec = replace(connectors.parquet(tmp_path / "a.parquet"), event_time=EventTime("t"))
    assert [split.lower_bound for split in connectors.source(spec).splits()] == [MIN_WATERMARK]


def test_files_are_read_in_order_of_their_first_event_time(tmp_path):
    for name, start in (("a", 500), ("b", 100), ("c", 300)):
        times = pa.array(range(start, start + 10), pa.int64()).cast(pa.timestamp("us"))
        pq.write_table(pa.table({"t": times}), tmp_path / f"{name}.parquet")
    spec = replace(connectors.parquet(tmp_path), event_time=EventTime("t"))
    assert [split.lower_bound for split in connectors.source(spec).splits()] == [100, 300, 500]


@settings(deadline=None, max_examples=25)
@given(
    values=st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=60),
    group=st.integers(1, 20),
    max_rows=st.integers(1, 30),
)
def test_splits_add_up_to_the_whole(tmp_path_factory, read, values, group, max_rows):
    path = tmp_path_factory.mktemp("p") / "a.parquet"
    table = pa.table({"i": pa.array(range(len(values)), pa.int64()), "s": pa.array(values, pa.string())})
    pq.write_table(table, path, row_group_size=group)
    assert read(connectors.parquet(path), max_rows) == table


def test_a_truncated_file_is_refused_with_what_to_do(file, tmp_path):
    path = tmp_path / "cut.parquet"
    path.write_bytes(Path(file).read_bytes()[:5000])
    with pytest.raises(SourceError, match=r"cut\.parquet' cannot be read .*truncated.*write it again"):
        connectors.parquet(path)


def test_a_damaged_page_names_the_file(file, tmp_path):
    path = tmp_path / "bad.parquet"
    data = bytearray(Path(file).read_bytes())
    data[4:4000] = bytes(3996)
    path.write_bytes(data)
    source = connectors.source(connectors.parquet(path))
    with pytest.raises(SourceError, match=r"bad\.parquet' cannot be read"):
        source.open(source.splits()[0]).poll(100)


def test_files_of_different_schemas_are_refused_with_the_difference(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [1.5], "c": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(SourceError) as caught:
        connectors.parquet(tmp_path)
    message = str(caught.value)
    assert "column 'a' is int64" in message
    assert "and double in" in message
    assert "column 'b' only in" in message
    assert "column 'c' only in" in message
    assert "sb.union" in message


def test_order_of_columns_and_dictionaries_do_not_make_schemas_different(tmp_path, read):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": pa.array(["y"]).dictionary_encode(), "a": [2]}), tmp_path / "2.parquet")
    assert read(connectors.parquet(tmp_path)).to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_schema_replaces_types_of_single_columns(tmp_path, read):
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), tmp_path / "1.parquet")
    spec = connectors.parquet(tmp_path, schema={"a": pa.float64()})
    assert read(spec).to_pylist() == [{"a": 1.0, "b": "x"}, {"a": 2.0, "b": "y"}]
    assert read(connectors.parquet(tmp_path, schema=pa.schema({"b": pa.string()}))).column_names == ["b"]


def test_values_that_cannot_have_the_type_of_the_schema(tmp_path, read):
    pq.write_table(pa.table({"b": ["x", "y"]}), tmp_path / "1.parquet")
    with pytest.raises(SourceError, match=r"column 'b' is string and cannot be read as int64 .*: change schema="):
        read(connectors.parquet(tmp_path, schema={"b": pa.int64()}))
    with pytest.raises(SourceError, match=r"schema= names 'z', but .* has: b; leave 'z' out"):
        connectors.parquet(tmp_path, schema={"z": pa.int64()})


def test_a_column_that_went_away_meanwhile(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": [1]}), tmp_path / "1.parquet")
    source = connectors.source(connectors.parquet(tmp_path))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    (split,) = source.splits()
    with pytest.raises(SourceError, match="no longer has column 'b': re-run"):
        source.open(split).poll(10)
    (tmp_path / "1.parquet").unlink()
    with pytest.raises(SourceError, match="is gone: every worker must be able to open it"):
        source.open(split).poll(10)


def test_nested_columns_and_names_with_dots(tmp_path, read):
    table = pa.table({"l": [[{"x": 1}], None], "o": [{"x": 1}, {"x": 2}], "a.b": [1, 2], "a": ["p", "q"]})
    pq.write_table(table, tmp_path / "1.parquet")
    spec = connectors.parquet(tmp_path)
    assert read(spec) == table
    for name in table.column_names:
        assert read(replace(spec, schema=pa.schema([spec.schema.field(name)]))) == table.select([name])


def test_a_declared_type_stands_for_those_of_all_files(tmp_path, read):
    for name, kind in (("a", pa.int32()), ("b", pa.int64()), ("c", pa.uint8())):
        pq.write_table(pa.table({"n": pa.array([1, 2], kind), "s": ["x", "y"]}), tmp_path / f"{name}.parquet")
    with pytest.raises(SourceError, match=r"'n' is int32 .* and int64 .*\nsay the type of such columns, schema={name"):
        connectors.parquet(tmp_path)
    spec = connectors.parquet(tmp_path, schema={"n": pa.int64()})
    assert read(replace(spec, predicate=col("n") > 1)).to_pylist() == [{"n": 2, "s": "y"}] * 3
    pq.write_table(pa.table({"n": [1]}), tmp_path / "d.parquet")
    with pytest.raises(SourceError, match=r"column 's' only in .*\nread them as several streams"):
        connectors.parquet(tmp_path, schema={"n": pa.int64()})


ANCIENT = [datetime(1, 1, 1, 12, 0, 0, 123456), datetime(1500, 1, 1), None, datetime(9999, 12, 31, 23, 59, 59, 999999)]
TIMES = pa.array(ANCIENT, pa.timestamp("us"))
OLD_SPARK = pa.table(
    {
        "t": TIMES,
        "l": pa.array([[value] for value in ANCIENT], pa.list_(pa.timestamp("us"))),
        "o": pa.StructArray.from_arrays([TIMES], ["x"]),
        "m": pa.array([[("k", value)] for value in ANCIENT], pa.map_(pa.string(), pa.timestamp("us"))),
    }
)


@pytest.mark.parametrize("store_schema", [True, False])
def test_int96_timestamps_of_any_year_are_microseconds(tmp_path, read, store_schema):
    path = tmp_path / "a.parquet"
    pq.write_table(OLD_SPARK, path, use_deprecated_int96_timestamps=True, store_schema=store_schema)
    spec = connectors.parquet(path)
    assert spec.schema.field("l").type.value_type == pa.timestamp("us")
    assert spec.schema.field("t").type == pa.timestamp("us")
    assert read(spec).to_pylist() == OLD_SPARK.to_pylist()
    assert duckdb.sql(f"FROM '{path}'").fetchall()[0][0] == ANCIENT[0]


@pytest.mark.parametrize(("year", "rows"), [(1, 3), (1000, 2), (5000, 1)])
def test_a_predicate_on_int96_timestamps_keeps_its_rows(tmp_path, read, year, rows):
    path = tmp_path / "a.parquet"
    pq.write_table(OLD_SPARK.select("t"), path, use_deprecated_int96_timestamps=True, row_group_size=1)
    spec = replace(connectors.parquet(path), predicate=col("t") >= datetime(year, 1, 1))
    assert read(spec).num_rows == rows
    timed = replace(connectors.parquet(path), event_time=EventTime("t", predicate=col("t").is_not_null()))
    assert read(timed).to_pylist() == OLD_SPARK.select("t").to_pylist()


def test_files_with_and_without_int96_timestamps_are_one_source(tmp_path, read):
    modern = pa.table({"t": pa.array([datetime(2024, 1, 1)], pa.timestamp("us"))})
    pq.write_table(OLD_SPARK.select("t"), tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    pq.write_table(modern, tmp_path / "b.parquet")
    assert read(connectors.parquet(tmp_path))["t"].to_pylist() == [*ANCIENT, datetime(2024, 1, 1)]
    pq.write_table(modern.cast(pa.schema({"t": pa.timestamp("ns")})), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"'t' is timestamp\[us\] in .* and timestamp\[ns\] in .*"):
        connectors.parquet(tmp_path)
    found = read(connectors.parquet(tmp_path, schema={"t": pa.timestamp("us")}))
    assert found["t"].to_pylist() == [*ANCIENT, datetime(2024, 1, 1)]


@pytest.mark.parametrize(
    ("column", "data_type", "message"),
    [
        (pa.array([datetime(2024, 1, 1), datetime(2024, 1, 1, 12)]), pa.date32(), "a time of day would be lost"),
        (pa.array([[datetime(2024, 1, 1, 12)]]), pa.list_(pa.date32()), "a time of day would be lost"),
        (pa.array(["1", "0xFF"]), pa.int8(), "Failed to parse string: '0xFF'"),
    ],
)
def test_a_declared_type_that_would_change_values_is_refused(tmp_path, read, column, data_type, message):
    pq.write_table(pa.table({"a": column}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=message):
        read(connectors.parquet(tmp_path / "a.parquet", schema={"a": data_type}))


def test_midnights_are_read_as_the_dates_that_are_declared(tmp_path, read):
    pq.write_table(pa.table({"a": [datetime(2024, 1, 1), None]}), tmp_path / "a.parquet")
    spec = connectors.parquet(tmp_path / "a.parquet", schema={"a": pa.date32()})
    assert read(spec)["a"].to_pylist() == [date(2024, 1, 1), None]


def test_files_beside_each_other_may_lay_text_out_differently_and_have_nulls(tmp_path, read):
    strict = pa.schema([pa.field("a", pa.string(), nullable=False), ("l", pa.list_(pa.string())), ("b", pa.binary())])
    large = pa.schema([("a", pa.large_string()), ("l", pa.large_list(pa.large_string())), ("b", pa.large_binary())])
    rows = [{"a": "x", "l": ["p"], "b": b"1"}], [{"a": None, "l": None, "b": None}, {"a": "y", "l": [None], "b": b""}]
    pq.write_table(pa.Table.from_pylist(rows[0], strict), tmp_path / "1.parquet")
    pq.write_table(pa.Table.from_pylist(rows[1], large), tmp_path / "2.parquet")
    spec = connectors.parquet(tmp_path)
    assert [(field.type, field.nullable) for field in spec.schema] == [(field.type, True) for field in strict]
    assert read(spec).to_pylist() == [*rows[0], *rows[1]]
