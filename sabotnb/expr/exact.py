"""Convert values of users to Arrow arrays without loss; a value that does not fit raises ``Misfit``.

Arrow itself cuts values silently: 1.75 becomes the integer 1, a datetime that becomes a date loses its time of day, and
seconds lose microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types as t

from sabotnb.native import is_ordered

MISSING = frozenset({"NaTType", "NAType"})
"""Types of what pandas writes for None, which must not be imported to be known."""

_MICROSECONDS = {"s": 1_000_000, "ms": 1_000}
"""Of units that do not hold every value of Python's own types."""

_EXACT_IN_DOUBLE = 2**53

REFUSALS = (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError)
"""What Arrow raises for values that a type does not have, depending on the value."""


class Misfit(Exception):  # noqa: N818  who asked for the array says whose value it is
    """A value that a type does not hold; the message says why.

    ``position`` is None if the values do not fit together; ``found`` is then their type, where it is known.
    """

    def __init__(
        self, reason: str, position: int | None = None, value: Any = None, found: pa.DataType | None = None
    ) -> None:
        super().__init__(reason)
        self.position = position
        self.value = value
        self.found = found

    @property
    def what(self) -> str:
        """The value with its Python type; without a position, the type of all values or the reason."""
        if self.position is not None:
            return f"{_shown(self.value)} ({type(self.value).__name__})"
        return f"{self.found}{self}" if self.found is not None else str(self)


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except RecursionError:
        return "a value that is nested too deep to be shown"


class ColumnMisfit(Misfit):
    """A misfit in one of several columns."""

    def __init__(self, misfit: Misfit, column: pa.Field) -> None:
        super().__init__(str(misfit), misfit.position, misfit.value, misfit.found)
        self.column = column


def exact_array(values: Sequence[Any], data_type: pa.DataType, *, nan_is_null: bool = False) -> pa.Array:
    """Return an array of ``data_type`` that holds each of ``values`` unchanged; None, NaT and NA are null.

    Floats are rounded to the width of a float type. ``nan_is_null`` makes NaN null, as pandas means it.

    Raises:
        Misfit: with the first value that ``data_type`` does not hold.
    """
    if is_ordered(data_type) and any(value is not None for value in values):
        raise Misfit("values that do not tell the order of its categories")
    if t.is_temporal(data_type):  # Arrow reads NaT as a date in the year 1
        values = _without_missing(values)
    try:
        array = pa.array(values, data_type, from_pandas=nan_is_null)
    except REFUSALS as error:
        known = _without_missing(values)
        if known is not values:
            return exact_array(known, data_type, nan_is_null=nan_is_null)
        raise _refused(values, data_type, str(error)) from error
    if _may_be_cut(values, data_type):
        for position, value in enumerate(values):
            if not _holds(data_type, value):
                raise Misfit(f"{data_type} would cut it", position, value)
    return array


def exact_batch(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Return dicts as a batch of ``schema``; a missing key is null, a key that ``schema`` lacks is left out.

    Raises:
        ColumnMisfit: with the first value that does not fit, in the first such column.
    """
    arrays = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        try:
            array = exact_array(values, field.type)
        except Misfit as misfit:
            raise ColumnMisfit(misfit, field) from misfit
        if not field.nullable and array.null_count:
            position = array.is_null().to_pylist().index(True)
            raise ColumnMisfit(Misfit("it may not be null", position), field)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def is_open(data_type: pa.DataType) -> bool:
    """True if a type is null or has null inside: no value has determined it yet."""
    if t.is_nested(data_type) and not t.is_union(data_type):
        return any(is_open(data_type.field(at).type) for at in range(data_type.num_fields))
    return bool(t.is_null(data_type) or (t.is_dictionary(data_type) and is_open(data_type.value_type)))


def _without_missing(values: Sequence[Any]) -> Sequence[Any]:
    """``values`` with None for each NaT and NA; the same object if it has none."""
    if not any(kind.__name__ in MISSING for kind in set(map(type, values))):
        return values
    return [None if type(value).__name__ in MISSING else value for value in values]


def _refused(values: Sequence[Any], data_type: pa.DataType, reason: str) -> Misfit:
    for position, value in enumerate(values):
        try:
            pa.array([value], data_type)
        except REFUSALS as error:
            return Misfit(str(error), position, value)
    return Misfit(reason)


def _may_be_cut(values: Iterable[Any], data_type: pa.DataType) -> bool:  # noqa: PLR0911  one line per kind of type
    """False if the Python types alone show that Arrow cuts no value; a cheap test before each value is checked."""
    if t.is_integer(data_type):
        return not _INTEGERS.issuperset(map(type, values))
    if t.is_date(data_type):
        return not _DATES.issuperset(map(type, values))
    if t.is_timestamp(data_type) or t.is_duration(data_type) or t.is_time(data_type):
        return data_type.unit in _MICROSECONDS or not _TIMES.issuperset(map(type, values))
    if t.is_dictionary(data_type):
        return _may_be_cut(values, data_type.value_type)
    if t.is_floating(data_type):  # Arrow makes -1.0 of NumPy's largest uint64
        return np.uint64 in set(map(type, values))
    if not t.is_nested(data_type):
        return False
    if not (_LISTS if _is_list(data_type) else _DICTS).issuperset(map(type, values)):
        return True
    inner = [value for value in values if value is not None]
    if _is_list(data_type):
        return _may_be_cut(chain.from_iterable(inner), data_type.value_type)
    return not t.is_struct(data_type) or any(
        _may_be_cut([value.get(field.name) for value in inner], field.type) for field in data_type
    )


_NONE = type(None)
_INTEGERS, _DATES = frozenset({int, _NONE}), frozenset({date, _NONE})
_TIMES = frozenset({datetime, timedelta, time, _NONE})
_LISTS, _DICTS = frozenset({list, tuple, _NONE}), frozenset({dict, _NONE})


def _holds(data_type: pa.DataType, value: Any) -> bool:  # noqa: C901, PLR0911  one line per kind of type
    """True if ``value``, which Arrow accepts for this type, is stored without loss."""
    if value is None or _is_nan(value):
        return True
    if t.is_dictionary(data_type):
        return _holds(data_type.value_type, value)
    if t.is_floating(data_type) and isinstance(value, np.uint64):
        return bool(value <= _EXACT_IN_DOUBLE)
    if t.is_integer(data_type) or (t.is_temporal(data_type) and isinstance(value, float | np.floating | Decimal)):
        return bool(value == int(value))
    if t.is_date(data_type):
        if type(value).__name__ in MISSING:  # inside a list or struct, where Arrow reads it as the year 1
            return False
        return not isinstance(value, datetime) or value.time() == time()
    if t.is_timestamp(data_type) or t.is_duration(data_type) or t.is_time(data_type):
        return _whole(value, data_type.unit)
    if _is_list(data_type):
        return all(_holds(data_type.value_type, inner) for inner in value)
    if t.is_map(data_type):
        pairs = value.items() if isinstance(value, Mapping) else value
        return all(_holds(data_type.key_type, key) and _holds(data_type.item_type, item) for key, item in pairs)
    if t.is_struct(data_type):
        return all(_holds(field.type, inner) for field, inner in _fields(data_type, value))
    return True


def _fields(data_type: pa.DataType, value: Any) -> Iterable[tuple[pa.Field, Any]]:
    """Fields and values of a struct in any form that Arrow takes: a dict, a tuple in field order, a list of pairs."""
    if isinstance(value, tuple):
        return zip(data_type, value, strict=True)
    by_name = dict(value)
    return ((field, by_name.get(field.name)) for field in data_type)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _whole(value: Any, unit: str) -> bool:
    """True if a moment or duration is a whole number of ``unit``; pandas' types also carry nanoseconds."""
    beside = getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0)
    if beside and unit != "ns":
        return False
    micros = value.microseconds if isinstance(value, timedelta) else getattr(value, "microsecond", 0)
    return bool(micros % _MICROSECONDS.get(unit, 1) == 0)


def _is_list(data_type: pa.DataType) -> bool:
    lists = (t.is_list, t.is_large_list, t.is_fixed_size_list, t.is_list_view, t.is_large_list_view)
    return any(is_one(data_type) for is_one in lists)
