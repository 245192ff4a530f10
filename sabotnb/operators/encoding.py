"""Convert columns to another Arrow encoding of the same values: dictionaries, large and view layouts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sabotnb.errors import TypeMismatch
from sabotnb.native import as_values, is_ordered, plain_schema


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """``batch`` in the encodings of ``schema``, which has the same names and values of the same types."""
    if batch.schema.equals(schema):
        return batch
    columns = [_encoded(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _encoded(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    if column.type.equals(data_type):
        return column
    if is_ordered(data_type):
        if not is_ordered(column.type):
            advice = as_values(data_type.value_type)
            raise TypeMismatch(f"{column.type} does not tell the order of {data_type}; cast both to {advice}")

        values = column.dictionary.cast(data_type.value_type)
        return pa.DictionaryArray.from_arrays(column.indices.cast(data_type.index_type), values, ordered=True)
    return column.cast(data_type)


def taken(batch: pa.RecordBatch, rows: slice | np.ndarray) -> pa.RecordBatch:
    """The rows of these numbers, or of a range, which are not copied."""
    if isinstance(rows, slice):
        start, stop, _ = rows.indices(batch.num_rows)
        return batch.slice(start, stop - start)
    movable = plain_schema(batch.schema)  # Arrow takes no rows of views
    return conformed(conformed(batch, movable).take(pa.array(rows)), batch.schema)
