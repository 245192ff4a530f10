"""Fields of times in zones whose offsets have seconds, as zoneinfo has them."""

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from sabotnb.expr import col, evaluate

MOMENTS = [
    dt.datetime(1811, 12, 31, 23, 56, 1, 5, tzinfo=dt.UTC),
    dt.datetime(1912, 5, 3, 23, 59, 45, 999_999, tzinfo=dt.UTC),
    dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 7, 1, 12, 30, 15, tzinfo=dt.UTC),
]
ZONES = ["Europe/Amsterdam", "America/New_York", "Africa/Monrovia", "Asia/Kolkata", "UTC"]
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
    text = evaluate(col("t").dt.strftime("%Y-%m-%d %H:%M:%S.%f"), batch).to_pylist()
    assert text == [moment.strftime("%Y-%m-%d %H:%M:%S.%f") for moment in local]
    floored = evaluate(col("t").dt.truncate("1m"), batch)
    assert [moment.replace(tzinfo=None) for moment in floored.to_pylist()] == [
        moment.replace(second=0, microsecond=0, tzinfo=None) for moment in local
    ]
