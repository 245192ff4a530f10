"""Finds the categories of ordered columns in the files of a source, and stores them in its schema.

Each task reads some of the files, but a comparison with a constant needs the whole order (``expr.ordering``): the
dictionary in the file of one task may end before the constant. So the schema has the categories from the first rows of
the first files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import pyarrow as pa

from sabotnb.connectors.file_schemas import MOST_LOOKED_INTO
from sabotnb.connectors.sources.following import FileConnector
from sabotnb.errors import SourceError
from sabotnb.graph import Source as Spec
from sabotnb.native import is_ordered, with_orders_in, with_orders_of


def with_orders(spec: Spec, make: Callable[[Spec], FileConnector]) -> Spec:
    """``spec`` with the categories of its ordered columns, from the first MOST_LOOKED_INTO files.

    Returns ``spec`` unchanged if files cannot be read: reading them raises the error later.
    """
    ordered = pa.schema([field for field in spec.schema if is_ordered(field.type)])
    if not ordered.names:
        return spec
    try:
        found = with_orders_in(ordered, _first_batches(spec.options["files"], make(replace(spec, schema=ordered))))
    except SourceError:
        return spec
    return replace(spec, schema=with_orders_of(spec.schema, found))


def _first_batches(files: Sequence[str], connector: FileConnector) -> Iterator[pa.RecordBatch]:
    for file in files[:MOST_LOOKED_INTO]:
        for split in islice(connector.splits_of(file), 1):
            items = connector.batches(split, 1)
            yield from islice((item for item in items if isinstance(item, pa.RecordBatch)), 1)
