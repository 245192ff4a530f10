import pyarrow as pa
import pytest

from sabotnb.api.running.pandas_frames import pandas_frame


@pytest.mark.parametrize(
    ("values", "data_type", "dtype"),
    [
        ([2**53 + 1, None, 2**53], pa.int64(), "Int64"),
        ([-(2**53) - 1, None], pa.int64(), "Int64"),
        ([2**64 - 1, None, 2**64 - 2], pa.uint64(), "UInt64"),
        ([2**53, None], pa.int64(), "float64"),
        ([2**53 + 1, 2**53], pa.int64(), "int64"),
        ([None, None], pa.int64(), "float64"),
        ([1.5, None], pa.float64(), "float64"),
    ],
)
def test_integers_with_nulls_keep_their_digits(values, data_type, dtype):
    frame = pandas_frame(pa.table({"a": [1] * len(values), "x": pa.array(values, data_type)}))
    assert (frame["a"].dtype, frame["x"].dtype) == ("int64", dtype)
    assert frame["x"].dropna().tolist() == [value for value in values if value is not None]
