from decimal import Decimal

import pyarrow as pa
import pytest

from sabotnb.cli.bench.compare.equality import difference

EXPECTED = pa.table({"k": ["a", "b"], "n": [1, 2], "x": [0.1, 2.0]})

SAME = [
    pa.table({"x": [2.0, 0.1], "k": ["b", "a"], "n": [2, 1]}),
    pa.table({"k": ["a", "b"], "n": [1, 2], "x": [0.1 * (1 + 9e-10), 2.0]}),
    pa.table({"k": pa.array(["a", "b"]).dictionary_encode(), "n": pa.array([1, 2], pa.int16()), "x": [0.1, 2.0]}),
    pa.table({"k": ["a", "b"], "n": pa.array([1, 2], pa.decimal128(38, 0)), "x": [0.1, 2.0]}),
    pa.table({"k": ["a", "b"], "n": [1, 2], "x": [Decimal("0.10"), Decimal("2.00")]}),
]

DIFFERENT = [
    (pa.table({"k": ["a", "b"], "n": [1, 3], "x": [0.1, 2.0]}), "column"),
    (pa.table({"k": ["a", "b"], "n": [1, 2], "x": [0.1 * (1 + 2e-9), 2.0]}), "column x is 0.1000000002 instead of 0.1"),
    (pa.table({"k": ["a", "b"], "n": [1, 2], "x": [2.0, 0.1]}), "column x"),
    (pa.table({"k": ["a", "b"], "n": [1, 2], "x": [0.1, None]}), "column x"),
    (pa.table({"k": ["a", None], "n": [1, 2], "x": [0.1, 2.0]}), "column"),
    (pa.table({"k": ["a", "b"], "n": ["1", "2"], "x": [0.1, 2.0]}), "column n is String instead of Int64"),
    (pa.table({"k": ["a"], "n": [1], "x": [0.1]}), "has 1 rows instead of 2"),
    (pa.table({"k": ["a", "b"], "n": [1, 2]}), "lacks the columns x"),
    (EXPECTED.append_column("y", [[1, 2]]), "has the further columns y"),
]


@pytest.mark.parametrize("found", SAME)
def test_order_types_and_rounding_make_no_difference(found):
    assert difference(EXPECTED, found) == ""


@pytest.mark.parametrize(("found", "words"), DIFFERENT)
def test_a_difference_is_named(found, words):
    assert words in difference(EXPECTED, found)


def test_only_the_checked_columns_are_compared():
    assert difference(EXPECTED, EXPECTED.set_column(0, "k", [["c", "d"]]), ["n", "x"]) == ""


def test_rows_that_are_there_twice_count_twice():
    once, twice = pa.table({"k": ["a", "b", "b"]}), pa.table({"k": ["a", "a", "b"]})
    assert "column k" in difference(once, twice)


def test_empty_answers_are_equal():
    assert difference(EXPECTED.slice(0, 0), EXPECTED.slice(0, 0)) == ""
