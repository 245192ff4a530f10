"""What a type does not hold is refused; what it holds comes back as it was given."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.expr import ColumnMisfit, Misfit, exact_array, exact_batch, exact_column, inferred_type

NOON = dt.datetime(2024, 5, 6, 12)
MICRO = dt.datetime(2024, 5, 6, 12, 0, 0, 5)
NANO = pd.Timestamp("2024-05-06 12:00:00.000000005")


@pytest.mark.parametrize(
    ("value", "data_type", "held"),
    [
        (1.0, pa.int64(), 1),
        (np.int16(3), pa.int64(), 3),
        (Decimal("2"), pa.int8(), 2),
        (dt.datetime(2024, 5, 6), pa.date32(), dt.date(2024, 5, 6)),
        (NOON, pa.timestamp("s"), NOON),
        (MICRO, pa.timestamp("us"), MICRO),
        (NANO, pa.timestamp("ns"), NANO),
        (dt.timedelta(milliseconds=5), pa.duration("ms"), dt.timedelta(milliseconds=5)),
        (dt.time(1, 2, 3), pa.time32("s"), dt.time(1, 2, 3)),
        (pd.NaT, pa.date32(), None),
        (pd.NA, pa.int64(), None),
        ([1.0, None], pa.list_(pa.int64()), [1, None]),
        ({"a": 1.0}, pa.struct({"a": pa.int64()}), {"a": 1}),
        (("x", 2.0), pa.struct({"a": pa.string(), "b": pa.int64()}), {"a": "x", "b": 2}),
        ([("a", 1.0)], pa.map_(pa.string(), pa.int64()), [("a", 1)]),
        (2.0, pa.dictionary(pa.int32(), pa.int64()), 2),
        (0.1, pa.float32(), np.float32(0.1)),
    ],
)
def test_what_a_type_holds(value, data_type, held):
    assert exact_array([None, value], data_type).to_pylist() == [None, held]


@pytest.mark.parametrize(
    ("value", "data_type"),
    [
        (1.75, pa.int64()),
        (np.float32(1.75), pa.int8()),
        (Decimal("1.5"), pa.int64()),
        (float("nan"), pa.int64()),
        (2**63, pa.int64()),
        (NOON, pa.date32()),
        (NOON, pa.date64()),
        (pd.Timestamp(NOON), pa.date32()),
        (MICRO, pa.timestamp("s")),
        (MICRO, pa.timestamp("ms")),
        (NANO, pa.timestamp("us")),
        (1.5, pa.timestamp("us")),
        (dt.timedelta(microseconds=5), pa.duration("ms")),
        (pd.Timedelta(5, "ns"), pa.duration("us")),
        (dt.time(1, 2, 3, 5), pa.time32("ms")),
        (Decimal("1.239"), pa.decimal128(10, 2)),
        ([1.5], pa.list_(pa.int64())),
        (np.array([1.5]), pa.large_list(pa.int64())),
        ({"a": {"b": 1.5}}, pa.struct({"a": pa.struct({"b": pa.int64()})})),
        (("x", 1.5), pa.struct({"a": pa.string(), "b": pa.int64()})),
        ([("a", 1.5)], pa.map_(pa.string(), pa.int64())),
        (1.5, pa.dictionary(pa.int32(), pa.int64())),
        ("5", pa.int64()),
        (5, pa.string()),
        (np.uint64(2**64 - 1), pa.float64()),
        (np.uint64(2**63), pa.float32()),
        (np.uint64(2**53 + 1), pa.float64()),
        (np.array([2**64 - 1], np.uint64), pa.list_(pa.float64())),
        ({"a": np.uint64(2**64 - 1)}, pa.struct({"a": pa.float64()})),
        (np.int64(2**53 + 1), pa.float64()),
        (2**53 + 1, pa.float64()),
    ],
)
def test_what_a_type_would_cut_or_does_not_have(value, data_type):
    with pytest.raises(Misfit) as raised:
        exact_array([None, value], data_type)
    assert raised.value.position == 1
    assert raised.value.value is value


MOMENTS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
TYPES = {
    pa.int64(): st.one_of(st.integers(-10, 10), st.floats(-10, 10), st.decimals(-10, 10, places=1)),
    pa.uint8(): st.one_of(st.integers(-10, 300), st.floats(-1, 300)),
    pa.date32(): st.one_of(st.dates(), MOMENTS, MOMENTS.map(lambda at: at.replace(hour=0, minute=0, second=0))),
    pa.timestamp("s"): st.one_of(MOMENTS, MOMENTS.map(lambda at: at.replace(microsecond=0))),
    pa.timestamp("ms"): MOMENTS.map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)),
    pa.timestamp("us"): MOMENTS,
    pa.time32("s"): st.one_of(st.times(), st.times().map(lambda at: at.replace(microsecond=0))),
    pa.duration("ms"): st.timedeltas(dt.timedelta(days=-9), dt.timedelta(days=9)),
}


@given(st.data())
def test_values_come_back_equal_or_not_at_all(data):
    data_type = data.draw(st.sampled_from(list(TYPES)))
    values = data.draw(st.lists(st.one_of(st.none(), TYPES[data_type]), max_size=5))
    for wrapped, unwrap in ((data_type, lambda v: v), (pa.list_(data_type), lambda v: v and v[0])):
        given_values = values if wrapped is data_type else [[value] for value in values]
        try:
            found = [unwrap(value) for value in exact_array(given_values, wrapped).to_pylist()]
        except Misfit:
            continue
        days = pa.types.is_date(data_type)
        assert found == [value.date() if days and isinstance(value, dt.datetime) else value for value in values]


@pytest.mark.parametrize(
    ("column", "data_type", "held"),
    [
        (pd.Series([1.0, np.nan]), pa.int64(), [1, None]),
        (pd.Series([1, None], dtype=object), pa.int64(), [1, None]),
        (pd.Series(pd.to_datetime(["2024-05-06", None])), pa.date32(), [dt.date(2024, 5, 6), None]),
        (pd.Series(["a", None]).astype("category"), pa.string(), ["a", None]),
        (pd.Index([1, 2]), pa.float64(), [1.0, 2.0]),
        (np.array([1.5, np.inf]), pa.float64(), [1.5, np.inf]),
        (np.array(["a", "b"]), pa.string(), ["a", "b"]),
        (pl.Series(["a", None], dtype=pl.Categorical), pa.dictionary(pa.int32(), pa.string()), ["a", None]),
        (pl.Series([[1, 2]]), pa.list_(pa.int32()), [[1, 2]]),
        (pa.array([1, 2]), pa.float64(), [1.0, 2.0]),
        (pa.chunked_array([["a"], ["b"]]), pa.large_string(), ["a", "b"]),
        (pa.nulls(2), pa.string(), [None, None]),
        (range(2), pa.int64(), [0, 1]),
    ],
)
def test_typed_columns(column, data_type, held):
    assert exact_column(column, data_type).to_pylist() == held


@pytest.mark.parametrize(
    ("column", "data_type", "what"),
    [
        (pd.Series(["001"]), pa.int64(), "string"),
        (pd.Series([1.5]), pa.int64(), "double (Float value 1.5"),
        (pd.Series([1.5, 1], dtype=object), pa.int64(), "1.5 (float)"),
        (pd.Series(pd.to_datetime(["2024-05-06 12:00"])), pa.date32(), "with times of day"),
        (pl.Series([[dt.datetime(2024, 5, 6, 12)]]), pa.list_(pa.date32()), "with times of day"),
        (pl.Series([{"d": dt.datetime(2024, 5, 6, 12)}]), pa.struct({"d": pa.date32()}), "with times of day"),
        ([[pd.NaT]], pa.list_(pa.date32()), "[NaT] (list)"),
        (pd.Series(pd.arrays.SparseArray([0, 1])), pa.int64(), "Arrow cannot read it"),
        (np.array([1 + 2j]), pa.float64(), "Arrow cannot read it"),
        (np.array([1.5]), pa.decimal128(10, 2), "double"),
        (pl.Series([[1.5]]), pa.list_(pa.int64()), "list<item: double> (Float value 1.5"),
        (pa.array([True]), pa.int64(), "bool"),
        (5, pa.int64(), "5 (int) is not a column"),
        ("abc", pa.string(), "'abc' (str) is not a column"),
    ],
)
def test_columns_that_do_not_fit(column, data_type, what):
    with pytest.raises(Misfit) as raised:
        exact_column(column, data_type)
    assert what in raised.value.what


def test_rows_that_do_not_fit_name_their_column():
    schema = pa.schema([pa.field("a", pa.int64()), pa.field("b", pa.string(), nullable=False)])
    assert exact_batch([{"b": "x", "z": 1}], schema).to_pylist() == [{"a": None, "b": "x"}]
    for rows, column in (([{"b": "x"}, {"a": 0.5, "b": "x"}], "a"), ([{"b": "x"}, {"a": 1}], "b")):
        with pytest.raises(ColumnMisfit) as raised:
            exact_batch(rows, schema)
        assert (raised.value.column.name, raised.value.position) == (column, 1)


def test_the_type_of_values():
    assert inferred_type([1, 2.5, None]) == pa.float64()
    assert inferred_type([2**63, 1]) == pa.uint64()
    assert inferred_type([pd.NaT, pd.Timestamp("2024-05-06")]) == pa.timestamp("us")
    assert inferred_type([None]) == pa.null()
    for values in ([1, "x"], [2**200], [object()], [{1: 2}], [np.datetime64("2024-05-06"), NOON]):
        with pytest.raises(Misfit):
            inferred_type(values)
