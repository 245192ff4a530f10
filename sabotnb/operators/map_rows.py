"""The operator of ``map_rows``: calls a user function with each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.blobs import user_error
from sabotnb.errors import UserFunctionError
from sabotnb.expr import ColumnMisfit, exact_batch, python_rows, row_advice, text_table
from sabotnb.graph import MapRows, OnError
from sabotnb.operators.error_policy import ErrorRows, expected, returned_wrong
from sabotnb.operators.result_conversion import WrongResult
from sabotnb.protocol import Delayed, Operator, OperatorContext, Out

PIECE_ROWS = 1024
"""Rows that are made before they are handed on, so that a cancel and the mailbox never wait for long."""

Row = Mapping[str, Any]


class MapRowsOperator(Operator):
    """Calls the function with a dict per row; it returns a dict, None, or an iterable of dicts.

    A column that a dict lacks is null; one that the schema lacks is an error. With ``on_error="side"`` a row goes to
    the side output if its function raises or any of its results does not fit.
    """

    delayed = Delayed.SPLIT

    def __init__(self, spec: MapRows, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._names = frozenset(spec.schema.names)
        self._errors = ErrorRows(spec, inputs) if spec.on_error is OnError.SIDE else None
        self._operator = ""

    def open(self, ctx: OperatorContext) -> None:
        self._operator = ctx.operator
        self._function = self._spec.function.load()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        for start in range(0, batch.num_rows, PIECE_ROWS):
            piece = batch.slice(start, PIECE_ROWS)
            yield from self._mapped(piece) if self._errors is None else self._mapped_or_sided(piece, self._errors)

    def _mapped(self, piece: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        made: list[Row] = []
        sources: list[Row] = []
        for row in python_rows(piece):
            for result in self._results(row):
                made.append(result)
                sources.append(row)
                if len(made) == PIECE_ROWS:
                    yield self._batch(made, sources)
                    made, sources = [], []
        if made:
            yield self._batch(made, sources)

    def _mapped_or_sided(self, piece: pa.RecordBatch, errors: ErrorRows) -> Iterator[Out]:
        """Map each row separately: its results are converted alone, to know whether they match the schema."""
        made: list[pa.RecordBatch] = []
        bad: list[int] = []
        raised: list[UserFunctionError] = []
        for at, row in enumerate(python_rows(piece)):
            try:
                results = list(self._results(row))
                if results:
                    made.append(self._batch(results, [row] * len(results)))
            except UserFunctionError as error:
                bad.append(at)
                raised.append(error)
        if made:
            yield pa.concat_batches(made)
        if bad:
            yield errors.of(piece.take(pa.array(bad)), raised)

    def _results(self, row: Row) -> Iterator[Row]:
        """The results of the function for ``row``, checked to be dicts with declared columns."""
        try:
            for one in dicts(self._function(dict(row))):
                if not self._names.issuperset(one):
                    raise self._wrong(_stranger(one, self._spec.schema), row)
                yield one
        except UserFunctionError:
            raise
        except WrongResult as wrong:
            raise self._wrong(str(wrong), row) from wrong
        except Exception as error:
            advice = row_advice(error, list(row))
            raise user_error(self._spec.function, error, _sample(row), self._operator, advice) from error

    def _batch(self, made: list[Row], sources: list[Row]) -> pa.RecordBatch:
        try:
            return exact_batch(made, self._spec.schema)
        except ColumnMisfit as misfit:
            problem = (
                f"gave {misfit.column.name!r} = {misfit.what}, {expected(self._spec, misfit.column.type)}; {_ADVICE}"
            )
            raise self._wrong(problem, sources[misfit.position or 0]) from misfit

    def _wrong(self, problem: str, row: Row) -> UserFunctionError:
        return returned_wrong(self._spec.function, problem, _sample(row), self._operator)


_ADVICE = "correct it, or declare what it returns: schema={...}"


def dicts(result: Any) -> Iterator[Row]:
    """The rows that a function returned for a row; raises WrongResult if a result is not a dict."""
    if result is None:
        return
    single = isinstance(result, Mapping | str | bytes) or not isinstance(result, Iterable)
    for one in (result,) if single else result:
        if not isinstance(one, Mapping):
            raise WrongResult(
                f"gave {one!r} ({type(one).__name__}); it must give a dict, None, or an iterable of dicts"
            )
        yield one


def _stranger(row: Row, schema: pa.Schema) -> str:
    extra = ", ".join(repr(name) for name in row if name not in schema.names)
    return f"gave a row with {extra}, declared are {', '.join(schema.names)}; correct it, or declare schema={{...}}"


def _sample(row: Row) -> str:
    return text_table(list(row), [row])
