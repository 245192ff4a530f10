"""Exported state as a table for people: columns with their names and times instead of marks and microseconds.

Operators export what they load again. Their own columns have names that no column of a user has (they begin with a
zero byte), and times are integers. The result of an aggregate is shown where one exported column has it; a mean, which
is exported as a sum and a count, keeps these two as ``name:state0`` and ``name:state1``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.graph import PLACE, WINDOW_END, WINDOW_START
from sabotnb.operators.exported_categories import ORDER
from sabotnb.operators.timejoins.timed_rows import MARKS
from sabotnb.operators.windows.session_store import ENTRY, FIRST, LAST
from sabotnb.state import AT
from sabotnb.state.process.process_state import ALARMS, CHANGED, KEY, TIMERS

_START, _END, _ADMITTED = PLACE.names
_TIME, _UNTIL, _SINCE, _ = MARKS.names
_TIMES = {
    _START: WINDOW_START,
    _END: WINDOW_END,
    _ADMITTED: "admitted",
    FIRST: "first_time",
    LAST: "last_time",
    _TIME: "time",
    _UNTIL: "until",
    _SINCE: "since",
}
_TIME_LISTS = {TIMERS: "timers", ALARMS: "alarms"}
_ACCUMULATOR = ":state0"
_INSTANT = pa.timestamp("us")


class _Shown(NamedTuple):
    """What a column is called, and how its values are converted."""

    name: str
    convert: Callable[[pa.ChunkedArray], pa.ChunkedArray] | None = None


def readable(exported: pa.Table) -> pa.Table:
    """Return the rows of a state as a table to read.

    ``window_start`` and ``window_end`` are those of the part of a window that sliding windows share. ``admitted``, the
    end of the first window that counts late rows, is shown only if there are such rows.
    """
    names = set(exported.schema.names)
    columns: dict[str, pa.ChunkedArray] = {}
    for field, column in zip(exported.schema, exported.columns, strict=True):
        shown = _shown(field.name, names)
        if shown is None or (field.name == _ADMITTED and column.equals(exported.column(_END))):
            continue
        name = shown.name
        while name in columns or (name != field.name and name in names):  # a column of the user has the name
            name = f"state_{name}"
        columns[name] = shown.convert(column) if shown.convert else column
    return pa.table(columns)


def _shown(name: str, names: set[str]) -> _Shown | None:
    """How a column is shown; None if it is not."""
    if name in (ENTRY, AT) or name.endswith(ORDER):
        return None
    if name in _TIMES or name.startswith(CHANGED):
        called = _TIMES.get(name) or f"{name.removeprefix(CHANGED)}_changed"
        return _Shown(called, lambda column: column.cast(_INSTANT))
    if name in _TIME_LISTS:
        return _Shown(_TIME_LISTS[name], lambda column: column.cast(pa.list_(_INSTANT)))
    aggregate = name.removesuffix(_ACCUMULATOR)
    if aggregate != name and f"{aggregate}:state1" not in names:
        return _Shown(aggregate, _narrowed)
    return _Shown(name.removeprefix(KEY).lstrip("\0"))


def _narrowed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Sums of integers are exported in 128 bits; most fit 64."""
    if column.type != pa.decimal128(38, 0):
        return column
    try:
        return pc.cast(column, pa.int64())
    except pa.ArrowInvalid:
        return column
