"""Panes of hours and minutes by the clock of a zone, also where it is put forward or back."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.graph import TumblingWindow
from sabotnb.operators.windows.clock_panes import ClockPanes

NO_COLUMNS = pa.record_batch({})
MINUTE = 60_000_000
ZONES = [
    "Asia/Singapore",  # not at its offset of 1970
    "Asia/Kathmandu",
    "Africa/Monrovia",
    "Europe/London",  # an hour ahead in the winter of 1970
    "America/New_York",
    "Australia/Lord_Howe",  # changes by half an hour
    "Asia/Beirut",  # changes at midnight
    "Pacific/Apia",  # left out a day
]
CHANGES = [datetime(2024, 3, 31), datetime(2024, 10, 27), datetime(2024, 3, 10), datetime(2024, 11, 3)]
CHANGES += [datetime(2024, 4, 7), datetime(2024, 10, 6), datetime(2011, 12, 30), datetime(2060, 7, 1)]


def us(moment):
    return round(moment.replace(tzinfo=ZoneInfo("UTC")).timestamp()) * 1_000_000


def pane_of(size, zone, time, offset=0):
    ((pane, _),) = ClockPanes(TumblingWindow(size, tz=zone, offset=offset)).divide(NO_COLUMNS, np.array([time]))
    return pane


@pytest.mark.parametrize(
    "zone", ["Asia/Singapore", "Asia/Kathmandu", "Africa/Monrovia", "Europe/London", "America/New_York"]
)
@pytest.mark.parametrize(("size", "minutes"), [("15m", 15), ("1h", 60), ("6h", 360), ("24h", 1440)])
def test_panes_begin_where_polars_truncates_to(zone, size, minutes):
    local = [datetime(2024, month, 9, hour, 50) for month in (1, 6) for hour in range(24)]
    times = pl.Series(local).dt.replace_time_zone(zone)
    starts = times.dt.truncate(size).dt.timestamp("us").to_list()
    found = [pane_of(minutes * MINUTE, zone, time) for time in times.dt.timestamp("us").to_list()]
    assert [pane.start for pane in found] == starts
    assert [pane.end for pane in found] == [start + minutes * MINUTE for start in starts]


@settings(deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    size=st.sampled_from([5, 20, 30, 45, 50, 60, 90, 120, 360, 420, 1440, 2880]),
    day=st.sampled_from(CHANGES),
    offset=st.sampled_from([0, 7 * MINUTE]),
)
def test_panes_follow_each_other_without_gaps(zone, size, day, offset):
    first = us(day) - 26 * 60 * MINUTE
    times = np.arange(first, first + 76 * 60 * MINUTE, 5 * MINUTE)
    panes = ClockPanes(TumblingWindow(size * MINUTE, tz=zone, offset=offset))
    found = [(pane, times[rows].tolist()) for pane, rows in panes.divide(NO_COLUMNS, times)]
    assert [time for _, rows in found for time in rows] == times.tolist()
    for pane, rows in found:
        assert pane.start <= rows[0] <= rows[-1] < pane.end
        assert pane.end - pane.start <= (size + 24 * 60) * MINUTE
    for pane, rows in found[:: max(1, len(found) // 10)]:
        assert pane == pane_of(size * MINUTE, zone, rows[-1], offset)
    assert [pane.end for pane, _ in found[:-1]] == [pane.start for pane, _ in found[1:]]


def hours(zone, size, *moments):
    """The hours from the start of the first pane to its end, and to that of each next one."""
    return [(pane.end - pane.start) / 60 / MINUTE for pane in (pane_of(size, zone, us(m)) for m in moments)]


def test_the_pane_around_a_change_is_longer_or_shorter():
    assert hours("Europe/London", 360 * MINUTE, datetime(2024, 3, 31, 0, 30), datetime(2024, 10, 27, 0, 30)) == [5, 7]
    # the hour that is shown twice is two panes of an hour
    assert hours("Europe/London", 60 * MINUTE, datetime(2024, 10, 27, 0, 30), datetime(2024, 10, 27, 1, 30)) == [1, 1]
