"""Casts that Arrow gets wrong: hexadecimal text wraps, times before 1970 are rounded up, far years are not written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.clock_text import zoned_text
from sabotnb.expr.recast import cuts_times, has_dates
from sabotnb.expr.scalars import scalar
from sabotnb.expr.types import UNITS, is_text
from sabotnb.native import (
    is_far,
    is_zoned,
    local_dates,
    local_times,
    nested_array,
    nested_type,
    plain_type,
    text_of_far,
)

_HEXADECIMAL = r"^\s*0[xX]"
_THOUSANDS = {unit: 1000**power for power, unit in enumerate(UNITS)}


def cast_down(data: Any, target: pa.DataType) -> Any:
    """Cast ``data`` to ``target``; times are rounded down to coarser units, also inside lists and structs.

    Years beyond those that Arrow writes become text, too. Dates, times of day and text are those of the zone's clock.

    Raises:
        pa.ArrowInvalid: a value that ``target`` does not hold, or text that is not a decimal number.
    """
    parses, rounds = _meets(data.type, target, _parses), _meets(data.type, target, _is_coarser)
    writes = is_text(target) and (t.is_timestamp(data.type) or t.is_date(data.type))
    leaves_zone = _meets(data.type, target, _leaves_zone)
    if isinstance(data, pa.Scalar) and (parses or rounds or writes or leaves_zone):
        return cast_down(pa.array([data], data.type), target)[0]
    if parses:
        refuse_hexadecimal(data, target)
    if rounds:
        data = _rounded_down(data, target)
    if leaves_zone:
        data = _off_zone(data, target)
    if writes and not leaves_zone and is_far(data):
        return text_of_far(data, target)
    return pc.cast(data, options=pc.CastOptions(target, allow_time_truncate=True))


def cast_exact(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Cast ``array`` to ``target`` without losing anything.

    Raises:
        pa.ArrowInvalid: a value would lose something, or text is not a decimal number.
    """
    refuse_hexadecimal(array, target)
    made = _off_zone(array, target).cast(target)
    if has_dates(target) and cuts_times(array, made):
        raise pa.ArrowInvalid("a time of day would be lost")
    return made


def refuse_hexadecimal(array: pa.Array, target: pa.DataType) -> None:
    """Raise ArrowInvalid for text that Arrow would read as a hexadecimal integer, which may wrap to a negative one."""
    if not _meets(array.type, target, _parses):
        return
    if t.is_dictionary(array.type):
        refuse_hexadecimal(array.dictionary_decode(), plain_type(target))
    elif t.is_nested(array.type):
        nested_array(array, array.type, _each_child(array.type, target, _checked))
    else:
        found = array.filter(is_hexadecimal(array))
        if len(found):
            raise pa.ArrowInvalid(f"Failed to parse string: '{found[0].as_py()}' as a scalar of type {target}")


def is_hexadecimal(texts: pa.Array | pa.ChunkedArray) -> pa.BooleanArray | pa.ChunkedArray:
    """Return a mask: true where Arrow would read the text as a hexadecimal number."""
    return pc.match_substring_regex(texts, _HEXADECIMAL)


def _checked(array: pa.Array, target: pa.DataType) -> pa.Array:
    refuse_hexadecimal(array, target)
    return array


def _parses(source: pa.DataType, target: pa.DataType) -> bool:
    return is_text(source) and bool(t.is_integer(target))


def _is_coarser(source: pa.DataType, target: pa.DataType) -> bool:
    is_kind = t.is_duration if t.is_duration(source) else t.is_timestamp
    return is_kind(source) and is_kind(target) and UNITS.index(target.unit) < UNITS.index(source.unit)


def _meets(source: pa.DataType, target: pa.DataType, holds: Callable[[pa.DataType, pa.DataType], bool]) -> bool:
    """True if ``holds`` is true of the two types, or of any pair of types inside them."""
    source, target = plain_type(source), plain_type(target)
    return holds(source, target) or any(_meets(*pair, holds) for pair in _children(source, target))


def _children(source: pa.DataType, target: pa.DataType) -> list[tuple[pa.DataType, pa.DataType]]:
    """The child types of both, in pairs; fields of structs are paired by name."""
    if t.is_struct(source) and t.is_struct(target):
        places = [target.get_field_index(field.name) for field in source]
        pairs = zip(source, places, strict=True)
        return [(field.type, target.field(place).type if place >= 0 else field.type) for field, place in pairs]
    if t.is_map(source) and t.is_map(target):
        return [(source.key_type, target.key_type), (source.item_type, target.item_type)]
    if _is_list(source) and _is_list(target):
        return [(source.value_type, target.value_type)]
    return []


def _is_list(data_type: pa.DataType) -> bool:
    return bool(t.is_list(data_type) or t.is_large_list(data_type) or t.is_fixed_size_list(data_type))


def _each_child(
    source: pa.DataType, target: pa.DataType, change: Callable[[Any, pa.DataType], Any]
) -> Callable[[Any], Any]:
    """``change`` applied to each child of an array, or to each child type, in order."""
    targets = iter([inner for _, inner in _children(source, target)])
    return lambda child: change(child, next(targets))


def _rounded_down(array: pa.Array, target: pa.DataType) -> pa.Array:
    """``array`` with its times rounded down to the units of ``target``."""
    if not _meets(array.type, target, _is_coarser):
        return array
    if t.is_dictionary(array.type):
        return _rounded_down(array.dictionary_decode(), plain_type(target))
    if t.is_nested(array.type):
        data_type = _in_units(array.type, target)
        return nested_array(array, data_type, _each_child(array.type, target, _rounded_down))
    return _floored(array, plain_type(target))


def _leaves_zone(source: pa.DataType, target: pa.DataType) -> bool:
    return is_zoned(source) and bool(t.is_date(target) or t.is_time(target) or is_text(target))


def _off_zone(array: pa.Array, target: pa.DataType) -> pa.Array:
    """``array`` with its zoned times as their clocks show them, where ``target`` has dates, times of day or text."""
    if not _meets(array.type, target, _leaves_zone):
        return array
    target = plain_type(target)
    if t.is_dictionary(array.type):
        return _off_zone(array.dictionary_decode(), target)
    if t.is_nested(array.type):
        return nested_array(array, _on_clocks(array.type, target), _each_child(array.type, target, _off_zone))
    if is_text(target):
        return zoned_text(array, target)
    return local_dates(array) if t.is_date(target) else local_times(array)


def _on_clocks(source: pa.DataType, target: pa.DataType) -> pa.DataType:
    """The type of what ``_off_zone`` makes."""
    source, target = plain_type(source), plain_type(target)
    if _leaves_zone(source, target):
        return target if is_text(target) else pa.date32() if t.is_date(target) else pa.timestamp(source.unit)
    return nested_type(source, _each_child(source, target, _on_clocks)) if _children(source, target) else source


def _in_units(source: pa.DataType, target: pa.DataType) -> pa.DataType:
    """``source`` with the units of ``target``, where those are coarser."""
    source, target = plain_type(source), plain_type(target)
    if _is_coarser(source, target):
        return pa.duration(target.unit) if t.is_duration(source) else pa.timestamp(target.unit, source.tz)
    return nested_type(source, _each_child(source, target, _in_units)) if _children(source, target) else source


def in_unit(data: Any, unit: str) -> Any:
    """Timestamps ``data``, an array or scalar, in another unit; rounded down where it is coarser.

    Raises:
        pa.ArrowInvalid: a value that the unit does not hold.
    """
    target = pa.timestamp(unit, data.type.tz)
    return _floored(data, target) if _is_coarser(data.type, target) else pc.cast(data, target)


def _floored(data: Any, target: pa.DataType) -> Any:
    """``data`` in the unit of ``target``, rounded down. Arrow's ``floor_temporal`` does not take durations."""
    size = scalar(_THOUSANDS[data.type.unit] // _THOUSANDS[target.unit], pa.int64())
    counts = pc.cast(data, pa.int64())
    whole = pc.divide(counts, size)  # rounds toward zero, so negative values with a rest are corrected below
    is_above = pc.cast(pc.less(counts, pc.multiply(whole, size)), pa.int64())
    return pc.cast(pc.subtract(whole, is_above), _in_units(data.type, target))
