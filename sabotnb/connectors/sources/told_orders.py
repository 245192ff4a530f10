"""The order of ordered columns, from all files of a source: each task reads some of them, and all need the whole order.

What is compared with a constant needs to know it (``expr.ordering``), and the file of one task may have a dictionary
that ends before the constant. So the categories that the first rows of the files show travel with the description.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pyarrow as pa

from sabotnb.connectors.file_schemas import MOST_LOOKED_INTO, is_text
from sabotnb.connectors.sources.following import FileConnector
from sabotnb.errors import SourceError, TypeMismatch
from sabotnb.graph import Source as Spec
from sabotnb.native import Orders, is_ordered


def with_orders(spec: Spec, make: Callable[[Spec], FileConnector]) -> Spec:
    """``spec`` with the categories of its ordered columns, as far as the first MOST_LOOKED_INTO files agree on them.

    Files that disagree, or cannot be read, change nothing here: reading or comparing them raises the error.
    """
    ordered = pa.schema([field for field in spec.schema if is_ordered(field.type) and is_text(field.type.value_type)])
    if not ordered.names:
        return spec
    orders, connector = Orders(ordered), make(replace(spec, schema=ordered))
    try:
        for file in spec.options["files"][:MOST_LOOKED_INTO]:
            for split in islice(connector.splits_of(file), 1):
                for batch in islice(connector.batches(split, 1), 1):
                    if isinstance(batch, pa.RecordBatch):
                        orders.take(batch)
    except (TypeMismatch, SourceError):
        return spec
    found = {name: column.known.to_pylist() for name, column in orders.columns.items() if column.known is not None}
    return replace(spec, options={**spec.options, "categories": found})
