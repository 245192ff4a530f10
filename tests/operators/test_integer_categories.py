"""Ordered dictionaries whose categories are numbers: their indexes are numbers, too, and must not be taken for them."""

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col

CYCLE = [2, 0, 1]
"""Values in an order that is not its own inverse, so that an index taken for a value shows."""


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float64()])
@pytest.mark.parametrize("values", [CYCLE, [30, 10, 20], [-1, 0, 1], [1, 2, 3]])
def test_groups_have_the_values_of_their_rows(kind: pa.DataType, values: list[int]) -> None:
    indexes = pa.array([0, 0, 0, 1, 1, 2], pa.int8())
    column = pa.DictionaryArray.from_arrays(indexes, pa.array(values, kind), ordered=True)
    stream = sb.Stream.from_arrow(pa.table({"c": column, "v": range(6)}))
    found = stream.group_by("c").agg(n=sb.count(), least=col("c").min()).to_rows()
    assert {row["c"]: (row["n"], row["least"]) for row in found} == {
        values[0]: (3, values[0]),
        values[1]: (2, values[1]),
        values[2]: (1, values[2]),
    }
    assert stream.agg(last=col("c").max()).to_rows() == [{"last": values[2]}]


@pytest.mark.parametrize("ordered", [True, False])
def test_the_best_rows_of_keys_that_are_dictionaries_of_numbers(*, ordered: bool) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0], pa.int8()), pa.array(CYCLE), ordered=ordered)
    stream = sb.Stream.from_arrow(pa.table({"c": column, "v": [1, 2, 3, 4]}))
    found = stream.group_by("c").top(1, by="v").to_rows()
    assert {row["c"]: row["v"] for row in found} == {2: 4, 0: 2, 1: 3}
