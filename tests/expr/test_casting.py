"""Casts of text to integers and of times to coarser units, where Arrow's own wrap or round up."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.errors import ExpressionError
from sabotnb.expr import cast_exact, col, evaluate

SIZES = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def cast(array, target):
    return evaluate(col("a").cast(target), pa.record_batch({"a": array}))


@pytest.mark.parametrize("text", ["0xFFFFFFFFFFFFFFFF", "0xFF", "0x1", "0X1"])
@pytest.mark.parametrize("target", [pa.int8(), pa.int64(), pa.uint8(), pa.uint64()])
def test_hexadecimal_text_is_no_integer(text, target):
    with pytest.raises(ExpressionError, match=f"Failed to parse string: '{text}'"):
        cast(pa.array(["1", text]), target)


@pytest.mark.parametrize(
    ("array", "target"),
    [
        (pa.array([["0xFF"]]), pa.list_(pa.int8())),
        (pa.array([{"x": "0xFF"}]), pa.struct({"x": pa.int8()})),
        (pa.array(["0xFF"]).dictionary_encode(), pa.int8()),
        (pa.array(["0xFF"], pa.large_string()), pa.int8()),
    ],
)
def test_hexadecimal_text_is_no_integer_in_any_layout(array, target):
    with pytest.raises(ExpressionError, match="Failed to parse string: '0xFF'"):
        cast(array, target)
    with pytest.raises(pa.ArrowInvalid, match="Failed to parse string: '0xFF'"):
        cast_exact(array, target)


def test_decimal_text_is_an_integer():
    assert cast(pa.array(["-12", None, "007"]), "int64").to_pylist() == [-12, None, 7]


@given(
    st.lists(st.none() | st.integers(-(2**63) + 1, 2**63 - 1), max_size=5),
    st.sampled_from(["ms", "us", "ns"]),
    st.sampled_from(["s", "ms", "us"]),
    st.sampled_from([pa.timestamp, pa.duration]),
)
def test_times_are_rounded_down_to_coarser_units(counts, unit, coarser, kind):
    size = SIZES[coarser] // SIZES[unit]
    if size < 1:
        return
    made = cast(pa.array(counts, kind(unit)), kind(coarser))
    assert made.cast(pa.int64()).to_pylist() == [None if count is None else count // size for count in counts]


@pytest.mark.parametrize(
    ("array", "target"),
    [
        (pa.array([-1], pa.timestamp("us", "Europe/Berlin")), pa.timestamp("s")),
        (pa.array([-1], pa.timestamp("us")), pa.timestamp("s", "Europe/Berlin")),
    ],
)
def test_zones_do_not_matter(array, target):
    assert cast(array, target).cast(pa.int64()).to_pylist() == [-1]


def test_times_inside_are_rounded_down():
    kind = pa.struct({"t": pa.list_(pa.timestamp("us")), "d": pa.map_(pa.string(), pa.duration("us"))})
    coarser = pa.struct({"t": pa.list_(pa.timestamp("s")), "d": pa.map_(pa.string(), pa.duration("s"))})
    array = pa.array([{"t": [-1, None], "d": [("x", -1)]}, None, {"t": None, "d": []}], kind).slice(0)
    second, before = dt.timedelta(seconds=1), dt.datetime(1969, 12, 31, 23, 59, 59)
    expected = [{"t": [before, None], "d": [("x", -second)]}, None, {"t": None, "d": []}]
    assert cast(array, coarser).to_pylist() == expected


@pytest.mark.parametrize("target", [pa.date32(), pa.date64()])
def test_a_date_that_would_lose_its_time_is_refused(target):
    with pytest.raises(pa.ArrowInvalid, match="time of day"):
        cast_exact(pa.array([dt.datetime(2024, 1, 1, 12)]), target)
    assert cast_exact(pa.array([dt.datetime(2024, 1, 1)]), target).to_pylist() == [dt.date(2024, 1, 1)]
