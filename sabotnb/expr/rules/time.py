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

from sabotnb.expr.durations import MICROSECONDS
from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule
from sabotnb.expr.scalars import scalar
from sabotnb.native import floor_months, is_far, of_calendar

_UNIT_NAMES = {"s": "second", "ms": "millisecond", "us": "microsecond", "ns": "nanosecond"}
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
        return Overload((data_type,), pa.int64(), function)

    return rule


def _second(data: Any) -> Any:
    """The second on the zone's clock. Arrow's kernel ignores the seconds in offsets of old zones."""
    return pc.second(pc.local_timestamp(data) if data.type.tz is not None else data)


def _weekday(data: Any) -> Any:
    return pc.day_of_week(data, count_from_zero=False, week_start=1)


def _date(args: Sequence[Arg], _: Options) -> Overload:
    data_type = _moment("date", args[0])

    def kernel(data: Any) -> Any:
        local = pc.local_timestamp(data) if t.is_timestamp(data_type) and data_type.tz is not None else data
        return pc.cast(local, pa.date32(), safe=False)

    return Overload((data_type,), pa.date32(), kernel)


def _truncate(args: Sequence[Arg], options: Options) -> Overload:
    """``dt.truncate``: round down to a multiple of a duration, by the clock of the column's zone."""
    data_type = _moment("truncate", args[0])
    floor = _floor(*_grid(options["every"], data_type))
    if not t.is_timestamp(data_type) or data_type.tz is None:
        return Overload((data_type,), data_type, floor)

    def kernel(data: Any) -> Any:
        return _instants(floor(pc.local_timestamp(data)), data)

    return Overload((data_type,), data_type, kernel)


def _floor(multiple: int, unit: str) -> Callable[[Any], Any]:
    """Round down to a multiple of ``unit`` since 1970, or since Monday 1970-01-05 for weeks, as polars counts them."""

    def floor(data: Any) -> Any:
        if unit == "month":
            return floor_months(data, multiple)
        return pc.floor_temporal(data, multiple=multiple, unit=unit, week_starts_monday=True)

    if unit != "week" or multiple == 1:
        return floor
    week = scalar(MICROSECONDS["w"], pa.duration("us"))  # Arrow counts from a week earlier

    def floor_weeks(data: Any) -> Any:
        moments = pc.cast(data, pa.timestamp("ms")) if t.is_date(data.type) else data
        unit_week = pc.cast(week, pa.duration(moments.type.unit))
        return pc.cast(pc.add(floor(pc.subtract(moments, unit_week)), unit_week), data.type)

    return floor_weeks


def _instants(local: Any, latest: Any) -> Any:
    """The last instants, not after ``latest``, at which clocks showed ``local``.

    Clocks that are put back show a time twice. Clocks that are put forward skip times; the instant of the change stands
    for a skipped one.
    """
    zone = latest.type.tz
    second = pc.assume_timezone(local, zone, ambiguous="latest", nonexistent="latest")
    too_late = pc.greater(second, latest)
    if not pc.any(too_late, min_count=0).as_py():
        return second
    first = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest")
    return pc.if_else(too_late, first, second)


def _grid(every: str | int, data_type: pa.DataType) -> tuple[int, str]:
    """``every`` (microseconds, or a text such as ``1mo``) as a multiple and a unit of Arrow."""
    if isinstance(every, str):
        suffix = every.lstrip("0123456789")
        return int(every.removesuffix(suffix)) * _MONTHS[suffix], "month"
    names = {
        "w": "week",
        "d": "day",
        "h": "hour",
        "m": "minute",
        "s": "second",
        "ms": "millisecond",
        "us": "microsecond",
    }
    unit = next(unit for unit in names if every % MICROSECONDS[unit] == 0)
    if t.is_date(data_type) and unit not in ("w", "d"):
        raise Refused(f"a date has no time of day to truncate; .dt.truncate takes days and weeks of a {data_type}")
    return every // MICROSECONDS[unit], names[unit]


def _epoch(args: Sequence[Arg], options: Options) -> Overload:
    """``dt.epoch``: whole units since 1970-01-01 UTC, rounded down."""
    data_type, unit = _moment("epoch", args[0]), options["unit"]
    fine = pa.timestamp("ns") if unit == "ns" else pa.timestamp("us") if t.is_date(data_type) else data_type

    def kernel(data: Any) -> Any:
        utc = pc.cast(data, pa.timestamp(fine.unit))
        floored = pc.floor_temporal(utc, unit=_UNIT_NAMES[unit])
        return pc.cast(pc.cast(floored, pa.timestamp(unit), safe=False), pa.int64())

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
        if t.is_timestamp(data_type) and data_type.unit != unit:
            utc = pc.cast(data, pa.timestamp(data_type.unit))
            floored = pc.floor_temporal(utc, unit=_UNIT_NAMES[unit])
            data = pc.cast(floored, pa.timestamp(unit, data_type.tz), safe=False)
        return _of_distinct(data, lambda times: pc.strftime(times, format=pattern))

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
    "dt.second": _clock("second", _second),
    "dt.date": _date,
    "dt.truncate": _truncate,
    "dt.epoch": _epoch,
    "dt.convert_time_zone": _in_zone,
    "dt.strftime": _written,
    "dt.total_seconds": _total_seconds,
}
