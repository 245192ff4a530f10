"""Batches in the format that a function wants, and what it gives as batches of its declared schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from sabotnb.expr import Misfit, exact_column, same_values
from sabotnb.graph.specs import MapBatches
from sabotnb.native.layouts import decoded, plain_array, plain_batch
from sabotnb.operators.encoding import conformed
from sabotnb.operators.failing import expected


class WrongResult(Exception):  # noqa: N818  never reaches the user: the operator adds the function and its rows
    """A result is not what was declared; the text says in what."""


def given(batch: pa.RecordBatch, wanted: str) -> Any:
    """``batch`` as an Arrow record batch, a pandas or a polars DataFrame; dictionary-encoded columns come plain."""
    plain = decoded(batch)
    if wanted == "pandas":
        return plain.to_pandas()
    if wanted == "polars":
        import polars as pl

        return pl.from_arrow(plain)
    return plain


def results(result: Any, spec: MapBatches, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """What a function returned (one frame, or an iterable of them) as batches of its schema and bounded size.

    Raises:
        WrongResult: something is no frame, or has other columns than the schema.
    """
    for frame in (result,) if _is_frame(result) else _frames(result):
        for batch in _batches(frame, spec):
            for start in range(0, batch.num_rows, batch_rows):
                yield batch.slice(start, batch_rows)


def _frames(result: Any) -> Iterable[Any]:
    if result is None:
        raise WrongResult("gave None instead of a batch; does it lack a return?")
    if isinstance(result, str | bytes) or not isinstance(result, Iterable):
        raise WrongResult(f"gave {type(result).__name__}; it must give {_FRAMES}, or an iterable of them")
    return result


_FRAMES = "a RecordBatch, a Table, a DataFrame or a dict of columns"


def _is_frame(result: Any) -> bool:
    return isinstance(result, Mapping) or _is_arrow(result) or hasattr(result, "iloc")


def _is_arrow(result: Any) -> bool:
    return hasattr(result, "__arrow_c_stream__") or hasattr(result, "__arrow_c_array__")


def _batches(frame: Any, spec: MapBatches) -> Iterable[pa.RecordBatch]:
    if hasattr(frame, "iloc"):  # pandas says it speaks Arrow too, but with its index as a column
        _demand_names([str(name) for name in frame.columns], spec.schema)
        return (_from_columns({str(name): frame[name] for name in frame.columns}, spec),)
    if isinstance(frame, Mapping):
        return (_from_columns(frame, spec),)
    if isinstance(frame, pa.RecordBatch):
        return (_from_arrow(frame, spec),)
    if not _is_arrow(frame):
        raise WrongResult(f"gave {type(frame).__name__}; it must give {_FRAMES}, or an iterable of them")
    if isinstance(frame, pa.Table):
        return (_from_arrow(batch, spec) for batch in frame.to_batches())
    # Other libraries have fewer types than Arrow, so what went into them may come out as another type.
    table = pa.table(frame)
    return (_from_columns(dict(zip(batch.schema.names, batch.columns, strict=True)), spec, strict=False)
            for batch in table.to_batches())  # fmt: skip


def _from_columns(columns: Mapping[str, Any], spec: MapBatches, *, strict: bool = True) -> pa.RecordBatch:
    """Columns of anything that Arrow reads; each is read as the declared type, which must hold it exactly."""
    schema = spec.schema
    _demand_names(list(columns), schema)
    arrays = [_array(columns[field.name], field, spec, strict=strict) for field in schema]
    if len({len(array) for array in arrays}) > 1:
        lengths = ", ".join(f"{field.name}: {len(array)}" for field, array in zip(schema, arrays, strict=True))
        raise WrongResult(f"gave columns of different lengths ({lengths}); all need one value per row")
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: Any, field: pa.Field, spec: MapBatches, *, strict: bool) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        values = plain_array(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)
        if strict:
            _demand_type(values.type, field, spec)
    try:
        return exact_column(values, field.type, nan_is_null=True)
    except Misfit as misfit:
        said = "=" if misfit.position is not None else "as"
        raise WrongResult(
            f"gave {field.name!r} {said} {misfit.what}, {expected(spec, field.type)}; {_ADVICE}"
        ) from misfit


_ADVICE = "mend it, or declare what it gives: schema={...}"


def _from_arrow(batch: pa.RecordBatch, spec: MapBatches) -> pa.RecordBatch:
    schema = spec.schema
    _demand_names(batch.schema.names, schema)
    plain = plain_batch(batch)
    ordered = plain if plain.schema.names == schema.names else plain.select(schema.names)
    for field, got in zip(schema, ordered.schema, strict=True):
        _demand_type(got.type, field, spec)
    try:
        return conformed(ordered, schema)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise WrongResult(f"gave something else than it declared: {error}; {_ADVICE}") from error


def _demand_names(names: list[str], schema: pa.Schema) -> None:
    missing = [name for name in schema.names if name not in names]
    extra = [name for name in names if name not in schema.names]
    if missing or extra or len(names) != len(schema.names):
        problems = [f"lacks {', '.join(map(repr, missing))}"] * bool(missing)
        problems += [f"has {', '.join(map(repr, extra))} besides"] * bool(extra)
        problems += [f"has a column twice: {', '.join(names)}"] * (not missing and not extra)
        raise WrongResult(
            f"gave other columns than declared: it {' and '.join(problems)}; declared are {', '.join(schema.names)}; "
            f"{_ADVICE}"
        )


def _demand_type(got: pa.DataType, field: pa.Field, spec: MapBatches) -> None:
    if not same_values(got, field.type):
        raise WrongResult(f"gave {field.name!r} as {got}, {expected(spec, field.type)}; cast it, or declare {got}")
