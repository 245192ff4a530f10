"""Collects what a process function yields, checks it against its declaration, and makes batches of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from sabotnb.errors import InvalidUse
from sabotnb.expr import ColumnMisfit, exact_batch, nearest
from sabotnb.graph import Process
from sabotnb.operators.result_conversion import WrongResult
from sabotnb.protocol import Out

Row = Mapping[str, Any]
SLICE_ROWS = 1024
"""Rows that are made before they are handed on, so that a cancel and the mailbox never wait for long."""


class WrongRow(WrongResult):
    """A row does not match its declaration; ``source`` is the row or timer that it was made of."""

    def __init__(self, problem: str, source: Row) -> None:
        super().__init__(problem)
        self.source = source


class EmittedRows:
    """Rows of the main output and of side outputs."""

    def __init__(self, spec: Process) -> None:
        self.source: Row = {}
        """The row or timer that the rows to come are made of."""
        self._schemas: dict[str | None, pa.Schema] = {None: spec.schema, **dict(spec.sides)}
        self._rows: dict[str | None, list[Row]] = {side: [] for side in self._schemas}
        self._sources: dict[str | None, list[Row]] = {side: [] for side in self._schemas}
        self._count = 0

    def add(self, row: Row, side: str | None = None) -> None:
        """Add a row; WrongRow for a column that is not declared."""
        schema = self._schemas[side]
        for name in row:
            if name not in schema.names:
                raise WrongRow(_stranger(name, schema, side), self.source)
        self._rows[side].append(row)
        self._sources[side].append(self.source)
        self._count += 1

    def emit(self, side: str, row: Any) -> None:
        """Add a row of a side output that a function names; InvalidUse if it is not declared or no dict."""
        demand_side(side, self._schemas)
        if not isinstance(row, Mapping):
            raise InvalidUse(f"emit({side!r}, ...) got {row!r}; pass a row as a dict, {{'x': 1}}")
        self.add(row, side)

    @property
    def full(self) -> bool:
        """True if there are enough rows for a batch."""
        return self._count >= SLICE_ROWS

    def take(self) -> Iterator[Out]:
        """Yield all rows as batches and remove them; WrongRow for a value of another type."""
        for side, rows in self._rows.items():
            if rows:
                batch = _batch(rows, self._schemas[side], self._sources[side])
                self._rows[side], self._sources[side] = [], []
                yield batch if side is None else (side, batch)
        self._count = 0


def demand_side(side: str, declared: Mapping[str | None, pa.Schema]) -> None:
    """Raise InvalidUse if there is no side output of this name."""
    names = [name for name in declared if name is not None]
    if side not in names:
        near = nearest(str(side), names)
        hint = f"did you mean {near!r}?" if near is not None else f"declare it: sides = {{{str(side)!r}: {{...}}}}"
        raise InvalidUse(f"emit({side!r}, ...): there is no such side output, declared are {names or 'none'}; {hint}")


def _stranger(name: str, schema: pa.Schema, side: str | None) -> str:
    near = nearest(str(name), schema.names)
    where = "output" if side is None else f"side output {side!r}"
    hint = f"did you mean {near!r}?" if near is not None else f"add it to the declaration: {{{str(name)!r}: 'string'}}"
    return f"gave a row with {name!r}, and its {where} declares {', '.join(schema.names)}; {hint}"


def _batch(rows: list[Row], schema: pa.Schema, sources: list[Row]) -> pa.RecordBatch:
    try:
        return exact_batch(rows, schema)
    except ColumnMisfit as misfit:
        raise WrongRow(
            f"gave {misfit.column.name!r} = {misfit.what}, declared is {misfit.column.type}; give that, or change "
            f"output = {{{misfit.column.name!r}: ...}}",
            sources[misfit.position or 0],
        ) from misfit
