"""Infer the schema of a user function by calling it on sample rows, when the verb is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any

import pyarrow as pa

from sabotnb.api.running.sampled_run import rows_of
from sabotnb.api.stream_node import StreamPlan, is_replayable
from sabotnb.blobs import Function, text_of
from sabotnb.errors import SchemaError, UserFunctionError
from sabotnb.expr import Misfit, batch_advice, exact_array, inferred_type, is_open, misses_name, row_advice
from sabotnb.native import decoded_schema, empty_batch, plain_type, without_order, without_orders
from sabotnb.operators import WrongResult, awaited, dicts, given, schema_of

INFERENCE_ROWS = 100
CORRECT = "Correct the function and run the cell again"


def inferred_of_batches(fn: Callable[..., Any], function: Function, schema: pa.Schema, batch_format: str) -> pa.Schema:
    """Return the schema that ``fn`` returns for an empty batch of ``schema``.

    A column that ``fn`` does not convert keeps its type in ``schema``, because pandas and polars have fewer types than
    Arrow.
    """
    plain = decoded_schema(without_orders(schema))
    empty = empty_batch(plain)
    try:
        returned = schema_of(fn(given(empty, batch_format)))
    except WrongResult as wrong:
        raise UserFunctionError(f"{_described(function)} {wrong}") from wrong
    except (Exception, SystemExit) as error:  # sys.exit() would end the script without a word
        raise UserFunctionError(
            f"{_described(function)} was called with an empty batch to find its schema and raised "
            f"{type(error).__name__}: {text_of(error).rstrip('.')}. {_advice_on_batches(error, schema)}"
        ) from error
    if returned is None:
        raise SchemaError(
            f"{_described(function)} returned nothing for an empty batch: add the missing return, "
            "or declare what it returns: map_batches(fn, schema=...)"
        )
    went_in = schema_of(given(empty, batch_format)) or empty.schema
    return pa.schema([_settled(field, empty.schema, went_in, function) for field in returned])


def _settled(field: pa.Field, schema: pa.Schema, went_in: pa.Schema, function: Function) -> pa.Field:
    plain = plain_type(field.type)
    if field.name in schema.names and (is_open(plain) or plain.equals(went_in.field(field.name).type)):
        return schema.field(field.name)
    if is_open(plain):
        raise SchemaError(
            f"{_described(function)} does not tell the type of {field.name!r} when it is called with an empty batch: "
            f"declare what it returns: map_batches(fn, schema={{{field.name!r}: 'string', ...}})"
        )
    return field.with_type(plain)


def inferred_of_async(fn: Callable[..., Any], function: Function, flow: StreamPlan) -> pa.Schema:
    """Return the schema of what ``fn``, a coroutine function or not, returns for the first 10 rows of ``flow``."""
    with ThreadPoolExecutor(1) as other:  # a notebook's own thread has a running event loop
        return inferred_of_rows(lambda row: other.submit(awaited, fn, row).result(), function, flow, "map_async", 10)


def inferred_of_rows(
    fn: Callable[..., Any], function: Function, flow: StreamPlan, verb: str = "map_rows", first: int = INFERENCE_ROWS
) -> pa.Schema:
    """Return the schema of what ``fn`` returns for the ``first`` rows of ``flow``, which must be replayable."""
    if not is_replayable(flow):
        raise SchemaError(
            f"the source can be read only once, so {_described(function)} cannot be called to find its schema: "
            f"declare it, {verb}(fn, schema=...)"
        )
    made: list[Mapping[str, Any]] = []
    try:
        for row in islice(rows_of(flow, first), first):
            made.extend(dicts(fn(row)))
    except WrongResult as wrong:
        raise UserFunctionError(f"{_described(function)} {wrong}") from wrong
    except (Exception, SystemExit) as error:  # sys.exit() would end the script without a word
        raise UserFunctionError(
            f"{_described(function)} was called with the first rows to find its schema and raised "
            f"{type(error).__name__}: {text_of(error).rstrip('.')}. {_advice_on_rows(error, flow.schema)}"
        ) from error
    if not made:
        raise SchemaError(
            f"{_described(function)} returned no row for the first {first}: declare {verb}(fn, schema=...)"
        )
    names = dict.fromkeys(name for row in made for name in row)
    if strange := [name for name in names if not isinstance(name, str)]:
        raise UserFunctionError(
            f"{_described(function)} returned a row with the key {strange[0]!r}; column names are strings"
        )
    return pa.schema([(name, _type_of(name, [row.get(name) for row in made], flow.schema, function)) for name in names])


def _type_of(name: str, values: Sequence[Any], schema: pa.Schema, function: Function) -> pa.DataType:
    """The type of the first values of a column; or of the input's column of this name, where that says more."""
    known = without_order(schema).field(name).type if name in schema.names else None
    inferred, wrong = pa.null(), None
    try:
        inferred = inferred_type(values)
    except Misfit as misfit:
        wrong = misfit
    if known is not None and _says_more(known, inferred):
        with suppress(Misfit):
            return exact_array(values, known).type
    if not is_open(inferred):
        return inferred
    problem = (
        f"returned {name!r} values of several types for the first rows ({wrong}): convert them to one type, or declare"
        if wrong
        else f"returned no value of {name!r} for the first rows that tells its type: declare"
    )
    raise SchemaError(
        f"{_described(function)} {problem} what it returns: map_rows(fn, schema={{{name!r}: 'string', ...}})"
    )


def _says_more(known: pa.DataType, inferred: pa.DataType) -> bool:
    """True if ``known`` may hold values that ``found``, which some values have, does not: more digits, more kinds."""
    if is_open(inferred) or pa.types.is_decimal(inferred):
        return not is_open(known) or pa.types.is_null(inferred)
    return getattr(known, "unit", "") == "ns"


def _advice_on_batches(error: BaseException, schema: pa.Schema) -> str:
    if advice := batch_advice(error, schema.names):
        return advice[0].upper() + advice[1:]
    return CORRECT if misses_name(error) else "Declare it: map_batches(fn, schema={'column': 'int64', ...})"


def _advice_on_rows(error: BaseException, schema: pa.Schema) -> str:
    if advice := row_advice(error, schema.names):
        return advice[0].upper() + advice[1:]
    return CORRECT if misses_name(error) else "Fix it, or declare: map_rows(fn, schema={'column': 'int64', ...})"


def _described(function: Function) -> str:
    return f"{function.name} ({function.origin})"
