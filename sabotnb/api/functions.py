"""Schemas of user functions, found by calling them where they were written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import pyarrow as pa

from sabotnb.api.flow import Flow, is_replayable
from sabotnb.api.sample import rows_of
from sabotnb.blobs import Function
from sabotnb.errors import SchemaError, UserFunctionError
from sabotnb.operators.formats import given

INFERENCE_ROWS = 100


def inferred_of_batches(fn: Callable[..., Any], function: Function, schema: pa.Schema, batch_format: str) -> pa.Schema:
    """What ``fn`` makes of an empty batch of ``schema``."""
    empty = pa.RecordBatch.from_pylist([], schema=schema)
    try:
        result = fn(given(empty, batch_format))
        parts = [result] if _is_frame(result) else list(result or ())
        tables = [_as_table(part) for part in parts]
    except Exception as error:
        raise UserFunctionError(
            f"{_described(function)} was called with an empty batch to find its schema and raised "
            f"{type(error).__name__}: {error}. Declare it: map_batches(fn, schema={{'column': 'int64', ...}})"
        ) from error
    if not tables:
        raise SchemaError(
            f"{_described(function)} returned nothing for an empty batch: add the missing return, "
            "or declare what it returns: map_batches(fn, schema=...)"
        )
    return tables[0].schema.remove_metadata()


def inferred_of_rows(fn: Callable[..., Any], function: Function, flow: Flow) -> pa.Schema:
    """What ``fn`` makes of the first 100 rows of ``flow``, which must be readable more than once."""
    if not is_replayable(flow):
        raise SchemaError(
            f"the source can be read only once, so {_described(function)} cannot be called to find its schema: "
            "declare it, map_rows(fn, schema=...)"
        )
    made: list[Mapping[str, Any]] = []
    try:
        for row in islice(rows_of(flow, INFERENCE_ROWS), INFERENCE_ROWS):
            made.extend(_rows(fn(row)))
    except Exception as error:
        raise UserFunctionError(
            f"{_described(function)} was called with the first rows to find its schema and raised "
            f"{type(error).__name__}: {error}. Fix it, or declare: map_rows(fn, schema={{'column': 'int64', ...}})"
        ) from error
    if not made:
        raise SchemaError(
            f"{_described(function)} returned no row for the first {INFERENCE_ROWS}: declare map_rows(fn, schema=...)"
        )
    names = dict.fromkeys(name for row in made for name in row)
    return pa.schema([(name, pa.array([row.get(name) for row in made]).type) for name in names])


def _rows(result: Any) -> Iterable[Mapping[str, Any]]:
    if result is None:
        return ()
    return (result,) if isinstance(result, Mapping) else result


def _is_frame(result: Any) -> bool:
    arrow = hasattr(result, "__arrow_c_stream__") or hasattr(result, "__arrow_c_array__")
    return arrow or hasattr(result, "iloc") or isinstance(result, Mapping)


def _as_table(result: Any) -> pa.Table:
    if isinstance(result, pa.RecordBatch):
        return pa.Table.from_batches([result])
    if hasattr(result, "iloc"):  # pandas: without its index, which is no column
        return pa.Table.from_pandas(result, preserve_index=False)
    return pa.table(result)


def _described(function: Function) -> str:
    return f"{function.name} ({function.origin})"
