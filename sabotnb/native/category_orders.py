"""The orders of categories that are known when a plan is written, kept in the metadata of schema fields.

Theory of operation
    The order of an ordered dictionary is in its data. Sources read it where they are described, and add it to the field
    of the column in their schema. Schemas of operators pass it on, so all tasks of an operator know the same order of a
    column, whichever rows each of them reads. A field has no order if nothing tells it before a job runs (results of
    functions), one if all dictionaries agree, and two if some disagree: operators that compare such values refuse them.

    The metadata is for plans only: ``without_orders`` removes it from schemas of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.errors import TypeMismatch
from sabotnb.native.categories import agree, as_values, is_ordered, listed, lists_no_order

KnownOrders = tuple[pa.Array, ...]
"""None, one, or two that disagree: arrays of categories in their order."""

_KEY = b"sabotnb.orders"


def known_orders(field: pa.Field) -> KnownOrders:
    """The orders of the categories of a column."""
    if not is_ordered(field.type) or _KEY not in (field.metadata or {}):
        return ()
    with pa.ipc.open_stream(field.metadata[_KEY]) as stored:
        return tuple(batch.column(0) for batch in stored)


def with_known_orders(field: pa.Field, orders: KnownOrders) -> pa.Field:
    """``field`` with ``orders`` in place of those it has."""
    others = {key: value for key, value in (field.metadata or {}).items() if key != _KEY}
    added = {_KEY: _stored(orders)} if orders and is_ordered(field.type) else {}
    return field.with_metadata(others | added) if others or added else field.remove_metadata()


def without_orders(schema: pa.Schema) -> pa.Schema:
    """``schema`` for rows, which say their order themselves; ``schema`` itself if it has no orders."""
    if not any(field.metadata and _KEY in field.metadata for field in schema):
        return schema
    return pa.schema([with_known_orders(field, ()) for field in schema], schema.metadata)


def with_orders_of(schema: pa.Schema, planned: pa.Schema) -> pa.Schema:
    """``schema``, of some batch, with the orders that the columns of ``planned`` have."""
    known = {field.name: orders for field in planned if (orders := known_orders(field))}
    if not known:
        return schema
    return pa.schema([with_known_orders(field, known.get(field.name, ())) for field in schema], schema.metadata)


def with_orders_in(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Schema:
    """``schema`` with the orders in the dictionaries of ``batches``."""
    found: dict[str, KnownOrders] = {field.name: () for field in schema if is_ordered(field.type)}
    if not found:
        return schema
    for batch in batches:
        for name, orders in found.items():
            categories = batch.column(name).dictionary
            if not lists_no_order(categories):  # others are refused with their rows
                found[name] = united_orders((orders, (categories,)))
    return pa.schema([with_known_orders(field, found.get(field.name, ())) for field in schema], schema.metadata)


def _stored(orders: KnownOrders) -> bytes:
    """The bytes of an Arrow IPC stream with one batch for each order."""
    schema = pa.schema({"": orders[0].type})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for order in orders:
            writer.write(pa.RecordBatch.from_arrays([order.cast(orders[0].type)], schema=schema))
    stored: bytes = sink.getvalue().to_pybytes()
    return stored


def united_orders(several: Iterable[KnownOrders]) -> KnownOrders:
    """The longest of all orders if each of the others is a prefix of it, or else two that disagree."""
    longest: pa.Array | None = None
    for orders in several:
        for order in orders:
            if longest is None:
                longest = order
                continue
            other = order.cast(longest.type)  # string and large_string are one order
            if not agree(longest, other):
                return (longest, other)
            longest = max(longest, other, key=len)
    return () if longest is None else (longest,)


def one_order(columns: Sequence[tuple[str, KnownOrders]]) -> pa.Array | None:
    """The order of all ``columns``, given by name; None if it is unknown. TypeMismatch if there are two."""
    orders = united_orders(orders for _, orders in columns)
    if len(orders) < 2:
        return orders[0] if orders else None
    names = [
        next(repr(name) for name, known in columns if any(_begins(order, other) for other in known)) for order in orders
    ]
    who = f"{names[0]} meets" if names[0] == names[1] else f"{names[0]} and {names[1]} meet"
    raise TypeMismatch(
        f"{who} two orders of categories: {listed(orders[0])}, and {listed(orders[1])}. "
        f"Give both the same categories, or compare {as_values(orders[0].type)}"
    )


def _begins(order: pa.Array, other: pa.Array) -> bool:
    """True if ``order`` begins with all of ``other``."""
    return len(other) <= len(order) and agree(order, other.cast(order.type))
