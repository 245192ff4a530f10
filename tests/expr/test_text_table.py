"""Rows beside an error."""

import pyarrow as pa
import pytest

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


UNPRINTABLE = {
    "year beyond 9999": (pa.array([1 << 60, 5], pa.timestamp("us")), "<timestamp[us]: 1152921504606846976>"),
    "date beyond 9999": (pa.array([2**31 - 1, 1], pa.int32()).cast(pa.date32()), "<date32[day]: 2147483647>"),
    "long duration": (pa.array([2**62, 1], pa.duration("s")), "<duration[s]: 4611686018427387904>"),
    "unknown zone": (pa.array([1, 2], pa.timestamp("us", "Mars/Base")), "<timestamp[us, tz=Mars/Base]: 1>"),
    "no text": (pa.array([b"\xff", b"x"]).view(pa.string()), "<string>"),
    "within a list": (pa.array([[1 << 60], None], pa.list_(pa.timestamp("us"))), "<list<item: timestamp[us]>>"),
}


@pytest.mark.parametrize("name", UNPRINTABLE)
def test_values_that_python_does_not_have_are_named(name):
    column, text = UNPRINTABLE[name]
    lines = sample_of(pa.RecordBatch.from_arrays([column, pa.array(["a", "b"])], ["x", "y"])).splitlines()
    assert lines[1].split("  ")[0] == (text if len(text) <= 32 else f"{text[:29]}...")
    assert lines[2].endswith("b")


def test_long_names_and_values_are_cut():
    assert max(map(len, sample_of(pa.record_batch({"x" * 1000: ["y" * 1000]})).splitlines())) == 32
