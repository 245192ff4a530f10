"""``dt.truncate`` as polars does it, also where clocks are changed."""

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sabotnb.expr import col, evaluate, is_total

EVERY = ["5m", "15m", "90m", "1h", "2h", "3h", "12h", "1d", "2d", "5d", "1w", "2w", "3w"]
EVERY += ["1mo", "5mo", "1q", "3q", "1y", "3y"]
CHANGES = {
    "Europe/Berlin": ["2024-03-31T01:00", "2024-10-27T01:00"],
    "America/New_York": ["2024-03-10T07:00", "2024-11-03T06:00"],
    "Africa/Cairo": ["2023-04-27T22:00", "2023-10-26T21:00"],  # at midnight
    "Australia/Lord_Howe": ["2024-04-06T15:00", "2024-10-05T15:30"],  # by half an hour
    "Asia/Kolkata": ["2024-01-01T00:00"],
    "UTC": ["1970-01-01T00:00"],
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


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_it_never_raises(zone):
    assert is_total(col("t").dt.truncate("1h"), pa.schema({"t": pa.timestamp("us", zone)}))
