"""What a function of rows returned for a row, checked against its declaration and converted to batches."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.blobs import user_error
from sabotnb.errors import UserFunctionError
from sabotnb.expr import ColumnMisfit, exact_batch, row_advice, text_table
from sabotnb.graph import MapAsync, MapRows
from sabotnb.operators.error_policy import expected, returned_wrong
from sabotnb.operators.result_conversion import WrongResult

Row = Mapping[str, Any]


class RowResults:
    """The results of one function; all its errors are UserFunctionErrors with the row."""

    def __init__(self, spec: MapRows | MapAsync, operator: str) -> None:
        self._spec = spec
        self._names = frozenset(spec.schema.names)
        self._operator = operator

    def of(self, call: Callable[[], Any], row: Row) -> Iterator[Row]:
        """The results of ``call`` for ``row``, checked to be dicts with declared columns."""
        try:
            for result in dicts(call()):
                if not self._names.issuperset(result):
                    raise self.wrong(_stranger(result, self._spec.schema), row)
                yield result
        except UserFunctionError:
            raise
        except WrongResult as wrong:
            raise self.wrong(str(wrong), row) from wrong
        except Exception as error:
            raise self.raised(error, row) from error

    def batch(self, made: Sequence[Row], sources: Sequence[Row]) -> pa.RecordBatch:
        """Results as a batch; ``sources`` are the rows that they were made of."""
        try:
            return exact_batch(made, self._spec.schema)
        except ColumnMisfit as misfit:
            problem = (
                f"gave {misfit.column.name!r} = {misfit.what}, {expected(self._spec, misfit.column.type)}; {_ADVICE}"
            )
            raise self.wrong(problem, sources[misfit.position or 0]) from misfit

    def raised(self, error: BaseException, row: Row) -> UserFunctionError:
        """The error for an exception of the function."""
        return user_error(self._spec.function, error, _sample(row), self._operator, row_advice(error, list(row)))

    def wrong(self, problem: str, row: Row) -> UserFunctionError:
        """The error for a result that does not match the declaration."""
        return returned_wrong(self._spec.function, problem, _sample(row), self._operator)


_ADVICE = "correct it, or declare what it returns: schema={...}"


def dicts(result: Any) -> Iterator[Row]:
    """The rows that a function returned for a row; raises WrongResult if a result is not a dict."""
    if result is None:
        return
    single = isinstance(result, Mapping | str | bytes) or not isinstance(result, Iterable)
    for returned in (result,) if single else result:
        if not isinstance(returned, Mapping):
            raise WrongResult(
                f"gave {returned!r} ({type(returned).__name__}); it must give a dict, None, or an iterable of dicts"
            )
        yield returned


def awaited(function: Callable[..., Any], row: Row) -> Any:
    """What a coroutine function or a plain function returns for a row; not in a thread with a running event loop."""
    if inspect.isasyncgenfunction(function):
        return asyncio.run(collected(function(row)))
    return asyncio.run(function(row)) if inspect.iscoroutinefunction(function) else function(row)


async def collected(rows: Any) -> list[Any]:
    """The rows of an asynchronous generator."""
    return [row async for row in rows]


def _stranger(row: Row, schema: pa.Schema) -> str:
    extra = ", ".join(repr(name) for name in row if name not in schema.names)
    return f"gave a row with {extra}, declared are {', '.join(schema.names)}; correct it, or declare schema={{...}}"


def _sample(row: Row) -> str:
    return text_table(list(row), [row])
