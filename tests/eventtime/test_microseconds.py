import numpy as np
import pyarrow as pa
import pytest

from sabotnb.eventtime import LATEST, BeyondEventTime, limited_microseconds, microseconds


@pytest.mark.parametrize(
    ("data_type", "values", "expected"),
    [
        (pa.timestamp("s"), [-1, 2], [-1_000_000, 2_000_000]),
        (pa.timestamp("ms", "UTC"), [-1, 2], [-1_000, 2_000]),
        (pa.timestamp("us", "Europe/Berlin"), [-1, 2], [-1, 2]),
        (pa.timestamp("ns"), [-1, 999, 1_000, 1_999, -1_000, -1_001], [-1, 0, 1, 1, -1, -2]),
        (pa.date32(), [-1, 1], [-86_400_000_000, 86_400_000_000]),
        (pa.date64(), [-86_400_000, 86_400_000], [-86_400_000_000, 86_400_000_000]),
        (pa.timestamp("us"), [], []),
    ],
)
def test_times_are_rounded_down_to_microseconds(data_type, values, expected):
    integers = pa.array(values, pa.int32() if pa.types.is_date32(data_type) else pa.int64())
    found = microseconds(integers.view(data_type))
    assert found.dtype == np.int64
    assert found.tolist() == expected


def test_a_slice_is_read_from_its_offset():
    assert microseconds(pa.array([1, 2, 3], pa.timestamp("us")).slice(1, 1)).tolist() == [2]


def test_nulls_take_no_copy_and_have_any_value():
    assert microseconds(pa.array([1, None], pa.timestamp("us"))).tolist()[0] == 1


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="int64 is not a type of times"):
        microseconds(pa.array([1]))


BEYOND = [
    (pa.timestamp("s"), 2**62, LATEST // 10**6 * 10**6),
    (pa.timestamp("ms"), -(2**63) + 1, -(LATEST // 10**3) * 10**3),
    (pa.timestamp("us"), 2**63 - 1, LATEST),  # infinity in PostgreSQL and DuckDB
    (pa.timestamp("us", "Europe/Berlin"), -(2**63) + 1, -LATEST),
    (pa.date32(), 2**31 - 1, LATEST // 86_400_000_000 * 86_400_000_000),
]


@pytest.mark.parametrize(("data_type", "number", "limit"), BEYOND)
def test_a_time_beyond_the_range_is_refused_and_a_bound_limited(data_type, number, limit):
    whole = pa.int32() if pa.types.is_date32(data_type) else pa.int64()
    column = pa.array([0, None, number], whole).view(data_type)
    with pytest.raises(BeyondEventTime, match=f"has the value {number}, more than 146,000 years") as caught:
        microseconds(column)
    assert caught.value.row == 2
    assert limited_microseconds(column).tolist()[2] == limit


def test_the_memory_of_a_null_may_be_beyond_the_range():
    memory = pa.array([0, 2**63 - 1])
    column = pa.Array.from_buffers(pa.timestamp("us"), 2, [pa.py_buffer(b"\x01"), memory.buffers()[1]])
    assert microseconds(column).tolist()[0] == 0
