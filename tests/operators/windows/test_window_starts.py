"""Panes of times that are far apart, and of days of a zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from sabotnb.eventtime import EARLIEST, LATEST
from sabotnb.graph import TumblingWindow, Unit
from sabotnb.operators.windows.panes import Pane
from sabotnb.operators.windows.window_starts import FixedPanes, panes_of

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


def us(*day: int, zone: str) -> int:
    return round(datetime(*day, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Santiago"])
@pytest.mark.parametrize("year", [2024, 2050])
@pytest.mark.parametrize("month", [1, 7])
def test_days_and_months_begin_at_midnight_of_the_zone(zone: str, year: int, month: int) -> None:
    times = np.array([us(year, month, 5, 0, 30, zone=zone), us(year, month, 5, 23, 30, zone=zone)])
    days = panes_of(TumblingWindow(1, Unit.DAY, 0, zone))
    expected = Pane(us(year, month, 5, zone=zone), us(year, month, 6, zone=zone))
    assert [pane for pane, _ in days.divide(NO_COLUMNS, times)] == [expected]
    months = panes_of(TumblingWindow(1, Unit.MONTH, 0, zone))
    expected = Pane(us(year, month, 1, zone=zone), us(year, month + 1, 1, zone=zone))
    assert [pane for pane, _ in months.divide(NO_COLUMNS, times)] == [expected]
