"""Replaces the dictionaries of ordered columns in a batch by the complete ones in the spec of the source."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from sabotnb.graph import Source as Spec
from sabotnb.native import is_ordered


def told_orders(spec: Spec) -> Mapping[str, pa.Array]:
    """The categories of each column of ``spec`` that ``told_orders.with_orders`` found."""
    types = {field.name: field.type for field in spec.schema if is_ordered(field.type)}
    found = spec.options.get("categories", {})
    return {name: pa.array(found[name], data_type.value_type) for name, data_type in types.items() if name in found}


def with_whole_order(batch: pa.RecordBatch, orders: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """``batch`` with the dictionaries of ``orders`` where the batch has only the first categories."""
    for name, known in orders.items():
        column = batch.column(name)
        begun = len(column.dictionary)
        if begun < len(known) and known.slice(0, begun).equals(column.dictionary):
            whole = pa.DictionaryArray.from_arrays(column.indices, known, ordered=True)
            batch = batch.set_column(batch.schema.get_field_index(name), batch.schema.field(name), whole)
    return batch
