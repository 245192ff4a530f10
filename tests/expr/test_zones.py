"""Fields and text of times in zones, also of offsets with seconds and of years after 2037, as zoneinfo has them."""

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from sabotnb.errors import TypeMismatch
from sabotnb.expr import col, evaluate

MOMENTS = [
    dt.datetime(1811, 12, 31, 23, 56, 1, 5, tzinfo=dt.UTC),
    dt.datetime(1912, 5, 3, 23, 59, 45, 999_999, tzinfo=dt.UTC),
    dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 7, 1, 12, 30, 15, tzinfo=dt.UTC),
    dt.datetime(2038, 7, 1, 22, 30, 15, tzinfo=dt.UTC),
    dt.datetime(2105, 1, 1, 3, 59, 59, tzinfo=dt.UTC),
]
ZONES = ["Europe/Amsterdam", "America/New_York", "Africa/Monrovia", "Asia/Kolkata", "UTC"]
ZONES += ["America/Santiago", "Australia/Lord_Howe"]
FIELDS = {
    "year": lambda local: local.year,
    "quarter": lambda local: (local.month + 2) // 3,
    "month": lambda local: local.month,
    "week": lambda local: local.isocalendar().week,
    "day": lambda local: local.day,
    "day_of_year": lambda local: local.timetuple().tm_yday,
    "weekday": lambda local: local.isoweekday(),
    "hour": lambda local: local.hour,
    "minute": lambda local: local.minute,
    "second": lambda local: local.second,
    "date": lambda local: local.date(),
}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["us", "ns"])
@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_those_of_zoneinfo(zone, unit, name):
    batch = pa.record_batch({"t": pa.array(MOMENTS, pa.timestamp(unit, zone))})
    found = evaluate(getattr(col("t").dt, name)(), batch).to_pylist()
    assert found == [FIELDS[name](moment.astimezone(ZoneInfo(zone))) for moment in MOMENTS]


@pytest.mark.parametrize("zone", ZONES)
def test_text_and_truncated_times_are_those_of_zoneinfo(zone):
    batch = pa.record_batch({"t": pa.array(MOMENTS, pa.timestamp("us", zone))})
    local = [moment.astimezone(ZoneInfo(zone)) for moment in MOMENTS]
    for pattern in ("%Y-%m-%d %H:%M:%S.%f", "%H:%M %Z %z %%Z"):
        text = evaluate(col("t").dt.strftime(pattern), batch).to_pylist()
        assert text == [moment.strftime(pattern) for moment in local]
    floored = evaluate(col("t").dt.truncate("1m"), batch)
    assert [moment.replace(tzinfo=None) for moment in floored.to_pylist()] == [
        moment.replace(second=0, microsecond=0, tzinfo=None) for moment in local
    ]


@pytest.mark.parametrize("zone", ZONES)
def test_casts_show_the_clock_of_the_zone(zone):
    batch = pa.record_batch({"t": pa.array([*MOMENTS, None], pa.timestamp("us", zone))})
    local = [moment.astimezone(ZoneInfo(zone)) for moment in MOMENTS]
    assert evaluate(col("t").cast("date32"), batch).to_pylist() == [*(moment.date() for moment in local), None]
    assert evaluate(col("t").cast(pa.time64("us")), batch).to_pylist() == [*(moment.time() for moment in local), None]
    ends = ["Z" if zone == "UTC" else moment.strftime("%z") for moment in local]
    texts = [moment.strftime("%Y-%m-%d %H:%M:%S.%f") + end for moment, end in zip(local, ends, strict=True)]
    assert evaluate(col("t").cast("string"), batch).to_pylist() == [*texts, None]


def test_casts_show_the_clock_inside_lists_and_structs():
    moment = dt.datetime(2050, 7, 1, 22, 30, tzinfo=dt.UTC)
    data_type = pa.struct([("at", pa.list_(pa.timestamp("s", "Europe/Berlin")))])
    batch = pa.record_batch({"s": pa.array([{"at": [moment, None]}, None], data_type)})
    dates = evaluate(col("s").cast(pa.struct([("at", pa.list_(pa.date32()))])), batch)
    assert dates.to_pylist() == [{"at": [dt.date(2050, 7, 2), None]}, None]
    texts = evaluate(col("s").cast(pa.struct([("at", pa.list_(pa.string()))])), batch)
    assert texts.to_pylist() == [{"at": ["2050-07-02 00:30:00+0200", None]}, None]


def test_a_zone_that_does_not_exist_is_named():
    batch = pa.record_batch({"t": pa.array([0]).view(pa.timestamp("us", "Mars/Base"))})
    with pytest.raises(TypeMismatch, match="there is no time zone 'Mars/Base'"):
        evaluate(col("t").dt.hour(), batch)
