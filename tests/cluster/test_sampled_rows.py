"""Rows that a task kept, read with the reason of each."""

from datetime import timedelta

import pyarrow as pa
import pytest

from sabotnb.cluster import SampledRows
from sabotnb.task.kept_samples import KeptSamples

LATE = {"x": [1], "late_by": pa.array([timedelta(minutes=20)], pa.duration("us"))}


@pytest.mark.parametrize(
    ("kind", "columns", "reasons"),
    [
        ("late", LATE, ("late by 0:20:00",)),
        ("errors", {"x": [1], "error": ["ValueError: even"]}, ("ValueError: even",)),
    ],
)
def test_the_reason_is_no_column_of_the_rows(kind, columns, reasons):
    kept = KeptSamples(lambda: 5.0)
    kept.note("a", kind, pa.record_batch(columns))
    (rows,) = map(SampledRows.of, kept.answers())
    assert (rows.operator, rows.kind, rows.time, rows.reasons) == ("a", kind, 5.0, reasons)
    assert rows.table.to_pylist() == [{"x": 1}]
