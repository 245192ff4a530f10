import numpy as np
import pyarrow as pa
import pytest

from sabotnb.eventtime import LATEST, microseconds


@pytest.mark.parametrize(
    ("data_type", "values", "expected"),
    [
        (pa.timestamp("s"), [-1, 2], [-1_000_000, 2_000_000]),
        (pa.timestamp("ms", "UTC"), [-1, 2], [-1_000, 2_000]),
        (pa.timestamp("us", "Europe/Berlin"), [-1, 2], [-1, 2]),
        (pa.timestamp("ns"), [-1, 999, 1_000, 1_999, -1_000, -1_001], [-1, 0, 1, 1, -1, -2]),
        (pa.date32(), [-1, 1], [-86_400_000_000, 86_400_000_000]),
        (pa.date64(), [-86_400_000, 86_400_000], [-86_400_000_000, 86_400_000_000]),
        (pa.timestamp("s"), [2**62, -(2**62)], [LATEST // 10**6 * 10**6, -(LATEST // 10**6 * 10**6)]),
        (pa.timestamp("us"), [2**63 - 1, 0], [LATEST, 0]),
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
