"""Convert batches to the format that a user function takes: Arrow, pandas or polars."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import types as t

from sabotnb.errors import SchemaError
from sabotnb.extras import demand
from sabotnb.native import decoded_batch


def check_format(schema: pa.Schema, wanted: str) -> None:
    """Raise a SchemaError if a column has a type that the format lacks, ModuleMissing if polars is not installed."""
    if wanted != "polars":
        return
    demand("polars", "format='polars'")
    import polars as pl

    for field in schema:
        try:
            if "decimal256" in str(field.type):  # which polars does not refuse: it panics
                raise pl.exceptions.ComputeError("at most 38 digits")
            pl.from_arrow(pa.nulls(0, field.type))
        except pl.exceptions.PolarsError as error:
            raise SchemaError(
                f"polars has no type for column {field.name!r} ({field.type}): drop or cast it before, or use "
                "format='arrow'"
            ) from error


def given(batch: pa.RecordBatch, wanted: str) -> Any:
    """``batch`` as an Arrow record batch, a pandas or a polars DataFrame; dictionaries are decoded."""
    plain = decoded_batch(batch)
    if wanted == "pandas":
        return _in_pandas(plain)
    if wanted == "polars":
        import polars as pl

        return pl.from_arrow(plain)
    return plain


def _in_pandas(batch: pa.RecordBatch) -> Any:
    """A DataFrame with NumPy columns where they keep every value, else with pandas' nullable and Arrow types.

    NumPy would turn integers with nulls into floats, which loses digits, and dates, decimals and lists into objects,
    which loses their type.
    """
    import pandas as pd

    frame = batch.to_pandas(types_mapper=lambda kind: None if _has_numpy_type(kind) else pd.ArrowDtype(kind))
    for at, column in enumerate(batch.columns):
        if column.null_count and (t.is_integer(column.type) or t.is_boolean(column.type)):
            frame.isetitem(at, column.to_pandas(types_mapper=_nullable))
    return frame


def _nullable(data_type: pa.DataType) -> Any:
    import pandas as pd

    name = str(data_type).replace("uint", "UInt").replace("int", "Int") if not t.is_boolean(data_type) else "boolean"
    return pd.api.types.pandas_dtype(name)


def _has_numpy_type(data_type: pa.DataType) -> bool:
    kinds = (t.is_boolean, t.is_integer, t.is_floating, t.is_timestamp, t.is_duration, t.is_string, t.is_large_string)
    return any(is_one(data_type) for is_one in kinds)
