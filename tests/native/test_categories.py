"""What is known of the order of one column's categories."""

import pyarrow as pa
import pytest

from sabotnb.errors import TypeMismatch
from sabotnb.native import Categories

ORDERED = pa.dictionary(pa.int32(), pa.string(), ordered=True)


def test_a_text_that_is_not_a_category_comes_after_all_that_are_known():
    categories = Categories("size")
    assert categories.position(pa.scalar("M")) == 0
    categories.take(pa.array(["S"]))
    assert (categories.position(pa.scalar("S")), categories.position(pa.scalar("M"))) == (0, 1)
    categories.take(pa.array(["S", "M", "L"]))
    assert (categories.position(pa.scalar("M")), categories.position(pa.scalar("XXL"))) == (1, 3)
    with pytest.raises(TypeMismatch, match="'XXL' is not a category of 'size', which has S < M < L"):
        categories.code(pa.scalar("XXL"))


def test_plain_values_are_encoded_or_refused():
    categories = Categories("size")
    categories.take(pa.array(["S", "M"]))
    assert categories.encoded(pa.array(["M", None, "S"]), ORDERED).to_pylist() == ["M", None, "S"]
    with pytest.raises(TypeMismatch, match="'L' is not a category of 'size', which has S < M"):
        categories.encoded(pa.array(["S", None, "L"]), ORDERED)
    with pytest.raises(TypeMismatch, match="which has none"):
        Categories("size").encoded(pa.array(["S"]), ORDERED)
    assert Categories("size").encoded(pa.array([None], pa.string()), ORDERED).to_pylist() == [None]
