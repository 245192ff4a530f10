"""Convert the result of a user function to batches of its declared schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from sabotnb.expr import Misfit, exact_column, is_typed, recast, same_values, typed_array
from sabotnb.graph import MapBatches
from sabotnb.native import check_batch, checked, plain_array, plain_batch
from sabotnb.operators.encoding import conformed
from sabotnb.operators.error_policy import expected


class WrongResult(Exception):  # noqa: N818  never reaches the user: the operator adds the function and its rows
    """A result does not match its declaration; the message says where."""


def schema_of(result: Any) -> pa.Schema | None:
    """The columns of the first frame that a function returned, with type null where the type is not known.

    Returns None if there is no frame.

    Raises:
        WrongResult: a result is not a frame, or has a column that Arrow cannot read.
    """
    frame = next(iter(_frames(result)), None) if result is not None else None
    if frame is None:
        return None
    if not _is_pandas(frame) and not isinstance(frame, Mapping):
        return _table(frame).schema.remove_metadata()
    names = frame.columns if _is_pandas(frame) else frame
    return pa.schema([(str(name), _type_of(name, frame[name])) for name in names])


def _type_of(name: Any, values: Any) -> pa.DataType:
    try:
        return typed_array(values).type if is_typed(values) else pa.null()
    except Misfit as misfit:
        raise WrongResult(f"gave a column {name!r} that cannot be one: {misfit}; {_ADVICE}") from misfit


def results(result: Any, spec: MapBatches, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """What a function returned (one frame, or an iterable of them) as batches of its schema and bounded size.

    Raises:
        WrongResult: a result is not a frame, or its columns differ from the schema.
    """
    for frame in _frames(result):
        for batch in _batches(frame, spec):
            for start in range(0, batch.num_rows, batch_rows):
                yield batch.slice(start, batch_rows)


def _frames(result: Any) -> Iterable[Any]:
    if result is None:
        raise WrongResult("gave None instead of a batch; does it lack a return?")
    if _is_pandas(result) or isinstance(result, Mapping) or _is_arrow(result):
        return (result,)
    if isinstance(result, str | bytes) or not isinstance(result, Iterable) or hasattr(result, "iloc"):
        raise _no_frame(result)
    return result


def _no_frame(result: Any) -> WrongResult:
    return WrongResult(
        f"gave {type(result).__name__}; it must give a RecordBatch, a Table, a DataFrame or a dict of columns, or an "
        "iterable of them"
    )


def _is_pandas(result: Any) -> bool:
    return hasattr(result, "iloc") and hasattr(result, "columns")


def _is_arrow(result: Any) -> bool:
    return hasattr(result, "__arrow_c_stream__") or hasattr(result, "__arrow_c_array__")


def _table(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if not _is_arrow(frame) or hasattr(frame, "iloc"):
        raise _no_frame(frame)
    try:
        return pa.table(frame)
    except pa.ArrowException as error:  # a single column
        raise _no_frame(frame) from error


def _batches(frame: Any, spec: MapBatches) -> Iterable[pa.RecordBatch]:
    if _is_pandas(frame):  # before the Arrow interface, which would export the index as a column
        _demand_names([str(name) for name in frame.columns], spec.schema)
        return (_from_columns({str(name): frame[name] for name in frame.columns}, spec),)
    if isinstance(frame, Mapping):
        return (_from_columns(frame, spec),)
    if isinstance(frame, pa.RecordBatch):
        return (_from_arrow(frame, spec),)
    batches = _table(frame).to_batches()
    if isinstance(frame, pa.Table):
        return (_from_arrow(batch, spec) for batch in batches)
    # Other libraries have fewer types than Arrow, so a column may come back as another type.
    columns = (dict(zip(batch.schema.names, batch.columns, strict=True)) for batch in batches)
    return (_from_columns(values, spec, strict=False) for values in columns)


def _from_columns(columns: Mapping[str, Any], spec: MapBatches, *, strict: bool = True) -> pa.RecordBatch:
    """Read columns that Arrow can read, each as the declared type, which must hold every value exactly."""
    schema = spec.schema
    _demand_names(list(columns), schema)
    arrays = [_array(columns[field.name], field, spec, strict=strict) for field in schema]
    if len({len(array) for array in arrays}) > 1:
        lengths = ", ".join(f"{field.name}: {len(array)}" for field, array in zip(schema, arrays, strict=True))
        raise WrongResult(f"gave columns of different lengths ({lengths}); all need one value per row")
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: Any, field: pa.Field, spec: MapBatches, *, strict: bool) -> pa.Array:
    sound = None
    if isinstance(values, pa.Array | pa.ChunkedArray):
        sound = plain_array(_sound(values, field.name))
        if strict:
            _demand_type(sound.type, field, spec)
    try:
        return exact_column(values, field.type, nan_is_null=True) if sound is None else recast(sound, field.type)
    except Misfit as misfit:
        said = "=" if misfit.position is not None else "as"
        raise WrongResult(
            f"gave {field.name!r} {said} {misfit.what}, {expected(spec, field.type)}; {_ADVICE}"
        ) from misfit


_ADVICE = "correct it, or declare what it returns: schema={...}"


def _sound(values: pa.Array | pa.ChunkedArray, name: str) -> pa.Array:
    """One array of ``values``; WrongResult if its offsets or indexes are broken."""
    try:
        return checked(values, text=False)
    except pa.ArrowException as error:
        raise WrongResult(f"gave {name!r} as a broken Arrow array ({error}); {_BROKEN}") from error


_BROKEN = "call .validate(full=True) where it is made"


def _from_arrow(batch: pa.RecordBatch, spec: MapBatches) -> pa.RecordBatch:
    schema = spec.schema
    _demand_names(batch.schema.names, schema)
    try:
        check_batch(batch, text=False)
    except pa.ArrowException as error:
        raise WrongResult(f"gave a broken Arrow batch ({error}); {_BROKEN}") from error
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
