"""Rows beside an error."""

import pyarrow as pa

from sabotnb.expr import sample_of


def test_a_line_for_each_row():
    assert sample_of(pa.record_batch({"x": [1, 22], "name": ["a", None]})).splitlines() == [
        "x   name",
        "1   a",
        "22  null",
    ]


def test_a_line_for_each_column_when_rows_are_long():
    batch = pa.record_batch({f"column_number_{i}": [i, 10 * i] for i in range(9)})
    assert sample_of(batch).splitlines()[:2] == ["column_number_0  0  0", "column_number_1  1  10"]


def test_long_names_and_values_are_cut():
    assert max(map(len, sample_of(pa.record_batch({"x" * 1000: ["y" * 1000]})).splitlines())) == 32
