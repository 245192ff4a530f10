"""Rules of functions of dates, timestamps and durations.

Naive timestamps are UTC; others use the clock of their zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.casting import in_unit
from sabotnb.expr.clock_text import clock_text
from sabotnb.expr.durations import MICROSECONDS
from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule
from sabotnb.expr.scalars import scalar
from sabotnb.native import (
    floor_months,
    floor_times,
    instants_at,
    is_far,
    is_zoned,
    local_dates,
    local_times,
    of_calendar,
)

_FIRST_MONDAY = 4 * MICROSECONDS["d"]
"""1970-01-05: microseconds since 1970."""

_MONTHS = {"mo": 1, "q": 3, "y": 12}


def _moment(name: str, arg: Arg) -> pa.DataType:
    if not t.is_timestamp(arg.type) and not t.is_date(arg.type):
        hint = "; parse it first: .str.to_datetime()" if t.is_string(arg.type) or t.is_large_string(arg.type) else ""
        raise Refused(f".dt.{name} needs a date or timestamp, this is {arg.type}{hint}")
    return arg.type


def _field(name: str, function: Callable[..., Any]) -> Rule:
    """A rule for a calendar field as int64."""

    def rule(args: Sequence[Arg], _: Options) -> Overload:
        data_type = _moment(name, args[0])
        return Overload((data_type,), pa.int64(), of_calendar(function, counts_years=name == "year"))

    return rule


def _clock(name: str, function: Callable[..., Any]) -> Rule:
    """A rule for a field of the time of day as int64; 0 for a date."""

    def rule(args: Sequence[Arg], _: Options) -> Overload:
        data_type = _moment(name, args[0])
        if t.is_date(data_type):
            data_type = pa.timestamp("s")
        return Overload((data_type,), pa.int64(), of_calendar(function))

    return rule


def _weekday(data: Any) -> Any:
    return pc.day_of_week(data, count_from_zero=False, week_start=1)


def _date(args: Sequence[Arg], _: Options) -> Overload:
    data_type = _moment("date", args[0])
    return Overload((data_type,), pa.date32(), local_dates, total=_days_fit(data_type))


def _days_fit(data_type: pa.DataType) -> bool:
    """True if date32 holds the day of every moment of ``data_type``."""
    return bool(t.is_date32(data_type) or (t.is_timestamp(data_type) and data_type.unit in ("us", "ns")))


def _truncate(args: Sequence[Arg], options: Options) -> Overload:
    """``dt.truncate``: round down to a multiple of a duration, by the clock of the column's zone."""
    data_type = _moment("truncate", args[0])
    floor = _floor(options["every"], data_type)

    def zoned(data: Any) -> Any:
        return _instants(floor(local_times(data)), data)

    return Overload((data_type,), data_type, zoned if is_zoned(data_type) else floor, total=False)


def _floor(every: str | int, data_type: pa.DataType) -> Callable[[Any], Any]:
    """Round down to a multiple of ``every`` (microseconds, or a text such as ``1mo``) as polars counts them."""
    if isinstance(every, str):
        suffix = every.lstrip("0123456789")
        months = int(every.removesuffix(suffix)) * _MONTHS[suffix]
        return lambda data: floor_months(data, months)
    if t.is_date(data_type) and every % MICROSECONDS["d"]:
        raise Refused(f"a date has no time of day to truncate; .dt.truncate takes days and weeks of a {data_type}")
    origin = 0 if every % MICROSECONDS["w"] else _FIRST_MONDAY
    return lambda data: floor_times(data, every, origin)


def _instants(local: Any, latest: Any) -> Any:
    """The last instants, not after ``latest``, at which clocks showed ``local``."""
    if isinstance(local, pa.Scalar):
        return _instants(pa.repeat(local, 1), pa.repeat(latest, 1))[0]
    second = instants_at(local, latest.type.tz, latest=True)
    too_late = pc.greater(second, latest)
    if not pc.any(too_late, min_count=0).as_py():
        return second
    return pc.if_else(too_late, instants_at(local, latest.type.tz, latest=False), second)


def _epoch(args: Sequence[Arg], options: Options) -> Overload:
    """``dt.epoch``: whole units since 1970-01-01 UTC, rounded down."""
    data_type, unit = _moment("epoch", args[0]), options["unit"]

    def kernel(data: Any) -> Any:
        moments = pc.cast(data, pa.timestamp("s" if t.is_date32(data_type) else "ms")) if t.is_date(data_type) else data
        return pc.cast(in_unit(moments, unit), pa.int64())

    return Overload((data_type,), pa.int64(), kernel, total=False)


def _in_zone(args: Sequence[Arg], options: Options) -> Overload:
    """``dt.convert_time_zone``: the same instant in another zone."""
    data_type = _moment("convert_time_zone", args[0])
    if t.is_date(data_type):
        raise Refused("a date has no zone; make it a timestamp first: .cast('timestamp[us]')")
    there = pa.timestamp(data_type.unit, options["zone"])
    return Overload((data_type,), there, lambda data: pc.cast(data, there))


def _written(args: Sequence[Arg], options: Options) -> Overload:
    data_type = _moment("strftime", args[0])
    _demand_directives(options["format"])
    parts = _FRACTION.split(options["format"])
    if any("%f" in part.replace("%%", "") or "%.f" in part.replace("%%", "") for part in parts):
        raise Refused(".dt.strftime writes fractions behind seconds alone: write '%S.%f' or '%S%.f'")
    if len(parts) > 1 and any(seconds in part for part in parts for seconds in ("%S", "%T")):
        raise Refused(".dt.strftime writes seconds either whole or with fractions: join two texts")
    pattern = "%S".join(parts)
    unit = "us" if len(parts) > 1 else "s"  # Arrow's %S has as many digits as the unit

    def kernel(data: Any) -> Any:
        if is_far(data):
            raise pa.ArrowInvalid("a year beyond 30,000 cannot be written")
        if t.is_timestamp(data_type):
            data = in_unit(data, unit)
        return _of_distinct(data, lambda times: clock_text(times, pattern))

    return Overload((data_type,), pa.string(), kernel, total=t.is_timestamp(data_type) and data_type.unit == "ns")


def _of_distinct(data: Any, kernel: Callable[[Any], Any]) -> Any:
    """Apply a slow kernel once to each value: rows that follow each other have few distinct seconds."""
    if not isinstance(data, pa.Array) or not len(data):
        return kernel(data)
    encoded = data.dictionary_encode()
    return kernel(encoded.dictionary).take(encoded.indices)


def _demand_directives(written: str) -> None:
    """Refuse directives that Arrow would copy literally, or write as a number that is not part of a time."""
    known = {f"%{letter}" for letter in "aAbBcCdDeFgGhHIjmMnpPrRStTuUVwWxXyYzZ%"} | {"%f", "%.f"}
    for directive in re.findall(r"%\.?.?", written, re.DOTALL):
        if directive == "%s":
            raise Refused(".dt.strftime has no '%s'; for seconds since 1970 write .dt.epoch('s')")
        if directive not in known:
            raise Refused(f".dt.strftime has no {directive!r}; write '%Y-%m-%d %H:%M:%S', and '%%' for a percent sign")


_FRACTION = re.compile(r"(?<!%)%S(?:\.%f|%\.f)")


def _total_seconds(args: Sequence[Arg], _: Options) -> Overload:
    data_type = args[0].type
    if not t.is_duration(data_type):
        raise Refused(f".dt.total_seconds needs a duration, this is {data_type}; subtract two timestamps to get one")
    per_second = scalar({"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[data_type.unit], pa.float64())

    def kernel(data: Any) -> Any:
        return pc.divide(pc.cast(pc.cast(data, pa.int64()), pa.float64(), safe=False), per_second)

    return Overload((data_type,), pa.float64(), kernel)


RULES: dict[str, Rule] = {
    "dt.year": _field("year", pc.year),
    "dt.quarter": _field("quarter", pc.quarter),
    "dt.month": _field("month", pc.month),
    "dt.week": _field("week", pc.iso_week),
    "dt.day": _field("day", pc.day),
    "dt.day_of_year": _field("day_of_year", pc.day_of_year),
    "dt.weekday": _field("weekday", _weekday),
    "dt.hour": _clock("hour", pc.hour),
    "dt.minute": _clock("minute", pc.minute),
    "dt.second": _clock("second", pc.second),
    "dt.date": _date,
    "dt.truncate": _truncate,
    "dt.epoch": _epoch,
    "dt.convert_time_zone": _in_zone,
    "dt.strftime": _written,
    "dt.total_seconds": _total_seconds,
}
