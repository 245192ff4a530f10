"""Aggregates of fixed width: the state of a key is a field in its row of accumulators, updated by kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.errors import ExpressionError
from sabotnb.native import FieldUpdates, canonical
from sabotnb.state.values import doubles, from_kernel, from_order_words, kernel_type, masked, order_words, to_kernel

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
"""Fields of consecutive rows: uint8 of shape (rows, width)."""


class FixedAggregate(Protocol):
    """One aggregate over fields of ``width`` bytes, a multiple of 8. A field of zeros is the state of a new key.

    ``parts`` are the mergeable columns that ``partial_fields`` names: ``lone`` converts single rows to them,
    ``partial`` converts fields. ``state`` is like ``partial``, but always exact: it exports an integer sum in 128 bits.
    """

    width: int

    def update(self, updates: FieldUpdates, offset: int, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch, when the updates run."""

    def merge(self, updates: FieldUpdates, offset: int, parts: Sequence[pa.Array]) -> None:
        """Merge mergeable columns or state columns, when the updates run."""

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The mergeable columns of a batch, one row for each of its rows."""
        ...

    def partial(self, fields: Bytes) -> list[pa.Array]:
        """The mergeable columns of ``fields``; ExpressionError if one does not fit its type."""
        ...

    def state(self, fields: Bytes) -> list[pa.Array]:
        """The exact columns that ``merge`` restores ``fields`` from."""
        ...

    def result(self, fields: Bytes) -> pa.Array:
        """The values of the aggregate."""
        ...


def column_at(fields: Bytes, at: int, dtype: Any) -> np.ndarray:
    """The values of ``dtype`` at byte ``at`` of every field."""
    size = np.dtype(dtype).itemsize
    column: np.ndarray = np.ascontiguousarray(fields[:, at : at + size].view(dtype)[:, 0])
    return column


class Count:
    """The number of rows, or of values of ``column`` that are not null."""

    width = 8

    def __init__(self, column: str | None) -> None:
        self._column = column

    def update(self, updates: FieldUpdates, offset: int, batch: pa.RecordBatch) -> None:
        if self._column is None:
            updates.count_rows(offset)
        else:
            updates.count_valid(offset, _plain(batch.column(self._column)))

    def merge(self, updates: FieldUpdates, offset: int, parts: Sequence[pa.Array]) -> None:
        updates.add(offset, parts[0])

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        if self._column is None:
            return [pa.array(np.ones(batch.num_rows, np.int64))]
        return [_ones(_plain(batch.column(self._column)))]

    def partial(self, fields: Bytes) -> list[pa.Array]:
        return [self.result(fields)]

    state = partial

    def result(self, fields: Bytes) -> pa.Array:
        return pa.array(column_at(fields, 0, np.int64))


class Sum:
    """The sum of ``column`` as type ``gives``. Integers add up in 128 bits, so only the total must fit the type."""

    def __init__(self, column: str, gives: pa.DataType) -> None:
        self._column = column
        self._gives = gives
        self._double = pa.types.is_floating(gives)
        self._wide = gives if pa.types.is_decimal(gives) else pa.decimal128(38, 0)
        self.width = 16 if self._double else 24

    def update(self, updates: FieldUpdates, offset: int, batch: pa.RecordBatch) -> None:
        self.merge(updates, offset, [batch.column(self._column)])

    def merge(self, updates: FieldUpdates, offset: int, parts: Sequence[pa.Array]) -> None:
        updates.sum_values(offset, self._summands(parts[0]))

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        return [from_kernel(self._summands(batch.column(self._column)), self._gives)]

    def partial(self, fields: Bytes) -> list[pa.Array]:
        return [self.result(fields)]

    def state(self, fields: Bytes) -> list[pa.Array]:
        if self._double:
            return [self.result(fields)]
        return [masked(fields[:, :16], column_at(fields, 16, np.bool_), self._wide)]

    def result(self, fields: Bytes) -> pa.Array:
        if self._double:
            return masked(column_at(fields, 0, np.float64), column_at(fields, 8, np.bool_), self._gives)
        seen = column_at(fields, 16, np.bool_)
        if pa.types.is_decimal(self._gives):
            return self._decimals(masked(fields[:, :16], seen, self._gives))
        low, high = column_at(fields, 0, np.int64), column_at(fields, 8, np.int64)
        over = high != (0 if pa.types.is_uint64(self._gives) else low >> 63)
        if over.any():
            raise self.overflow()
        return masked(low, seen, self._gives)

    def _summands(self, column: pa.Array) -> pa.Array:
        values = canonical.decoded(column)
        if not pa.types.is_decimal(values.type):
            return to_kernel(values)
        try:
            return values.cast(self._wide)
        except pa.ArrowInvalid as error:
            raise self.overflow() from error

    def _decimals(self, totals: pa.Array) -> pa.Array:
        try:
            totals.validate(full=True)
        except pa.ArrowInvalid as error:
            raise self.overflow() from error
        return totals

    def overflow(self) -> ExpressionError:
        """The error of a sum that does not fit its type or 128 bits."""
        wider = "dt.total_seconds()" if pa.types.is_duration(self._gives) else "cast('double')"
        return ExpressionError(
            f"a sum of {self._column!r} does not fit {self._gives}; sum col({self._column!r}).{wider} instead"
        )


class Mean:
    """The mean of ``column`` as a double."""

    width = 16

    def __init__(self, column: str) -> None:
        self._column = column

    def update(self, updates: FieldUpdates, offset: int, batch: pa.RecordBatch) -> None:
        column = doubles(batch.column(self._column))
        updates.add(offset, column)
        updates.count_valid(offset + 8, column)

    def merge(self, updates: FieldUpdates, offset: int, parts: Sequence[pa.Array]) -> None:
        updates.add(offset, parts[0])
        updates.add(offset + 8, parts[1])

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        column = doubles(batch.column(self._column))
        return [column.fill_null(0.0), _ones(column)]

    def partial(self, fields: Bytes) -> list[pa.Array]:
        return [pa.array(column_at(fields, 0, np.float64)), pa.array(column_at(fields, 8, np.int64))]

    state = partial

    def result(self, fields: Bytes) -> pa.Array:
        count = column_at(fields, 8, np.int64)
        return masked(column_at(fields, 0, np.float64) / np.maximum(count, 1), count > 0, pa.float64())


class Extreme:
    """The smallest or ``largest`` value of ``column``."""

    def __init__(self, column: str, gives: pa.DataType, *, largest: bool) -> None:
        self._column = column
        self._gives = gives
        self._kernel = kernel_type(gives)
        self._size = 16 if pa.types.is_decimal(self._kernel) else 8
        self._largest = largest
        self.width = self._size + 8

    def update(self, updates: FieldUpdates, offset: int, batch: pa.RecordBatch) -> None:
        updates.extreme(offset, to_kernel(batch.column(self._column)), self._largest)

    def merge(self, updates: FieldUpdates, offset: int, parts: Sequence[pa.Array]) -> None:
        updates.extreme(offset, to_kernel(parts[0]), self._largest)

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        return [batch.column(self._column).cast(self._gives)]

    def partial(self, fields: Bytes) -> list[pa.Array]:
        return [self.result(fields)]

    state = partial

    def result(self, fields: Bytes) -> pa.Array:
        seen = column_at(fields, self._size, np.bool_)
        return from_kernel(masked(fields[:, : self._size], seen, self._kernel), self._gives)


class Variance:
    """Variance, or its ``root``, of ``column`` over count - ``ddof``; null if that is not positive."""

    width = 24

    def __init__(self, column: str, ddof: int, *, root: bool) -> None:
        self._column = column
        self._ddof = ddof
        self._root = root

    def update(self, updates: FieldUpdates, offset: int, batch: pa.RecordBatch) -> None:
        updates.variance(offset, doubles(batch.column(self._column)))

    def merge(self, updates: FieldUpdates, offset: int, parts: Sequence[pa.Array]) -> None:
        updates.merge_variance(offset, *parts)

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        column = doubles(batch.column(self._column))
        values = column.fill_null(0.0)
        # The spread of a single value is 0; of an infinite value or NaN it is undefined.
        spread = pc.if_else(pc.is_finite(values), 0.0, float("nan"))
        return [_ones(column), values, spread]

    def partial(self, fields: Bytes) -> list[pa.Array]:
        return [
            pa.array(column_at(fields, at, kind)) for at, kind in ((0, np.int64), (8, np.float64), (16, np.float64))
        ]

    state = partial

    def result(self, fields: Bytes) -> pa.Array:
        free = column_at(fields, 0, np.int64) - self._ddof
        variance = column_at(fields, 16, np.float64) / np.maximum(free, 1)
        return masked(np.sqrt(variance) if self._root else variance, free > 0, pa.float64())


class ByOrder:
    """The value of ``column`` in the row with the smallest (with ``last``: the largest) value of ``by``."""

    width = 24

    def __init__(self, column: str, by: str, gives: pa.DataType, by_type: pa.DataType, *, last: bool) -> None:
        self._column = column
        self._by = by
        self._gives = gives
        self._by_type = by_type
        self._kernel = kernel_type(gives)
        self._last = last

    def update(self, updates: FieldUpdates, offset: int, batch: pa.RecordBatch) -> None:
        self.merge(updates, offset, [batch.column(self._column), batch.column(self._by)])

    def merge(self, updates: FieldUpdates, offset: int, parts: Sequence[pa.Array]) -> None:
        value, order = parts
        updates.ordered(offset, to_kernel(value), order_words(order), self._last)

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        return [batch.column(self._column).cast(self._gives), batch.column(self._by).cast(self._by_type)]

    def partial(self, fields: Bytes) -> list[pa.Array]:
        met = column_at(fields, 16, np.uint8) > 0
        return [self.result(fields), from_order_words(masked(fields[:, :8], met, pa.int64()), self._by_type)]

    state = partial

    def result(self, fields: Bytes) -> pa.Array:
        valid = column_at(fields, 16, np.uint8) == 1
        return from_kernel(masked(fields[:, 8:16], valid, self._kernel), self._gives)


def _plain(column: pa.Array) -> pa.Array:
    """Decode a dictionary that has a null among its values, because its indices do not show which rows are null."""
    hidden = isinstance(column, pa.DictionaryArray) and column.dictionary.null_count
    return canonical.decoded(column) if hidden else column


def _ones(column: pa.Array) -> pa.Array:
    """1 for each value, 0 for each null, as int64."""
    return column.is_valid().cast(pa.int8()).cast(pa.int64())
