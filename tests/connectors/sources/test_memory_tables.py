from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.connectors.sources import memory_tables
from sabotnb.errors import SourceError
from sabotnb.expr import col
from sabotnb.graph.specs import EventTime


@settings(deadline=None, max_examples=40)
@given(
    chunks=st.lists(st.lists(st.one_of(st.none(), st.integers(0, 99)), max_size=30), min_size=1, max_size=5),
    split_rows=st.integers(1, 50),
    max_rows=st.integers(1, 20),
)
def test_splits_add_up_to_the_whole(read, chunks, split_rows, max_rows):
    table = pa.table({"n": pa.chunked_array(chunks, pa.int64())})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_tables, "SPLIT_ROWS", split_rows)
        assert read(connectors.table(table), max_rows)["n"].to_pylist() == table["n"].to_pylist()


def test_rows_that_no_filter_lets_through_are_no_reason_to_wait():
    source = connectors.source(replace(connectors.table(pa.table({"n": range(1000)})), predicate=col("n") < 0))
    reader = source.open(source.splits()[0])
    assert reader.poll(1) is None
    assert reader.due() == 0


def test_equal_tables_make_equal_specs():
    table = pa.table({"n": [1, 2]})
    assert connectors.table(table) == connectors.table(pa.table({"n": pa.chunked_array([[1], [2]])}))
    assert connectors.table(table) != connectors.table(pa.table({"n": [1, 3]}))


def test_projection_predicate_estimate_and_time(read):
    times = pa.array([datetime(2024, 1, 2), datetime(2024, 1, 1), None], pa.timestamp("ms"))
    spec = connectors.table(pa.table({"n": [1, 2, 3], "s": ["a", "b", "c"], "t": times}))
    narrow = replace(spec, schema=pa.schema({"s": pa.dictionary(pa.int32(), pa.string())}), predicate=col("n") > 1)
    assert read(narrow)["s"].to_pylist() == ["b", "c"]
    assert connectors.estimate(spec).rows == 3
    (split,) = connectors.source(replace(spec, event_time=EventTime("t"))).splits()
    assert split.lower_bound == 1_704_067_200_000_000


def test_columns_of_one_name_are_refused():
    with pytest.raises(SourceError, match="the table' has several columns named 'a'"):
        connectors.table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        ([12345678901234567890, 12345678901234567891], pa.uint64()),
        ([2**64 - 1, None, -1], pa.decimal128(38, 0)),
        ([2**70, 2**70 + 1], pa.decimal128(38, 0)),
        ([np.uint64(2**64 - 1), 5], pa.uint64()),
        ([2**53 + 1, Decimal("1.5")], pa.decimal128(38, 1)),
        ([[2**63, 1], [], None], pa.list_(pa.uint64())),
        ([{"a": 2**63}, {"b": [2**64]}], pa.struct({"a": pa.uint64(), "b": pa.list_(pa.decimal128(38, 0))})),
    ],
)
def test_large_integers_keep_their_digits(read, values, data_type):
    spec = connectors.rows([{"x": value} for value in values])
    assert spec.schema.field("x").type == data_type
    expected = values if not pa.types.is_struct(data_type) else [{"a": 2**63, "b": None}, {"a": None, "b": [2**64]}]
    assert read(spec)["x"].to_pylist() == expected


def test_rows_of_60_levels(read):
    assert read(connectors.rows([{"x": nested(60)}])).to_pylist() == [{"x": nested(60)}]


def test_rows_take_the_union_of_keys_and_kinds(read):
    rows = [{"a": 1}, {"a": 2.5, "b": "x"}, {"b": None, "c": datetime(2024, 1, 1)}]
    table = read(connectors.rows(rows))
    assert table.schema == pa.schema({"a": pa.float64(), "b": pa.string(), "c": pa.timestamp("us")})
    assert table.to_pylist() == [{name: row.get(name) for name in "abc"} for row in rows]


def test_rows_with_a_schema(read):
    assert read(connectors.rows([], schema=pa.schema({"a": pa.int64()}))).num_rows == 0
    spec = connectors.rows([{"a": 1, "b": 2}], schema={"b": pa.int8()})
    assert read(spec).schema == pa.schema({"a": pa.int64(), "b": pa.int8()})


@pytest.mark.parametrize(
    ("rows", "schema", "message"),
    [
        ([], None, "there are no rows, so nothing says which columns there are: give schema="),
        ([{"a": 1}, [2]], None, r"row 1 is \[2\] \(list\): give dicts"),
        ([{"a": 1}, {"a": "x"}], None, r"column 'a' has values of several kinds \(int, str\): make them alike"),
        (
            [{"a": 1}, {"a": "x"}],
            pa.schema({"a": pa.int64()}),
            r"row 1: 'x' \(str\) is not of type int64 for column 'a'",
        ),
        (
            [{"a": 1, "b": 2}],
            pa.schema({"a": pa.int64()}),
            "row 0 has 'b', but the columns are a: add it to the schema",
        ),
        ([{"a": 2**200}], None, r"column 'a' has values that no type holds \(int\): make them alike, or give schema="),
        (
            [{"a": 2**53 + 1}, {"a": 1.5}],
            None,
            r"several kinds \(float, int\): make them alike, \{\*\*row, 'a': Decimal",
        ),
        (
            [{"a": np.uint64(2**64 - 1)}, {"a": 1.5}],
            None,
            r"row 0: np.uint64\(18446744073709551615\) .* is not of type double",
        ),
        ([{"a": [np.uint64(2**64 - 1), 1.5]}], None, r"row 0: .* is not of type list<item: double> for column 'a'"),
        ([{"a": nested(61)}], None, r"column 'a' has values .*\(some are nested more than 60 levels deep\)"),
        ([{"a": nested(100_000)}], None, r"column 'a' has values .*\(some are nested more than 60 levels deep\)"),
        ([{"a": nested(100_000)}], {"a": pa.int64()}, r"row 0: .* \(list\) is not of type int64 for column 'a'"),
        ([{"a": object()}], None, r"column 'a' has values that no type holds \(object\)"),
        ([{"a": [1, "x"]}], None, r"column 'a' has values that no type holds \(list\)"),
        ([{1: 2}], None, "row 0 has the key 1: give names as text, {'column': value}"),
        ([{"a": 2**70}], pa.schema({"a": pa.int64()}), "row 0: 1180591620717411303424 .* is not of type int64"),
    ],
)
def test_rows_that_do_not_fit(rows, schema, message):
    with pytest.raises(SourceError, match=message):
        connectors.rows(rows, schema=schema)


def test_ids_and_missing_values_of_pandas(read):
    rows = [{"id": 2**63, "at": pd.NaT, "n": pd.NA}, {"id": 1, "at": pd.Timestamp("2024-05-06"), "n": 1}]
    assert read(connectors.rows(rows)).to_pylist() == [
        {"id": 2**63, "at": None, "n": None},
        {"id": 1, "at": datetime(2024, 5, 6), "n": 1},
    ]


def test_rows_are_taken_as_they_are_or_not_at_all():
    for value, data_type in ((2.5, pa.int64()), (datetime(2024, 1, 1, 5), pa.date32())):
        with pytest.raises(
            SourceError, match=r"row 1: .* is not of type \w+.* for column 'a': change the value or the schema"
        ):
            connectors.rows([{"a": None}, {"a": value}], schema={"a": data_type})
    with pytest.raises(SourceError, match="row 1 has no 'a', which may not be null: give a value"):
        connectors.rows([{"a": 1}, {}], schema=pa.schema([pa.field("a", pa.int64(), nullable=False)]))


def test_a_column_said_to_be_never_null_is_nullable_if_it_has_nulls(read):
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.int64(), nullable=False)])
    table = pa.table([pa.chunked_array([[1], [None]]), pa.chunked_array([[1], [2]])], schema=schema)
    spec = connectors.table(table)
    assert [field.nullable for field in spec.schema] == [True, False]
    assert read(spec).to_pylist() == [{"a": 1, "b": 1}, {"a": None, "b": 2}]
