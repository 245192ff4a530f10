"""Replaces the dictionaries of ordered columns in a batch by the complete ones in the schema of the source."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from sabotnb.graph import Source as Spec
from sabotnb.native import known_orders


def told_orders(spec: Spec) -> Mapping[str, pa.Array]:
    """The categories of each column of ``spec`` that ``told_orders.with_orders`` found, where all files agree."""
    known = [(field, known_orders(field)) for field in spec.schema]
    return {field.name: orders[0].cast(field.type.value_type) for field, orders in known if len(orders) == 1}


def with_whole_order(batch: pa.RecordBatch, orders: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """``batch`` with the dictionaries of ``orders`` where the batch has only the first categories."""
    for name, known in orders.items():
        column = batch.column(name)
        begun = len(column.dictionary)
        if begun < len(known) and known.slice(0, begun).equals(column.dictionary):
            whole = pa.DictionaryArray.from_arrays(column.indices, known, ordered=True)
            batch = batch.set_column(batch.schema.get_field_index(name), batch.schema.field(name), whole)
    return batch
