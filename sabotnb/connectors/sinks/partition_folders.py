"""Splits rows by the values of ``partition_by`` columns, which are in the names of folders only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from sabotnb import text_limits
from sabotnb.connectors.folders.hive import folder_name
from sabotnb.connectors.folders.partition_types import with_partition_types
from sabotnb.connectors.folders.paths import LONGEST_NAME
from sabotnb.connectors.formats.text_columns import Unwritable, check_years
from sabotnb.errors import SinkError


def schema_of_files(schema: pa.Schema, keys: list[str]) -> pa.Schema:
    """``schema`` without the columns whose values are in names of folders; their types are in its metadata."""
    own = pa.schema([field for field in schema if field.name not in keys])
    return with_partition_types(own, pa.schema([schema.field(key) for key in keys]))


def partitions(batch: pa.RecordBatch, keys: list[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of each combination of key values with their folder, such as ``carrier=AA/origin=EWR``."""
    if not keys:
        yield "", batch
        return
    codes = np.zeros(batch.num_rows, dtype=np.int64)
    for key in keys:
        encoded = batch.column(key).dictionary_encode(null_encoding="encode")
        # Renumbered after each key, so that the product of the numbers of values cannot overflow.
        combined = codes * len(encoded.dictionary) + encoded.indices.to_numpy(zero_copy_only=False)
        codes = np.unique(combined, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[order], prepend=-1)).tolist()
    in_order = batch.take(pa.array(order))
    for start, stop in zip(bounds, [*bounds[1:], batch.num_rows], strict=True):
        slice_ = in_order.slice(start, stop - start)
        yield "/".join(folder_of(key, slice_.column(key)[0]) for key in keys), slice_


def folder_of(key: str, value: pa.Scalar) -> str:
    """The name of the folder for rows with ``value`` in column ``key``; SinkError if there can be none."""
    try:
        check_years(pa.array([value], value.type))
    except Unwritable as error:
        raise SinkError(
            f"column {key!r} has {error}, which the name of a folder cannot hold: partition by a number made of it, "
            "such as col(...).dt.year()"
        ) from error
    name = folder_name(key, value)
    if len(name) > LONGEST_NAME:
        begun = str(value.as_py())[: text_limits.PATH]
        raise SinkError(
            f"a value of column {key!r} is too long for the name of a folder ({begun!r}...): "
            "partition by a part of it, such as col(...).str.slice(0, 20)"
        )
    return name


def null_folder(schema: pa.Schema, keys: list[str]) -> str:
    """The folder of rows whose ``keys`` are all null."""
    return "/".join(folder_of(key, pa.scalar(None, schema.field(key).type)) for key in keys)
