"""Reads files in hive partitions: adds the columns of their folders, and opens only files that can have rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import compress
from typing import Any

import pyarrow as pa

from sabotnb import expr
from sabotnb.connectors.file_schemas import declared, to_text
from sabotnb.connectors.folders.hive import Values, parsed, row_of, values_of
from sabotnb.connectors.sources.batch_source import RawBatches, SourceEstimate
from sabotnb.connectors.sources.following import FileConnector
from sabotnb.errors import SabotnbError, SourceError
from sabotnb.expr import Alias, Call, Node
from sabotnb.graph import Source as Spec
from sabotnb.native import decoded, plain_type
from sabotnb.protocol import Split


class Partitioned:
    """Connector that adds the columns of folders to those of another connector, which does not know of them.

    ``files`` are those whose folders do not rule them out for the predicate.
    """

    def __init__(self, spec: Spec, make: Callable[[Spec], FileConnector]) -> None:
        hive = spec.options["hive"]
        self._base: str = hive["base"]
        self._types = declared(spec)
        self._added = pa.schema([field for field in self._types if field.name in hive["added"]])
        self.files = self._matching(spec.predicate, spec.options["files"])
        self._connector = make(self._without_folders(spec))

    def estimate(self) -> SourceEstimate:
        return self._connector.estimate()

    def splits(self) -> list[Split]:
        return self._connector.splits()

    def splits_of(self, file: str) -> Iterable[Split]:
        return self._connector.splits_of(file)

    def batches(self, split: Split, batch_rows: int) -> RawBatches:
        file = split.position["file"]
        values = values_of(file, self._base)
        row = row_of(file, values, self._added)
        for batch in self._connector.batches(split, batch_rows):
            yield self._with_folders(batch, file, values, row) if isinstance(batch, pa.RecordBatch) else batch

    def _with_folders(self, batch: pa.RecordBatch, file: str, values: Values, row: dict[str, Any]) -> pa.RecordBatch:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name in values:
            if name in columns and name not in row:
                _check_agrees(file, name, values[name], columns[name])
        rows = batch.num_rows
        columns |= {name: pa.repeat(value, rows) for name, value in row.items()}
        return pa.RecordBatch.from_arrays([*columns.values()], [*columns])

    def _without_folders(self, spec: Spec) -> Spec:
        """What the connector of the files is to read."""
        added = set(self._added.names)
        own = pa.schema([field for field in self._types if field.name not in added])
        parts = expr.conjuncts(spec.predicate) if spec.predicate is not None else ()
        parts = tuple(part for part in parts if not expr.columns(part) & added)
        return replace(
            spec,
            schema=pa.schema([field for field in spec.schema if field.name not in added]),
            options={**spec.options, "files": self.files, "schema": to_text(own)},
            predicate=expr.all_of(parts) if parts else None,
            event_time=None if spec.event_time is not None and spec.event_time.column in added else spec.event_time,
        )

    def _matching(self, predicate: expr.Expr | None, files: Sequence[str]) -> list[str]:
        """The files that the values of their folders do not rule out."""
        if predicate is None:
            return list(files)
        may = _may_be_true(predicate.node, self._known([values_of(file, self._base) for file in files]))
        return list(compress(files, may))

    def _known(self, values: Sequence[Values]) -> pa.RecordBatch:
        """What the folders of all files say, in the types of the columns."""
        known: dict[str, pa.Array] = {"": pa.nulls(len(values))}  # so that there is a row for each file in any case
        for name in self._types.names:
            if all(name in each for each in values):
                with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                    known[name] = parsed([each[name] for each in values], plain_type(self._types.field(name).type))
        return pa.RecordBatch.from_arrays([*known.values()], [*known])


def _may_be_true(node: Node, rows: pa.RecordBatch) -> list[bool]:
    """For each of ``rows``: False only if ``node`` is not true for any row with these values."""
    match node:
        case Alias(arg=inner):
            return _may_be_true(inner, rows)
        case Call("and", _):
            parts = [_may_be_true(part.node, rows) for part in expr.conjuncts(expr.Expr(node))]
            return [all(each) for each in zip(*parts, strict=True)]
        case Call("or", _):
            parts = [_may_be_true(part, rows) for part in _alternatives(node)]
            return [any(each) for each in zip(*parts, strict=True)]
        case _:
            return _is_true(expr.Expr(node), rows)


def _alternatives(node: Node) -> list[Node]:
    """The conditions that ``|`` connects, however many there are."""
    parts: list[Node] = []
    waiting = [node]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, Call) and inner.fn == "or":
            waiting.extend(inner.args)
        else:
            parts.append(inner)
    return parts


def _is_true(condition: expr.Expr, rows: pa.RecordBatch) -> list[bool]:
    read = expr.columns(condition)
    if read and read <= set(rows.schema.names):
        with suppress(pa.ArrowException, SabotnbError):  # raised again where rows are read, with the operator
            return [value is True for value in expr.evaluate(condition, rows).to_pylist()]
    return [True] * rows.num_rows


def _check_agrees(file: str, name: str, text: str | None, column: pa.Array) -> None:
    plain = decoded(column)
    try:
        value = parsed([text], plain.type)[0]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return  # a form of the value that cannot be compared
    if not _all_equal(plain, value):
        raise SourceError(
            f"column {name!r} of '{file}' has other values than its folder says ({name}={text}): "
            "move the file, or write it again"
        )


def _all_equal(column: pa.Array, value: pa.Scalar) -> bool:
    import pyarrow.compute as pc  # 30 ms, which sources without folders do not need

    if not value.is_valid or column.null_count:
        return bool(not value.is_valid and column.null_count == len(column))
    same = pc.equal(column, value)
    if pa.types.is_floating(column.type) and value.as_py() != value.as_py():
        same = pc.is_nan(column)
    return pc.all(same).as_py() is not False
