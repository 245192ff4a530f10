"""The operator of ``map_rows``: calls a user function with each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from sabotnb.errors import UserFunctionError
from sabotnb.expr import python_rows
from sabotnb.graph import MapRows, OnError
from sabotnb.operators.error_policy import ErrorRows
from sabotnb.operators.row_results import Row, RowResults
from sabotnb.protocol import Delayed, Operator, OperatorContext, Out

PIECE_ROWS = 1024
"""Rows that are made before they are handed on, so that a cancel and the mailbox never wait for long."""


class MapRowsOperator(Operator):
    """Calls the function with a dict per row; it returns a dict, None, or an iterable of dicts.

    A column that a dict lacks is null; one that the schema lacks is an error. With ``on_error="side"`` a row goes to
    the side output if its function raises or any of its results does not fit.
    """

    delayed = Delayed.SPLIT
    calls_function = True

    def __init__(self, spec: MapRows, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._errors = ErrorRows(spec, inputs) if spec.on_error is OnError.SIDE else None

    def open(self, ctx: OperatorContext) -> None:
        self._results = RowResults(self._spec, ctx.operator)
        self._function = self._spec.function.load()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        for start in range(0, batch.num_rows, PIECE_ROWS):
            piece = batch.slice(start, PIECE_ROWS)
            yield from self._mapped(piece) if self._errors is None else self._mapped_or_sided(piece, self._errors)

    def _mapped(self, piece: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        made: list[Row] = []
        sources: list[Row] = []
        for row in python_rows(piece):
            for result in self._results_of(row):
                made.append(result)
                sources.append(row)
                if len(made) == PIECE_ROWS:
                    yield self._results.batch(made, sources)
                    made, sources = [], []
        if made:
            yield self._results.batch(made, sources)

    def _mapped_or_sided(self, piece: pa.RecordBatch, errors: ErrorRows) -> Iterator[Out]:
        """Map each row separately: its results are converted alone, to know whether they match the schema."""
        made: list[pa.RecordBatch] = []
        bad: list[int] = []
        raised: list[UserFunctionError] = []
        for at, row in enumerate(python_rows(piece)):
            try:
                results = list(self._results_of(row))
                if results:
                    made.append(self._results.batch(results, [row] * len(results)))
            except UserFunctionError as error:
                bad.append(at)
                raised.append(error)
        if made:
            yield pa.concat_batches(made)
        if bad:
            yield errors.of(piece.take(pa.array(bad)), raised)

    def _results_of(self, row: Row) -> Iterator[Row]:
        return self._results.of(lambda: self._function(dict(row)), row)
