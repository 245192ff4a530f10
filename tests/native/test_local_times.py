"""What clocks of zones show, in the years 1900 to 2500: ``zoneinfo`` is the oracle, which follows rules after 2037."""

import datetime as dt
import random
import re
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

import sabotnb
from sabotnb.native import clock_names, instants_at, integers, local_times
from sabotnb.native.zone_offsets import zone_offsets

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # southern
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Casablanca",  # listed until 2087
    "Europe/Dublin",  # winter time is the exception
    "Asia/Tehran",  # without a rule since 2022
    "Pacific/Apia",  # skipped a day
    "Asia/Kolkata",
    "UTC",
]
AROUND = (-7_200, -3_601, -1_800, -1, 0, 1, 1_799, 3_600, 7_200)


def seconds(year: int) -> int:
    return int((dt.datetime(year, 1, 1, tzinfo=dt.UTC) - EPOCH).total_seconds())


def shown(at: int, zone: str) -> dt.datetime:
    return (EPOCH + dt.timedelta(seconds=at)).astimezone(ZoneInfo(zone))


@cache
def changes_of(zone: str) -> tuple[int, ...]:
    """Days on which clocks change, found as zoneinfo shows them."""
    days = range(seconds(1900), seconds(2500), 86_400)
    ahead = [shown(day, zone).utcoffset() for day in days]
    return tuple(day for day, one, other in zip(days, ahead, ahead[1:], strict=False) if one != other)


@cache
def instants(zone: str) -> tuple[int, ...]:
    """Instants at random, and around some changes of clocks and the last ones of all."""
    drawn = random.Random(zone)
    days = changes_of(zone)
    chosen = [*drawn.sample(days, min(12, len(days))), *days[-3:]]
    found = zone_offsets(zone, seconds(1900), seconds(2500)).changes.tolist()
    near = [change + by for change in found if any(0 < change - day <= 86_400 for day in chosen) for by in AROUND]
    return tuple(sorted({*near, *(drawn.randrange(seconds(1900), seconds(2500)) for _ in range(200))}))


@pytest.mark.parametrize("zone", ZONES)
def test_clocks_change_on_the_days_of_zoneinfo(zone):
    found = zone_offsets(zone, seconds(1900), seconds(2500))
    moved = np.flatnonzero(found.seconds[1:] != found.seconds[:-1])  # some changes are of the abbreviation only
    starts = -((seconds(1900) - found.changes[moved]) // 86_400) * 86_400 + seconds(1900) - 86_400
    assert tuple(starts.tolist()) == changes_of(zone)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["s", "us"])
def test_local_times_and_names(zone, unit):
    given = pa.array(instants(zone)).view(pa.timestamp("s", zone)).cast(pa.timestamp(unit, zone))
    expected = [shown(at, zone) for at in instants(zone)]
    assert local_times(given).to_pylist() == [moment.replace(tzinfo=None) for moment in expected]
    numbers, known = clock_names(given)
    assert [known[number] for number in numbers.to_pylist()] == [
        (moment.utcoffset() // dt.timedelta(seconds=1), moment.tzname()) for moment in expected
    ]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("latest", [False, True])
def test_instants(zone, latest):
    local = sorted({shown(at, zone).replace(tzinfo=None, fold=0) for at in instants(zone)})
    local += [moment + dt.timedelta(hours=1) for moment in local]
    found = integers(instants_at(pa.array(local, pa.timestamp("s")), zone, latest=latest)).tolist()
    for moment, at in zip(local, found, strict=True):
        expected = moment.replace(tzinfo=ZoneInfo(zone), fold=latest)
        if expected.astimezone(dt.UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) == moment:
            assert at == (expected - EPOCH) // dt.timedelta(seconds=1), moment
        else:  # clocks skip it: the instant of the change
            before, after = (shown(at + by, zone).replace(tzinfo=None) for by in (-1, 0))
            assert before < moment < after


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Santiago"])
def test_rules_repeat_in_far_years(zone):
    cycle = 146_097 * 86_400
    given = np.array([at + cycle * 20 for at in instants(zone) if at > seconds(2200)])
    near = pa.array(given - cycle * 20).view(pa.timestamp("s", zone))
    far = pa.array(given).view(pa.timestamp("s", zone))
    assert (integers(local_times(far)) - integers(local_times(near)) == cycle * 20).all()
    back = [instants_at(local_times(times), zone, latest=True) for times in (far, near)]
    assert (integers(back[0]) - integers(back[1]) == cycle * 20).all()


@pytest.mark.parametrize("zone", ["+05:30", "-0330", "UTC"])
def test_fixed_offsets(zone):
    ahead = {"+05:30": 19_800, "-0330": -12_600, "UTC": 0}[zone]
    given = pa.array([0, None, 4_000_000_000]).view(pa.timestamp("s", zone))
    assert local_times(given).cast(pa.int64()).to_pylist() == [ahead, None, 4_000_000_000 + ahead]
    assert instants_at(local_times(given), zone, latest=False).equals(given)


def test_scalars_slices_and_empty_arrays():
    given = pa.array([None, 0, 3_000_000_000]).view(pa.timestamp("s", "Europe/Berlin"))
    assert local_times(given[1]).as_py() == dt.datetime(1970, 1, 1, 1)
    assert local_times(given.slice(1)).cast(pa.int64()).to_pylist() == [3_600, 3_000_003_600]
    assert local_times(given.slice(0, 0)).type == pa.timestamp("s")


@pytest.mark.parametrize("number", [-(2**63) + 1, 2**63 - 1])
def test_a_clock_beyond_the_type_is_refused(number):
    zone = "Asia/Tokyo" if number > 0 else "America/New_York"
    given = pa.array([number]).view(pa.timestamp("ns", zone))
    with pytest.raises(pa.ArrowInvalid, match="beyond the last that"):
        local_times(given)


def test_no_other_module_asks_arrow_about_zones():
    functions = re.compile(r"pc\.(local_timestamp|assume_timezone|floor_temporal)\(")
    package = Path(sabotnb.__file__).parent
    assert [str(file) for file in package.rglob("*.py") if functions.search(file.read_text())] == []
