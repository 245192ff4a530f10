"""The columns and rows of a raw batch that leave a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from sabotnb import expr
from sabotnb.connectors.file_schemas import declared
from sabotnb.connectors.sources.whole_orders import told_orders, with_whole_order
from sabotnb.errors import SourceError
from sabotnb.graph import EventTime
from sabotnb.graph import Source as Spec
from sabotnb.native import is_ordered, without_orders
from sabotnb.protocol import CLOCK


@dataclass(frozen=True, slots=True)
class Shape:
    """Turns raw rows into those that leave a source: they pass ``predicate`` and have the columns of ``schema``.

    ``tested`` are the columns that the predicate reads, with the declared types, which may differ from those in files.
    ``orders`` are the categories of ordered columns.
    """

    columns: tuple[str, ...]
    predicate: expr.Expr | None
    tested: tuple[pa.Field, ...]
    schema: pa.Schema
    orders: Mapping[str, pa.Array] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: Spec) -> Shape:
        """The shape for ``spec``; reads the columns that leave, and those of the predicate and of event time."""
        names = dict.fromkeys(spec.schema.names)
        read = sorted(expr.columns(spec.predicate)) if spec.predicate is not None else []
        names |= dict.fromkeys(read)
        if spec.event_time is not None:
            names |= dict.fromkeys(event_time_columns(spec.event_time))
        types = declared(spec)
        return cls(
            tuple(names),
            spec.predicate,
            tuple(types.field(name) for name in read),
            without_orders(spec.schema),
            told_orders(spec),
        )

    def apply(self, raw: pa.RecordBatch) -> pa.RecordBatch:
        """The rows that leave, with ``CLOCK`` behind their columns if ``raw``, in plain layouts, has it.

        SourceError for a column that cannot be cast to its type in the schema.
        """
        if self.predicate is not None:  # cast before the test: '10' > '9' is false for text, and true for numbers
            for field in self.tested:
                raw = with_type(raw, field)
            raw = raw.filter(expr.evaluate(self.predicate, raw))
        timed = raw
        if not raw.schema.equals(self.schema):
            arrays = [_as(raw.column(field.name), field) for field in self.schema]
            raw = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        rows = with_whole_order(raw, self.orders)
        place = timed.schema.get_field_index(CLOCK)
        return rows if place < 0 else rows.append_column(timed.schema.field(place), timed.column(place))


def event_time_columns(time: EventTime) -> list[str]:
    """The columns that event time reads."""
    return [time.column, *(sorted(expr.columns(time.predicate)) if time.predicate is not None else ())]


def with_type(batch: pa.RecordBatch, field: pa.Field) -> pa.RecordBatch:
    """``batch`` with the column ``field.name`` cast to the type of ``field``."""
    place = batch.schema.get_field_index(field.name)
    column = batch.column(place)
    return batch if column.type.equals(field.type) else batch.set_column(place, field, _as(column, field))


def _as(array: pa.Array, field: pa.Field) -> pa.Array:
    if array.type.equals(field.type):
        return array
    try:
        if is_ordered(field.type) and not is_ordered(array.type):
            raise SourceError(
                f"column {field.name!r} is {array.type}, which does not tell the order of {field.type}: "
                f"read its plain values, schema={{{field.name!r}: {str(field.type.value_type)!r}}}"
            )
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(array.type):
            return expr.cast_exact(array, field.type.value_type).dictionary_encode().cast(field.type)
        return expr.cast_exact(array, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceError(
            f"column {field.name!r} is {array.type} and cannot be read as {field.type} ({error}): change schema="
        ) from error
