"""Columns that functions of users give, of whatever typed library, as Arrow arrays of the type that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types as t

from sabotnb.expr.exact import Misfit, exact_array
from sabotnb.expr.types import is_number, is_text
from sabotnb.native import checked, is_ordered, plain_type

SameLeaf = Callable[[pa.DataType, pa.DataType], bool]


def exact_column(values: Any, data_type: pa.DataType, *, nan_is_null: bool | None = None) -> pa.Array:
    """A list, a NumPy array, a pandas or polars Series or Arrow data as an array of ``data_type`` that loses nothing.

    Numbers may become other numbers, and times other times; text never becomes numbers. NaN is null in pandas' columns
    only, unless ``nan_is_null`` says it of all.

    Raises:
        Misfit: with the first value that does not fit, or for the column as a whole.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise Misfit(f"{values!r} ({type(values).__name__}) is no column")
    nan_is_null = _is_pandas(values) if nan_is_null is None else nan_is_null
    if not is_typed(values):
        return exact_array(list(values), data_type, nan_is_null=nan_is_null)
    return recast(typed_array(values, nan_is_null=nan_is_null), data_type)


def is_typed(values: Any) -> bool:
    """True for columns that say themselves what they hold: of Arrow, NumPy, pandas, polars; not arrays of objects."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return True
    return hasattr(values, "dtype") and not (isinstance(values.dtype, np.dtype) and values.dtype.hasobject)


def typed_array(values: Any, *, nan_is_null: bool = False) -> pa.Array:
    """A column that ``is_typed`` as Arrow has it by itself; Misfit if Arrow has no type for it."""
    try:
        if hasattr(values, "__arrow_c_stream__") and not _is_pandas(values):  # pandas gives NaN there as it is
            values = pa.chunked_array(values)
        elif not isinstance(values, pa.Array):
            values = pa.array(values, from_pandas=nan_is_null)
        return checked(values, text=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise Misfit(f"Arrow cannot read it ({error})") from error


def _is_pandas(values: Any) -> bool:
    return hasattr(values, "iloc")


def recast(array: pa.Array, data_type: pa.DataType) -> pa.Array:
    """``array`` as ``data_type``; Misfit if that loses something, or is another kind of value."""
    if array.type.equals(data_type):
        return array
    if not same_kind(array.type, data_type):
        raise Misfit("", found=array.type)
    try:
        made = _cast(array, data_type)
    except (pa.ArrowException, ValueError) as error:
        raise Misfit(f" ({error})", found=array.type) from error
    if has_dates(data_type) and cuts_times(array, made):
        raise Misfit(" with times of day", found=array.type)
    return made


def has_dates(data_type: pa.DataType) -> bool:
    """True for dates, and types with dates inside."""
    if t.is_dictionary(data_type):
        return has_dates(data_type.value_type)
    if t.is_nested(data_type):
        return any(has_dates(data_type.field(at).type) for at in range(data_type.num_fields))
    return bool(t.is_date(data_type))


def cuts_times(array: pa.Array, made: pa.Array) -> bool:
    """True if a timestamp of ``array`` has a time of day that the date of ``made`` in its place has not."""
    if t.is_dictionary(array.type) or t.is_dictionary(made.type):
        return cuts_times(_cast(array, plain_type(array.type)), _cast(made, plain_type(made.type)))
    if t.is_struct(array.type) and t.is_struct(made.type):
        return any(map(cuts_times, array.flatten(), made.flatten()))
    if t.is_map(array.type) and t.is_map(made.type):
        return cuts_times(array.keys, made.keys) or cuts_times(array.items, made.items)
    if t.is_nested(array.type) and t.is_nested(made.type):
        return cuts_times(array.flatten(), made.flatten())
    return t.is_date(made.type) and t.is_timestamp(array.type) and not made.cast(array.type).equals(array)


def _cast(array: pa.Array, data_type: pa.DataType) -> pa.Array:
    if is_ordered(data_type):
        if not is_ordered(array.type):
            raise ValueError("which does not tell the order of its categories")
        return pa.DictionaryArray.from_arrays(
            array.indices.cast(data_type.index_type), _cast(array.dictionary, data_type.value_type), ordered=True
        )
    if t.is_dictionary(array.type):  # its values may be of a layout that Arrow decodes no dictionary of
        return _cast(array.dictionary, data_type).take(array.indices)
    if t.is_dictionary(data_type):
        return array.cast(data_type.value_type).dictionary_encode().cast(data_type)
    return array.cast(data_type)


def same_values(one: pa.DataType, other: pa.DataType) -> bool:
    """True if both hold the same values, differently encoded; a column of nulls alone goes with every type."""
    return _alike(one, other, _same_leaf)


def same_kind(one: pa.DataType, other: pa.DataType) -> bool:
    """True if values of ``one`` may be values of ``other``: the same, numbers both, or times both."""
    return _alike(one, other, _leaf_of_kind)


def _alike(one: pa.DataType, other: pa.DataType, same: SameLeaf) -> bool:
    if t.is_null(one) or one.equals(other):
        return True
    if t.is_dictionary(one) or t.is_dictionary(other):
        return _alike(plain_type(one), plain_type(other), same)
    if t.is_struct(one) and t.is_struct(other):
        return [field.name for field in one] == [field.name for field in other] and all(
            _alike(mine.type, theirs.type, same) for mine, theirs in zip(one, other, strict=True)
        )
    if t.is_map(one) and t.is_map(other):
        return _alike(one.key_type, other.key_type, same) and _alike(one.item_type, other.item_type, same)
    if (_is_list(one) and _is_list(other)) or _same_size(one, other):
        return _alike(one.value_type, other.value_type, same)
    return same(one, other)


def _is_list(data_type: pa.DataType) -> bool:
    return bool(t.is_list(data_type) or t.is_large_list(data_type))


def _same_size(one: pa.DataType, other: pa.DataType) -> bool:
    return t.is_fixed_size_list(one) and t.is_fixed_size_list(other) and bool(one.list_size == other.list_size)


def _same_leaf(one: pa.DataType, other: pa.DataType) -> bool:
    return (is_text(one) and is_text(other)) or (_is_binary(one) and _is_binary(other))


def _is_binary(data_type: pa.DataType) -> bool:
    return bool(t.is_binary(data_type) or t.is_large_binary(data_type) or t.is_binary_view(data_type))


def _leaf_of_kind(one: pa.DataType, other: pa.DataType) -> bool:
    if isinstance(other, pa.BaseExtensionType):
        return _leaf_of_kind(one, other.storage_type)
    if is_number(one) and is_number(other):
        return not (t.is_floating(one) and t.is_decimal(other))  # which Arrow rounds
    times = (t.is_timestamp, t.is_date), (t.is_time,), (t.is_duration,)
    if any(any(is_one(one) for is_one in kind) and any(is_one(other) for is_one in kind) for kind in times):
        return True
    binary = _is_binary(one) and (_is_binary(other) or t.is_fixed_size_binary(other))
    return binary or _same_leaf(one, other)
