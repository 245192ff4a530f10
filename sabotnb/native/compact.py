"""Measure the memory of a batch's rows, and copy slices that keep much more memory alive."""

from __future__ import annotations

import pyarrow as pa

WASTE = 2
"""A slice that keeps this many times its own bytes alive is copied."""


def own_bytes(batch: pa.RecordBatch) -> int:
    """Bytes of the rows of ``batch``; of dictionaries, which batches share, only the indices."""
    return int(batch.nbytes) - sum(int(dictionary.nbytes) for dictionary in _dictionaries(batch))


def compact(batch: pa.RecordBatch, nbytes: int) -> pa.RecordBatch:
    """``batch`` for long storage: columns that keep much more than their own bytes alive are copied.

    ``nbytes`` are its ``own_bytes``. Dictionaries are left as they are.
    """
    shared = sum(dictionary.get_total_buffer_size() for dictionary in _dictionaries(batch))
    if batch.get_total_buffer_size() - shared <= WASTE * nbytes:
        return batch
    columns = batch.columns
    kept = [_compact(column) for column in columns]
    if all(new is old for new, old in zip(kept, columns, strict=True)):
        return batch
    return pa.RecordBatch.from_arrays(kept, schema=batch.schema)


def without_unused(column: pa.Array) -> pa.Array:
    """A dictionary column without unused values if they are many, because they would be sent with the rows."""
    if not isinstance(column, pa.DictionaryArray) or len(column.dictionary) <= WASTE * len(column):
        return column
    if column.type.ordered:
        return column  # the order is that of all its values
    smaller = column.dictionary_decode().dictionary_encode()
    indices = smaller.indices.cast(column.type.index_type)
    return pa.DictionaryArray.from_arrays(indices, smaller.dictionary, ordered=column.type.ordered, safe=False)


def _dictionaries(batch: pa.RecordBatch) -> list[pa.Array]:
    types = batch.schema.types
    return [batch.column(i).dictionary for i, kind in enumerate(types) if isinstance(kind, pa.DictionaryType)]


def _compact(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.DictionaryArray):
        indices = array.indices
        kept = _compact(indices)
        if kept is indices:
            return array
        return pa.DictionaryArray.from_arrays(kept, array.dictionary, ordered=array.type.ordered, safe=False)
    return pa.concat_arrays([array]) if array.get_total_buffer_size() > WASTE * array.nbytes else array
