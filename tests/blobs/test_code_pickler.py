import pyarrow as pa
import pytest

from sabotnb.blobs import capture

WHOLE = pa.table({"n": range(100_000), "s": ["some text"] * 100_000})
PARTS = {
    "table": WHOLE.slice(7, 3),
    "batch": WHOLE.to_batches()[0].slice(7, 3),
    "column": WHOLE["s"].slice(7, 3),
    "array": WHOLE["n"].chunk(0).slice(7, 3),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_function_travels_with_the_rows_of_a_slice_alone(part):
    def used():
        return part

    function = capture(used, "map_batches")
    assert len(function.pickled) < 5000
    assert function.load()().equals(part)
