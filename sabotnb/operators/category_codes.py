"""Aggregate ordered dictionaries by the indexes of their categories, which compare as the values do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from sabotnb.expr import keeps_order, partial_schema, result_schema
from sabotnb.graph import Aggregate, AggregateColumn
from sabotnb.native import Categories, is_ordered, without_order
from sabotnb.operators.exported_categories import WithCategories
from sabotnb.protocol import KeyedState

_CODES = "\0codes"

_Values = tuple[str | None, bool]
"""An input column, and whether a column holds indexes into its categories instead of its values."""


class CategoryCodes:
    """Translates batches of an aggregate into a form without ordered dictionaries, and its results back.

    ``keys``, ``columns`` and ``schema`` are those of the aggregate in that form: keys are plain, and each ordered
    column that is aggregated or ordered by has a second column with its indexes. ``with_categories`` exports the
    categories together with the state.
    """

    def __init__(self, spec: Aggregate) -> None:
        self._spec = spec
        schema = spec.schema
        keys = pa.schema([schema.field(key) for key in spec.keys])
        self._categories = {field.name: Categories(field.name) for field in keys if is_ordered(field.type)}
        self.keys = without_order(keys)
        self.columns = tuple(self._coded_column(column) for column in spec.columns)
        self._coded = [name for name in self._categories if self._is_read(name)]
        added = [pa.field(name + _CODES, schema.field(name).type.index_type) for name in self._coded]
        plain = dict(zip(self.keys.names, self.keys.types, strict=True))
        self.schema = pa.schema([*(field.with_type(plain.get(field.name, field.type)) for field in schema), *added])

    def with_categories(self, state: KeyedState) -> KeyedState:
        """The keyed state to export and load: ``state``, which takes ``coded`` rows, with the categories they need."""
        return WithCategories(state, self._categories, self._spec.schema) if self._categories else state

    def coded(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert input rows to the form without ordered dictionaries."""
        for name, categories in self._categories.items():
            categories.take(batch.column(name).dictionary)
        for name in self._coded:
            batch = batch.append_column(name + _CODES, batch.column(name).indices)
        return batch

    def coded_partials(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert rows of the mergeable form to the form without ordered dictionaries."""
        if not self._categories:
            return batch
        columns = []
        for field, (source, _) in zip(batch.schema, self._sources(partial=True), strict=True):
            column = batch.column(field.name)
            if source in self._categories and is_ordered(field.type):
                codes = self._categories[source].codes(column)
                column = column if field.name in self._spec.keys else codes
            columns.append(column)
        return pa.RecordBatch.from_arrays(columns, batch.schema.names)

    def partials(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert partial aggregates of ``coded`` rows to the mergeable form that other tasks expect."""
        if not self._categories:
            return batch
        schema = partial_schema(self._spec.keys, self._spec.columns, self._spec.schema)
        assert schema is not None
        return self._restored(batch, schema, self._sources(partial=True))

    def results(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert results to the result schema of the aggregate."""
        if not self._categories:
            return batch
        spec = self._spec
        return self._restored(batch, result_schema(spec.keys, spec.columns, spec.schema), self._sources(partial=False))

    def _restored(self, batch: pa.RecordBatch, schema: pa.Schema, sources: Sequence[_Values]) -> pa.RecordBatch:
        columns = [
            column
            if column.type.equals(field.type) or source not in self._categories
            else self._as(column, field.type, self._categories[source], coded=coded)
            for field, (source, coded), column in zip(schema, sources, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _as(self, column: pa.Array, data_type: pa.DataType, categories: Categories, *, coded: bool) -> pa.Array:
        if pa.types.is_list(data_type):
            values = categories.restored(column.values, data_type.value_type)
            buffers = column.buffers()[:2]
            return pa.Array.from_buffers(data_type, len(column), buffers, offset=column.offset, children=[values])
        if coded:
            return categories.restored(column, data_type)
        return categories.encoded(column, data_type)

    def _sources(self, *, partial: bool) -> list[_Values]:
        """For each column of the result (or of the mergeable form) where its values come from.

        Categories may be integers themselves, so the type of a column does not tell whether it holds indexes.
        """
        sources: list[_Values] = [(key, False) for key in self._spec.keys]
        for column, coded in zip(self._spec.columns, self.columns, strict=True):
            of_column, of_order = (column.column, coded.column != column.column), (column.by, coded.by != column.by)
            if not partial:
                sources.append(of_column)
                continue
            fields = partial_schema((), (column,), self._spec.schema)
            sources += [of_order if field.name.endswith(":order") else of_column for field in fields or ()]
        return sources

    def _coded_column(self, column: AggregateColumn) -> AggregateColumn:
        schema = self._spec.schema
        names: dict[str, Any] = {}
        for role, name in (("column", column.column), ("by", column.by)):
            if name is None or not is_ordered(schema.field(name).type):
                continue
            if role == "by" or keeps_order(column.fn):
                self._categories.setdefault(name, Categories(name))
                names[role] = name + _CODES
        return replace(column, **names)

    def _is_read(self, name: str) -> bool:
        return any(name + _CODES in (column.column, column.by) for column in self.columns)
