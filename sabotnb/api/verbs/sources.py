"""Sources of streams. Schemas are known at once, because connectors read the metadata of files and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from sabotnb import connectors
from sabotnb.api.stream_node import StreamPlan, from_source
from sabotnb.api.verbs.user_schemas import as_schema, as_types
from sabotnb.api.verbs.verb_options import Duration, event_time
from sabotnb.errors import SchemaError
from sabotnb.graph import Source


def begun(spec: Source, time: str | None, max_delay: Duration, idle: Duration) -> StreamPlan:
    """A flow from ``spec``, whose rows have their event time in column ``time``."""
    if not len(spec.schema):
        raise SchemaError("this source has no columns: give data that has at least one")
    return from_source(replace(spec, event_time=event_time(time, max_delay, idle, spec.schema)))


def files(connector: str, paths: Any, schema: Any, special: Mapping[str, Any] | None = None, **options: Any) -> Source:
    """Files of one format (``connector``); ``schema`` may be a schema, or types of some columns.

    With a whole schema a folder that is followed may still be empty. ``special`` are options of this format only.
    """
    wanted = schema if schema is None or isinstance(schema, pa.Schema) else as_types(schema)
    return connectors.describe_files(connector, paths, schema=wanted, **options, **(special or {}))


def arrow(data: Any) -> Source:
    """A table in memory, from anything with ``__arrow_c_stream__``."""
    if hasattr(data, "iloc"):  # pandas exports the index as a column
        return pandas(data)
    if not hasattr(data, "__arrow_c_stream__") and not hasattr(data, "__arrow_c_array__"):
        raise SchemaError(f"{_called(data)} is not Arrow data; use from_rows or from_generator")
    table = _table(data)
    return connectors.table(table, connectors.maybe_of_numpy(table))


def _table(data: Any) -> pa.Table:
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    try:
        return pa.table(data)
    except pa.ArrowInvalid as error:
        raise SchemaError(f"{_called(data)} is one column, not a table; name it: pa.table({{'name': data}})") from error


def pandas(frame: Any) -> Source:
    """A pandas frame; NaN in float columns becomes null, the index is left out."""
    if not hasattr(frame, "iloc"):
        other = "from_arrow" if hasattr(frame, "__arrow_c_stream__") else "from_rows or from_generator"
        raise SchemaError(f"from_pandas takes a pandas.DataFrame, not {_called(frame)}; use {other} for that")
    if not hasattr(frame, "columns"):
        raise SchemaError(f"{_called(frame)} is one column, not a frame; make it one: series.to_frame('name')")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError) as error:
        raise SchemaError(_problem(frame, error)) from error
    except OverflowError as error:
        raise SchemaError(_large_integers(frame)) from error
    except ValueError as error:
        raise SchemaError(f"{error}; rename all but one of each: frame.columns = [...]") from error
    columns = [str(name) for name, dtype in frame.dtypes.items() if not _is_its_own(dtype)]
    return connectors.table(table, columns)


def _problem(frame: Any, error: Exception) -> str:
    """The message: which column of a frame Arrow cannot convert, and what to convert it to."""
    for name, dtype in frame.dtypes.items():
        if dtype.name.startswith("Sparse"):
            return f"column {name!r} is sparse; make it dense: frame[{name!r}].sparse.to_dense()"
    problem = ": ".join(str(part) for part in reversed(error.args))
    return f"{problem}; convert its values to one type: frame.astype({{column: 'string'}})"


def _large_integers(frame: Any) -> str:
    """The message: which object column has integers beyond int64, and what to convert it to."""
    for name, column in frame.items():
        large = [v for v in column if column.dtype == "object" and isinstance(v, int) and not -(2**63) <= v < 2**63]
        if large:
            is_uint64 = all(isinstance(v, int) and 0 <= v < 2**64 for v in column if v is not None)
            kind = "UInt64" if is_uint64 else "string"
            return (
                f"column {name!r} has {large[0]}, which int64 does not hold; pass frame.astype({{{name!r}: {kind!r}}})"
            )
    return "the frame has integers that int64 does not hold; pass frame.astype({column: 'string'})"


def _called(data: Any) -> str:
    """The type of ``data`` with the name of its library."""
    kind = type(data)
    library = kind.__module__.partition(".")[0]
    return kind.__name__ if library == "builtins" else f"{library}.{kind.__name__}"


def _is_its_own(dtype: Any) -> bool:
    """True for columns of pandas that share no memory that pandas writes to: objects, texts and Arrow's types."""
    return bool(dtype == "object" or dtype.name in ("str", "string") or hasattr(dtype, "pyarrow_dtype"))


def rows(given: Iterable[Mapping[str, Any]], schema: Any) -> Source:
    """Dicts in memory; without ``schema`` the types come from their values."""
    wanted = schema if schema is None or isinstance(schema, pa.Schema) else as_types(schema)
    return connectors.rows(given, wanted)


def generator(fn: Callable[[], Iterable[Any]], schema: Any, *, replayable: bool, bounded: bool) -> Source:
    """The rows or batches that a function yields on a worker."""
    return connectors.generator(fn, as_schema(schema), replayable=replayable, bounded=bounded)
