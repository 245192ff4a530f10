"""Call user functions (``sb.udf``) inside expressions, and check what they return."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.blobs import Function, user_error
from sabotnb.errors import UserFunctionError
from sabotnb.expr.compiled import of_length
from sabotnb.expr.exact import Misfit
from sabotnb.expr.expression_nodes import Apply
from sabotnb.expr.program import Compute
from sabotnb.expr.recast import exact_column, typed_array
from sabotnb.expr.text_table import sample_of
from sabotnb.expr.types import plain
from sabotnb.native import plain_array

Engine = Callable[[Apply, Callable[..., Any], list[pa.Array]], Any]


def applied(node: Apply) -> Compute:
    """Return what computes ``node``: its function, unpickled when the first rows come, on the arguments' values.

    The function is not called for empty batches, as when no row takes its branch of a ``when``.
    """
    load = cache(node.function.load if node.engine != "numba" else lambda: _vectorized(node.function))
    engine = _ENGINES[node.engine]

    def run(batch: pa.RecordBatch, *values: Any) -> pa.Array:
        if not batch.num_rows:
            return pa.nulls(0, node.returns)
        columns = [_plain(value, batch.num_rows) for value in values]
        try:
            result = engine(node, load(), columns)
        except UserFunctionError:
            raise
        except Exception as error:
            raise user_error(node.function, error, _sample(columns)) from error
        return _checked(node, result, batch.num_rows, columns)

    return run


def _plain(data: Any, rows: int) -> pa.Array:
    """``data`` as an array of a plain type, so that a function need not handle dictionaries."""
    array = of_length(data, data.type, rows)
    return pc.cast(array, plain(array.type)) if not plain(array.type).equals(array.type) else array


def _arrow(_: Apply, fn: Callable[..., Any], columns: list[pa.Array]) -> Any:
    return fn(*columns)


def _row(node: Apply, fn: Callable[..., Any], columns: list[pa.Array]) -> pa.Array:
    made = []
    for values in zip(*(column.to_pylist() for column in columns), strict=True):
        try:
            made.append(fn(*values))
        except Exception as error:
            row = pa.RecordBatch.from_pydict({f"argument {at}": [value] for at, value in enumerate(values)})
            raise user_error(node.function, error, sample_of(row)) from error
    return _array(node, made)


def _numba(node: Apply, fn: Callable[..., Any], columns: list[pa.Array]) -> pa.Array:
    valid = np.ones(len(columns[0]), dtype=np.bool_)
    for column in columns:
        valid &= column.is_valid().to_numpy(zero_copy_only=False)
    if not valid.any():
        return pa.nulls(len(valid), node.returns)
    dense = columns if valid.all() else [column.filter(pa.array(valid)) for column in columns]
    result = _called_by_numba(node, fn, [column.to_numpy(zero_copy_only=False) for column in dense])
    if valid.all():
        return _array(node, result)
    places = np.cumsum(valid) - 1
    return _array(node, result).take(pa.array(places, mask=~valid))


def _called_by_numba(node: Apply, fn: Callable[..., Any], values: list[np.ndarray]) -> Any:
    """Call a compiled function; UserFunctionError with the first words of numba if it cannot compile it."""
    from numba.core.errors import NumbaError

    try:
        return fn(*values)
    except (NumbaError, RuntimeError) as error:  # RuntimeError: numba looked for the source of a lambda, in vain
        lines = [line for line in str(error).splitlines() if line and not line.startswith("Failed in nopython mode")]
        reason = lines[0] if isinstance(error, NumbaError) and lines else "it uses what numba does not know"
        raise UserFunctionError(
            f"{node.function.name} ({node.function.origin}) cannot be compiled by numba: {reason}. "
            f"Call it with each row: @sb.udf({str(node.returns)!r}, engine='row')",
            function=node.function.name,
            origin=str(node.function.origin),
        ) from error


_ENGINES: dict[str, Engine] = {"arrow": _arrow, "row": _row, "numba": _numba}


def _vectorized(function: Function) -> Callable[..., Any]:
    import numba

    vectorize: Any = numba.vectorize
    return vectorize(nopython=True)(function.load())  # type: ignore[no-any-return]


def _array(node: Apply, values: Any) -> pa.Array:
    try:
        return exact_column(values, node.returns)
    except Misfit as misfit:
        raise UserFunctionError(
            f"{node.function.name} ({node.function.origin}) declares {node.returns}, but returned something else: "
            f"{misfit.what}. Correct it, or declare another type: @sb.udf(...)",
            function=node.function.name,
            origin=str(node.function.origin),
        ) from misfit


def _checked(node: Apply, result: Any, rows: int, columns: list[pa.Array]) -> pa.Array:
    """``result`` as an array of the declared type and length; UserFunctionError, with what it is, if it is neither."""
    if isinstance(result, pa.Scalar):
        result = of_length(result, node.returns, rows)
    array = plain_array(_sound(node, result)) if isinstance(result, _ARROW) else _array(node, result)
    if not array.type.equals(node.returns):
        problem = f"declares {node.returns}, but returned {array.type}; cast its result, or declare that type"
    elif len(array) != rows:
        problem = f"gave {len(array)} values for {rows} rows; it must give one for each"
    else:
        return array
    raise UserFunctionError(
        f"{node.function.name} ({node.function.origin}) {problem}",
        function=node.function.name,
        origin=str(node.function.origin),
        sample=_sample(columns),
    )


_ARROW = pa.Array | pa.ChunkedArray


def _sound(node: Apply, values: Any) -> pa.Array:
    """``values`` as one array, checked: offsets and indexes that leave its buffers would end the process later."""
    try:
        return typed_array(values)
    except Misfit as misfit:
        raise UserFunctionError(
            f"{node.function.name} ({node.function.origin}) gave a broken Arrow array: {misfit}. "
            "Call .validate(full=True) where it is made",
            function=node.function.name,
            origin=str(node.function.origin),
        ) from misfit


def _sample(columns: list[pa.Array]) -> str:
    return sample_of(pa.RecordBatch.from_arrays(columns, [f"argument {at}" for at in range(len(columns))]))
