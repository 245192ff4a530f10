"""Panes of times that are far apart."""

import numpy as np
import pyarrow as pa
import pytest

from sabotnb.eventtime import EARLIEST, LATEST
from sabotnb.operators.windows.window_starts import FixedPanes, Pane

NO_COLUMNS = pa.record_batch({})


@pytest.mark.parametrize(
    "times",
    [[EARLIEST, 7, LATEST], [7, EARLIEST, LATEST], [0, 1_700_000_000_000_000], [*range(0, 90, 2), LATEST]],
    ids=["sorted", "not sorted", "a zero before today", "one far ahead"],
)
def test_panes_without_rows_cost_nothing(times: list[int]) -> None:
    found = {
        pane: np.arange(len(times))[rows].tolist() for pane, rows in FixedPanes(10).divide(NO_COLUMNS, np.array(times))
    }
    assert found == {
        Pane(start, start + 10): [row for row, time in enumerate(times) if time // 10 * 10 == start]
        for start in {time // 10 * 10 for time in times}
    }
