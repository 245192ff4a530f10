"""Finds the categories of ordered columns in the files of a source, and stores them in its spec.

Each task reads some of the files, but a comparison with a constant needs the whole order (``expr.ordering``): the
dictionary in the file of one task may end before the constant. So the spec has the categories from the first rows of
the first files.
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
    """``spec`` with the categories of its ordered columns, from the first MOST_LOOKED_INTO files.

    Returns ``spec`` unchanged if files disagree or cannot be read: reading or comparing them raises the error later.
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
