"""Stores the types of partition columns in the metadata of files, which do not have these columns themselves.

Names of folders are text, so ``k=1`` does not say whether ``k`` is int8 or uint64. Parquet and Arrow IPC files of the
sinks therefore describe their partition columns in the metadata of their schema. Other readers skip that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from sabotnb.connectors.file_schemas import from_text, to_text

_KEY = b"sabotnb.partitions"


def with_partition_types(schema: pa.Schema, partitions: pa.Schema) -> pa.Schema:
    """``schema`` with the names and types of ``partitions`` in its metadata."""
    return schema.with_metadata({_KEY: to_text(partitions)}) if len(partitions) else schema


def partition_types(files: Sequence[pa.Schema]) -> Mapping[str, pa.DataType]:
    """The types that the schemas of all ``files`` give for partition columns; none if files differ or lack them."""
    first, *others = {(schema.metadata or {}).get(_KEY) for schema in files}
    if first is None or others:
        return {}
    try:
        described = from_text(first.decode())
    except (ValueError, pa.ArrowException):  # written by another program
        return {}
    return dict(zip(described.names, described.types, strict=True))
