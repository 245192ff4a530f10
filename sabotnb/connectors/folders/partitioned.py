"""Reads hive partitions: adds the columns of folders to rows, and skips files that the predicate excludes."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import compress
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sabotnb import expr
from sabotnb.connectors.file_schemas import declared, to_text
from sabotnb.connectors.folders.hive import Values, disagrees, parsed, row_of, values_of
from sabotnb.connectors.sources.following import FileConnector
from sabotnb.connectors.sources.raw_batches import RawBatches, SourceEstimate
from sabotnb.errors import SabotnbError
from sabotnb.eventtime import limited_microseconds
from sabotnb.graph import EventTime
from sabotnb.graph import Source as Spec
from sabotnb.native import decoded, plain_type
from sabotnb.protocol import MIN_WATERMARK, Split

Mask: TypeAlias = npt.NDArray[np.bool_]


class Partitioned:
    """Connector that adds the columns of folders to the rows of another connector.

    ``files`` are those that may have rows for the predicate, judged by the values of their folders. The list is made
    when splits are: a task that only reads a split does not need it.
    """

    def __init__(self, spec: Spec, make: Callable[[Spec], FileConnector]) -> None:
        hive = spec.options["hive"]
        self._base: str = hive["base"]
        self._types = declared(spec)
        self._added = pa.schema([field for field in self._types if field.name in hive["added"]])
        self._spec = spec
        self._make = make
        self._connector = make(self._without_folders(spec.options["files"]))

    @cached_property
    def files(self) -> Sequence[str]:
        """The files that may have rows for the predicate."""
        return self._matching(self._spec.predicate, self._spec.options["files"])

    def estimate(self) -> SourceEstimate:
        return self._make(self._without_folders(self.files)).estimate()

    def splits(self) -> list[Split]:
        return [*self._bounded(self._make(self._without_folders(self.files)).splits())]

    def splits_of(self, file: str) -> Iterable[Split]:
        return self._bounded(self._connector.splits_of(file))

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        file = split.position["file"]
        values = values_of(file, self._base)
        row = row_of(file, values, self._added)
        for batch in self._connector.batches(split, batch_rows, done):
            yield self._with_folders(batch, file, values, row) if isinstance(batch, pa.RecordBatch) else batch

    def _bounded(self, splits: Iterable[Split]) -> Iterator[Split]:
        """``splits`` with the lower bound of their event time, if a folder says it."""
        time = self._spec.event_time
        for split in splits:
            file = split.position["file"]
            if time is None or time.column not in self._added.names:
                yield split
                continue
            value = row_of(file, values_of(file, self._base), self._added)[time.column]
            low = int(limited_microseconds(pa.repeat(value, 1))[0]) if value.is_valid else MIN_WATERMARK
            yield replace(split, lower_bound=low)

    def _with_folders(self, batch: pa.RecordBatch, file: str, values: Values, row: dict[str, Any]) -> pa.RecordBatch:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name in values:
            if name in columns and name not in row:
                _check_agrees(file, name, values[name], columns[name], plain_type(self._types.field(name).type))
        rows = batch.num_rows
        columns |= {name: pa.repeat(value, rows) for name, value in row.items()}
        return pa.RecordBatch.from_arrays([*columns.values()], [*columns])

    def _without_folders(self, files: Sequence[str]) -> Spec:
        """The spec for the inner connector: ``files`` without the columns and conditions of folders."""
        spec, added = self._spec, set(self._added.names)
        own = pa.schema([field for field in self._types if field.name not in added])
        return replace(
            spec,
            schema=pa.schema([field for field in spec.schema if field.name not in added]),
            options={**spec.options, "files": files, "schema": to_text(own)},
            predicate=_without(spec.predicate, added),
            event_time=self._time_without_folders(spec.event_time),
        )

    def _time_without_folders(self, time: EventTime | None) -> EventTime | None:
        """Event time for the inner connector; none if a folder has it, because all rows of a file have one time then.

        A condition remains if there was one: it says that rows may have no event time.
        """
        added = set(self._added.names)
        if time is None or time.column in added:
            return None
        kept = _without(time.predicate, added)
        return replace(time, predicate=expr.all_of(()) if kept is None and time.predicate is not None else kept)

    def _matching(self, predicate: expr.Expr | None, files: Sequence[str]) -> list[str]:
        """The files whose folder values do not exclude them."""
        if predicate is None:
            return list(files)
        rows = self._known([values_of(file, self._base) for file in files])
        return list(compress(files, expr.may_be_true(predicate.node, lambda node: _is_true(expr.Expr(node), rows))))

    def _known(self, values: Sequence[Values]) -> pa.RecordBatch:
        """The folder values of all files in the types of the columns: one row for each file."""
        known: dict[str, pa.Array] = {"": pa.nulls(len(values))}  # keeps one row for each file if no column is known
        for name in self._types.names:
            if all(name in each for each in values):
                with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                    known[name] = parsed([each[name] for each in values], plain_type(self._types.field(name).type))
        return pa.RecordBatch.from_arrays([*known.values()], [*known])


def _without(predicate: expr.Expr | None, columns: Container[str]) -> expr.Expr | None:
    """The conditions of ``predicate`` that read none of ``columns``."""
    parts = expr.conjuncts(predicate) if predicate is not None else ()
    kept = [part for part in parts if not any(name in columns for name in expr.columns(part))]
    return expr.all_of(kept) if kept else None


def _is_true(condition: expr.Expr, rows: pa.RecordBatch) -> Mask:
    read = expr.columns(condition)
    if read and read <= set(rows.schema.names):
        with suppress(pa.ArrowException, SabotnbError):  # raised again where rows are read, with the operator
            true = expr.evaluate(condition, rows).fill_null(fill_value=False)
            return np.asarray(true.to_numpy(zero_copy_only=False), np.bool_)
    return np.ones(rows.num_rows, np.bool_)


def _check_agrees(file: str, name: str, text: str | None, column: pa.Array, wanted: pa.DataType) -> None:
    """Raise if a column differs from its folder. Values of type ``wanted`` are compared: 2 and 02 may be equal."""
    plain = decoded(column)
    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):  # which the reader refuses
        plain = plain.cast(wanted)
    try:
        value = parsed([text], plain.type)[0]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return  # the text cannot be converted, so it cannot be compared
    if not _all_equal(plain, value):
        raise disagrees(file, name, text)


def _all_equal(column: pa.Array, value: pa.Scalar) -> bool:
    import pyarrow.compute as pc  # 30 ms, which sources without folders do not need

    if not value.is_valid or column.null_count:
        return bool(not value.is_valid and column.null_count == len(column))
    same = pc.equal(column, value)
    if pa.types.is_floating(column.type) and value.as_py() != value.as_py():
        same = pc.is_nan(column)
    return pc.all(same).as_py() is not False
