"""``dt.truncate`` as polars does it, also where clocks are changed."""

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sabotnb.errors import ExpressionError
from sabotnb.expr import col, evaluate

EVERY = ["5m", "15m", "90m", "1h", "2h", "3h", "12h", "1d", "2d", "5d", "1w", "2w", "3w"]
EVERY += ["1mo", "5mo", "1q", "3q", "1y", "3y"]
CHANGES = {
    "Europe/Berlin": ["2024-03-31T01:00", "2024-10-27T01:00"],
    "America/New_York": ["2024-03-10T07:00", "2024-11-03T06:00"],
    "Africa/Cairo": ["2023-04-27T22:00", "2023-10-26T21:00"],  # at midnight
    "Australia/Lord_Howe": ["2024-04-06T15:00", "2024-10-05T15:30"],  # by half an hour
    "Asia/Kolkata": ["2024-01-01T00:00"],
    "UTC": ["1970-01-01T00:00"],
    "America/Santiago": ["2050-04-03T03:00", "2050-09-04T04:00"],
    "Europe/Paris": ["2060-03-28T01:00", "2060-10-31T01:00"],
}


def truncated(moments, every, zone, unit="us"):
    batch = pa.record_batch({"t": pa.array(moments, pa.timestamp(unit, zone))})
    return evaluate(col("t").dt.truncate(every), batch)


@st.composite
def moments(draw):
    zone = draw(st.sampled_from([*CHANGES]))
    around = dt.datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone]))).replace(tzinfo=dt.UTC)
    minutes = st.one_of(st.integers(-300, 300), st.integers(-600_000, 600_000))
    drawn = draw(st.lists(st.none() | minutes, min_size=1, max_size=8))
    return zone, [None if at is None else around + dt.timedelta(minutes=at) for at in drawn]


@settings(deadline=None)
@given(drawn=moments(), every=st.sampled_from(EVERY), unit=st.sampled_from(["ms", "us", "ns"]))
def test_polars_truncates_to_the_same(drawn, every, unit):
    zone, given_moments = drawn
    expected = pl.Series(given_moments, dtype=pl.Datetime(unit, "UTC")).dt.convert_time_zone(zone).dt.truncate(every)
    found = truncated(given_moments, every, zone, unit)
    assert found.cast(pa.int64()).to_pylist() == expected.to_physical().to_list()


@given(days=st.lists(st.dates(dt.date(1600, 1, 1), dt.date(2400, 1, 1))), every=st.sampled_from(EVERY[7:]))
@example([dt.date(1970, 1, 4), dt.date(1970, 1, 5)], "2w")
def test_polars_truncates_days_to_the_same(days, every):
    batch = pa.record_batch({"t": pa.array(days, pa.date32())})
    assert (
        evaluate(col("t").dt.truncate(every), batch).to_pylist()
        == pl.Series(days, dtype=pl.Date).dt.truncate(every).to_list()
    )


def test_hours_that_clocks_show_twice_are_two():
    changed = dt.datetime(2024, 10, 27, tzinfo=dt.UTC)
    given_moments = [changed + dt.timedelta(minutes=at) for at in (-30, 30, 90, 150)]
    found = truncated(given_moments, "1h", "Europe/Berlin").to_pylist()
    assert [str(moment) for moment in found] == [
        "2024-10-27 01:00:00+02:00",
        "2024-10-27 02:00:00+02:00",
        "2024-10-27 02:00:00+01:00",
        "2024-10-27 03:00:00+01:00",
    ]


def test_a_day_without_midnight_begins_when_clocks_were_changed():
    noon = dt.datetime(2023, 4, 28, 12, tzinfo=ZoneInfo("Africa/Cairo"))
    assert str(truncated([noon], "1d", "Africa/Cairo")[0].as_py()) == "2023-04-28 01:00:00+03:00"


ENDS = {"ns": "1677-09-21", "us": "-290308-12-21", "ms": "-292275055-05-16", "s": "-292277022657-01-27"}


@pytest.mark.parametrize("unit", ENDS)
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("every", ["1h", "1d", "3d", "1w", "1mo", "1y"])
def test_a_unit_that_begins_before_the_type_is_refused(unit, zone, every):
    batch = pa.record_batch({"t": pa.array([-(2**63) + 1, 0]).view(pa.timestamp(unit, zone))})
    with pytest.raises(ExpressionError, match=r"before the first moment that|beyond the last that"):
        evaluate(col("t").dt.truncate(every), batch)


@pytest.mark.parametrize("unit", ENDS)
@pytest.mark.parametrize("every", ["1h", "1d", "3d", "1w", "3w"])
def test_the_last_unit_of_the_type(unit, every):
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    last = 2**63 - 1
    size = ticks * int(every[:-1]) * {"h": 3_600, "d": 86_400, "w": 604_800}[every[-1]]
    origin = 4 * 86_400 * ticks if every[-1] == "w" else 0
    batch = pa.record_batch({"t": pa.array([last]).view(pa.timestamp(unit))})
    expected = last - (last - origin) % size
    assert evaluate(col("t").dt.truncate(every), batch).cast(pa.int64()).to_pylist() == [expected]


@pytest.mark.parametrize("days", [-(2**31), 2**31 - 1])
def test_the_ends_of_dates(days):
    batch = pa.record_batch({"t": pa.array([days], pa.int32()).view(pa.date32())})
    assert evaluate(col("t").dt.truncate("1d"), batch).cast(pa.int32()).to_pylist() == [days]
    if days > 0:
        week = evaluate(col("t").dt.truncate("1w"), batch).cast(pa.int32())
        assert week.to_pylist() == [days - (days - 4) % 7]
    else:
        with pytest.raises(ExpressionError, match="before the first moment that date32"):
            evaluate(col("t").dt.truncate("1w"), batch)


CYCLE = 146_097 * 86_400
"""Seconds of 400 years."""


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("number", [-(2**63) + 1, 2**63 - 1])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo", "America/New_York"])
def test_fields_of_the_clock_at_the_ends(unit, number, zone):
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    batch = pa.record_batch({"t": pa.array([number]).view(pa.timestamp(unit, zone))})
    later = dt.timedelta(seconds=number // ticks % CYCLE + 2 * CYCLE)  # the same day of a year that zoneinfo has
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + later
    if number < 0:
        moment = dt.datetime(1700, 1, 1, tzinfo=dt.UTC)
    elif unit == "ns":
        moment = dt.datetime(2262, 4, 11, tzinfo=dt.UTC)
    ahead = moment.astimezone(ZoneInfo(zone or "UTC")).utcoffset() // dt.timedelta(seconds=1)
    seconds = number // ticks + ahead
    for name, size, most in (("hour", 3_600, 24), ("minute", 60, 60), ("second", 1, 60)):
        assert evaluate(getattr(col("t").dt, name)(), batch).to_pylist() == [seconds // size % most], name
    days = seconds // 86_400
    if -(2**31) <= days < 2**31:
        assert evaluate(col("t").dt.date(), batch).cast(pa.int32()).to_pylist() == [days]
    else:
        with pytest.raises(ExpressionError, match="which date32 does not hold"):
            evaluate(col("t").dt.date(), batch)


def test_truncation_finer_than_the_unit():
    moments = pa.array([-7, -1, 0, 1, 7, 2**63 - 1]).view(pa.timestamp("s"))
    batch = pa.record_batch({"t": moments})
    assert evaluate(col("t").dt.truncate("1ms"), batch).equals(moments)
    found = evaluate(col("t").dt.truncate("1500ms"), batch).cast(pa.int64()).to_pylist()
    assert found == [(number * 2 // 3 * 3) // 2 for number in (-7, -1, 0, 1, 7, 2**63 - 1)]
