"""Windows by their definition, row by row: the oracle of tests of whole jobs. All times are microseconds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sabotnb.graph import SessionWindow, SlidingWindow, TumblingWindow, Unit, UntilWindow, WindowShape

EPOCH = datetime(1970, 1, 1)
LONG_AGO = -(2**62)
MICROSECOND = timedelta(microseconds=1)
Bounds = tuple[int | None, int | None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Assigned:
    """The rows of each window and key, and the rows that are late."""

    windows: dict[tuple[Bounds, Any], list[Row]]
    late: list[Row]


def assigned(shape: WindowShape, files: Sequence[Sequence[Row]], max_delay: int, key: str | None) -> Assigned:
    """Assign the rows of files, each of which has a clock of its own; rows have ``t`` and, for until, ``end``."""
    windows, late, entering = defaultdict(list), [], defaultdict(list)
    for rows in files:
        latest = LONG_AGO
        for row in rows:
            clock, latest = latest - max_delay, max(latest, row["t"])
            value = None if key is None else row[key]
            if isinstance(shape, SessionWindow):
                entered = (max(row["t"], clock), row)
                late.append(row) if row["t"] + shape.gap <= clock else entering[value].append(entered)
                continue
            bounds = [one for one in bounds_of(shape, row) if one[1] is None or one[1] > clock]
            for one in bounds:
                windows[one, value].append(row)
            late += [] if bounds else [row]
    for value, entered in entering.items():
        windows |= {(bounds, value): rows for bounds, rows in sessions(entered, shape.gap).items()}
    return Assigned(dict(windows), late)


def sessions(entered: Sequence[tuple[int, Row]], gap: int) -> dict[Bounds, list[Row]]:
    """The sessions of a key, whose rows come at these times: a row joins the session that is open then."""
    found, end = list[list[Row]](), LONG_AGO
    for entry, row in sorted(entered, key=lambda one: one[0]):
        if end <= entry:
            found.append([])
        found[-1].append(row)
        end = max(end, row["t"] + gap)
    return {(min(row["t"] for row in rows), max(row["t"] for row in rows) + gap): rows for rows in found}


def bounds_of(shape: WindowShape, row: Row) -> list[Bounds]:
    """The windows that a row is in, by its own times."""
    time = row["t"]
    match shape:
        case TumblingWindow(unit=Unit.MICROSECOND, size=size, offset=offset):
            start = time - (time - offset) % size
            return [(start, start + size)]
        case TumblingWindow():
            return [_calendar(shape, time)]
        case SlidingWindow(size=size, every=every, offset=offset):
            last = time - (time - offset) % every
            return [(start, start + size) for start in range(last, time - size, -every)]
        case UntilWindow():
            return [(None, max(row["end"], time + 1))]
    return [(None, None)]


def _calendar(shape: TumblingWindow, time: int) -> Bounds:
    zone = ZoneInfo(shape.tz)
    local = (EPOCH + (time - shape.offset) * MICROSECOND).replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    if shape.unit in (Unit.DAY, Unit.WEEK):
        first, size = (4, 7 * shape.size) if shape.unit is Unit.WEEK else (0, shape.size)
        days = ((local - EPOCH).days - first) // size * size + first
        ends = [EPOCH + timedelta(days=days + more) for more in (0, size)]
    else:
        month = ((local.year - 1970) * 12 + local.month - 1) // shape.size * shape.size
        ends = [datetime(1970 + at // 12, at % 12 + 1, 1) for at in (month, month + shape.size)]
    start, end = (
        (at.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None) - EPOCH) // MICROSECOND + shape.offset
        for at in ends
    )
    return start, end
