"""Convert columns to the few types that kernels aggregate, and to forms that sort with NaN largest and nulls last."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from sabotnb.errors import TypeMismatch
from sabotnb.expr import value_type
from sabotnb.native import as_values, canonical, is_ordered

SIGN = np.uint64(1 << 63)

_WHOLE = {8: np.uint64, 16: np.complex128}
"""Types of these many bytes, which NumPy copies at once."""


def kernel_type(data_type: pa.DataType) -> pa.DataType | None:
    """int64, uint64, double or decimal128, whichever holds the values and their order; None if none does."""
    plain = value_type(data_type)
    if types.is_floating(plain):
        return pa.float64()
    if types.is_decimal(plain):
        return pa.decimal128(38, plain.scale) if plain.precision <= 38 else None
    if types.is_uint64(plain):
        return pa.uint64()
    if _has_no_order(plain) or not canonical.is_word(plain):
        return None
    return pa.int64()


def _has_no_order(data_type: pa.DataType) -> bool:
    """True for types whose values Arrow cannot sort."""
    is_extension = isinstance(data_type, pa.BaseExtensionType)
    return bool(types.is_nested(data_type) or types.is_interval(data_type) or is_extension)


def to_kernel(column: pa.Array) -> pa.Array:
    """The values in their ``kernel_type``, which must exist."""
    column = canonical.decoded(column)
    if types.is_uint64(column.type):
        return column
    if types.is_floating(column.type) or types.is_decimal(column.type):
        return column.cast(kernel_type(column.type))
    return canonical.words(column)


def from_kernel(values: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Turn values of a ``kernel_type`` back into ``data_type`` (not a dictionary)."""
    if types.is_floating(data_type) or types.is_decimal(data_type) or types.is_uint64(data_type):
        return values.cast(data_type)
    return canonical.from_words(values, data_type)


def doubles(column: pa.Array) -> pa.Array:
    """The values of a numeric column as doubles, rounded if a double cannot hold them."""
    column = canonical.decoded(column)
    if types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.cast(pa.float64(), safe=False)


def has_order_words(data_type: pa.DataType) -> bool:
    """True if ``order_words`` takes the type."""
    kernel = kernel_type(data_type)
    return kernel is not None and not types.is_decimal(kernel)


def order_words(column: pa.Array) -> pa.Array:
    """int64 words that compare as the values do, with the same nulls. -0.0 equals 0.0, and all NaN are equal."""
    column = canonical.decoded(column)
    if types.is_floating(column.type):
        bits = canonical.words(column)
        flipped = _numbers(bits)
        # The bits of a double order as sign and magnitude; flipping those of a negative one makes int64 order the same.
        return _with_nulls_of(column, flipped ^ ((flipped >> 63) & np.int64(2**63 - 1)))
    if types.is_uint64(column.type):
        return _with_nulls_of(column, (_numbers(canonical.words(column)).view(np.uint64) ^ SIGN).view(np.int64))
    return canonical.words(column)


def from_order_words(words: pa.Array, data_type: pa.DataType) -> pa.Array:
    """Undo ``order_words`` for ``data_type`` (not a dictionary)."""
    numbers = _numbers(words)
    if types.is_floating(data_type):
        words = _with_nulls_of(words, numbers ^ ((numbers >> 63) & np.int64(2**63 - 1)))
    elif types.is_uint64(data_type):
        words = _with_nulls_of(words, (numbers.view(np.uint64) ^ SIGN).view(np.int64))
    return canonical.from_words(words, data_type)


def sortable(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """A column that ``pc.sort_indices`` sorts in sabotnb's order in both directions; None for types without an order.

    The dictionaries of an ordered column must agree (see ``native.categories``).
    """
    plain = value_type(column.type)
    if _has_no_order(plain):
        return None
    if isinstance(column, pa.ChunkedArray):
        chunks = [sortable(chunk) for chunk in column.chunks] or [sortable(pa.nulls(0, column.type))]
        return pa.chunked_array(chunks)
    if is_ordered(column.type):
        return column.indices
    column = canonical.decoded(column)
    if types.is_floating(plain) or types.is_null(plain):
        return order_words(column)
    return column


def masked(values: np.ndarray, valid: np.ndarray | None, data_type: pa.DataType) -> pa.Array:
    """An array of ``data_type`` over the memory of ``values`` (its physical form), null where ``valid`` is false."""
    bitmap = None
    if valid is not None and not valid.all():
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(data_type, len(values), [bitmap, pa.py_buffer(_together(values))])


def _together(values: np.ndarray) -> np.ndarray:
    """The same bytes without gaps; fields of rows are copied as a whole, which is faster than byte by byte."""
    whole = _WHOLE.get(values.shape[1]) if values.ndim > 1 else None
    return np.ascontiguousarray(values if whole is None else values.view(whole))


def encoded_as(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    """The same values in the encoding of ``data_type``."""
    if column.type.equals(data_type):
        return column
    if is_ordered(data_type):
        raise TypeMismatch(
            f"{column.type} does not tell the order of {data_type}; compare {as_values(data_type.value_type)}"
        )
    if types.is_dictionary(data_type):
        return canonical.decoded(column).dictionary_encode().cast(data_type)
    return canonical.decoded(column).cast(data_type)


def _numbers(words: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    filled = words.fill_null(0) if words.null_count else words
    return np.asarray(filled.to_numpy(zero_copy_only=False), np.int64)


def _with_nulls_of(column: pa.Array, numbers: np.ndarray) -> pa.Array:
    valid = None if column.null_count == 0 else column.is_valid().to_numpy(zero_copy_only=False)
    return masked(numbers, valid, pa.int64())
