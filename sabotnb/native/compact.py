"""How much memory the rows of a batch need, and batches that keep no more than that."""

from __future__ import annotations

import pyarrow as pa

WASTE = 2
"""A slice that keeps this many times its own bytes alive is copied."""


def own_bytes(batch: pa.RecordBatch) -> int:
    """Bytes of the rows of ``batch``; of dictionaries, which batches share, only the indices."""
    return sum(
        column.indices.nbytes if isinstance(column, pa.DictionaryArray) else column.nbytes for column in batch.columns
    )


def compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``batch`` for somebody who holds it: columns cut out of much larger ones are copied, so that those can go.

    Dictionaries are left as they are.
    """
    columns = batch.columns
    kept = [compact_array(column) for column in columns]
    if all(new is old for new, old in zip(kept, columns, strict=True)):
        return batch
    return pa.RecordBatch.from_arrays(kept, schema=batch.schema)


def compact_array(array: pa.Array) -> pa.Array:
    """The same for one column."""
    if isinstance(array, pa.DictionaryArray):
        indices = array.indices
        kept = compact_array(indices)
        if kept is indices:
            return array
        return pa.DictionaryArray.from_arrays(kept, array.dictionary, ordered=array.type.ordered, safe=False)
    return pa.concat_arrays([array]) if array.get_total_buffer_size() > WASTE * array.nbytes else array
