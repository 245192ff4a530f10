"""What functions return is checked, and once: the check reads every offset and index."""

import sys

import pyarrow as pa
import pytest

from sabotnb.blobs import capture
from sabotnb.graph import MapBatches
from sabotnb.native.validity import check_array
from sabotnb.operators.result_conversion import results


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1], [2, 3]]),
        pa.chunked_array([["a"], ["b"]]),
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array([1, 2], pa.int32()),
    ],
    ids=["list", "chunks", "dictionary", "numbers"],
)
def test_an_arrow_column_of_a_function_is_validated_once(column):
    spec = MapBatches(capture(lambda batch: batch, "map_batches"), pa.schema({"x": column.type}))
    validated = []

    def count(frame, event, _):
        if event == "call" and frame.f_code is check_array.__code__:
            validated.append(len(frame.f_locals["array"]))

    sys.setprofile(count)
    try:
        (made,) = results({"x": column}, spec, 100)
    finally:
        sys.setprofile(None)
    assert made["x"].to_pylist() == column.to_pylist()
    assert sum(validated) == len(column)
