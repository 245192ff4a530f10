"""Convert columns that user functions return (Arrow, NumPy, pandas, polars) to Arrow arrays of a wanted type."""

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
    """Convert a list, NumPy array, pandas or polars Series or Arrow data to ``data_type`` without loss.

    Numbers may become other numbers, and times other times; text never becomes numbers. NaN is null in pandas' columns
    only, unless ``nan_is_null`` is passed.

    Raises:
        Misfit: with the first value that does not fit, or for the column as a whole.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise Misfit(f"{values!r} ({type(values).__name__}) is not a column")
    nan_is_null = _is_pandas(values) if nan_is_null is None else nan_is_null
    if not is_typed(values):
        return exact_array(list(values), data_type, nan_is_null=nan_is_null)
    return recast(typed_array(values, nan_is_null=nan_is_null), data_type)


def is_typed(values: Any) -> bool:
    """True for columns that have a type: of Arrow, NumPy, pandas or polars; not arrays of objects."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return True
    return hasattr(values, "dtype") and not (isinstance(values.dtype, np.dtype) and values.dtype.hasobject)


def typed_array(values: Any, *, nan_is_null: bool = False) -> pa.Array:
    """Convert a column that ``is_typed`` to the Arrow type it has by default; Misfit if Arrow has none."""
    try:
        if hasattr(values, "__arrow_c_stream__") and not _is_pandas(values):  # pandas exports NaN unchanged there
            values = pa.chunked_array(values)
        elif not isinstance(values, pa.Array):
            values = pa.array(values, from_pandas=nan_is_null)
        return checked(values, text=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise Misfit(f"Arrow cannot read it ({error})") from error


def _is_pandas(values: Any) -> bool:
    return hasattr(values, "iloc")


def recast(array: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Convert ``array`` to ``data_type``; Misfit if that loses something or its values are of another kind."""
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
    """True for dates and types with dates inside."""
    if t.is_dictionary(data_type):
        return has_dates(data_type.value_type)
    if t.is_nested(data_type):
        return any(has_dates(data_type.field(at).type) for at in range(data_type.num_fields))
    return bool(t.is_date(data_type))


def cuts_times(array: pa.Array, made: pa.Array) -> bool:
    """True if a timestamp of ``array`` has a time of day that is lost in the date of ``made`` in the same row."""
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
    if t.is_dictionary(array.type):  # Arrow cannot decode dictionaries of some value layouts
        return _cast(array.dictionary, data_type).take(array.indices)
    if t.is_dictionary(data_type):
        return array.cast(data_type.value_type).dictionary_encode().cast(data_type)
    return array.cast(data_type)


def same_values(one: pa.DataType, other: pa.DataType) -> bool:
    """True if both types hold the same values in different encodings; the null type matches every type."""
    return _alike(one, other, _same_leaf)


def same_kind(one: pa.DataType, other: pa.DataType) -> bool:
    """True if values of ``one`` may become values of ``other``: the same values, both numbers, or both times."""
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
        return not (t.is_floating(one) and t.is_decimal(other))  # Arrow rounds floats to decimals
    times = (t.is_timestamp, t.is_date), (t.is_time,), (t.is_duration,)
    if any(any(is_one(one) for is_one in kind) and any(is_one(other) for is_one in kind) for kind in times):
        return True
    binary = _is_binary(one) and (_is_binary(other) or t.is_fixed_size_binary(other))
    return binary or _same_leaf(one, other)
