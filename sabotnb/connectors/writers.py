"""One writer per file format. A file is complete when its writer is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from sabotnb.connectors.json_lines import json_lines
from sabotnb.connectors.schemas import plain
from sabotnb.errors import SinkError


class Writer(Protocol):
    """Writes tables of one schema into one file."""

    def write_table(self, table: pa.Table) -> None:
        """Append rows."""
        ...

    def close(self) -> None:
        """Write what belongs behind the rows."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """How files of one format are named and written. ``refuses`` is true for types that the format cannot hold."""

    suffix: str
    open: Callable[[pa.NativeFile, pa.Schema], Writer]
    refuses: Callable[[pa.DataType], bool] = lambda _: False


class JsonWriter:
    """One object a line."""

    def __init__(self, file: pa.NativeFile, schema: pa.Schema) -> None:
        self._file = file

    def write_table(self, table: pa.Table) -> None:
        for batch in table.to_batches(max_chunksize=16_384):
            self._file.write(json_lines(batch))

    def close(self) -> None:
        """There is nothing behind the last line."""


def _is_not_for_csv(data_type: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_nested(data_type) or types.is_duration(data_type))


FORMATS: dict[str, Format] = {
    "parquet": Format(".parquet", pq.ParquetWriter),
    "csv": Format(".csv", csv.CSVWriter, _is_not_for_csv),
    "json": Format(".jsonl", JsonWriter),
    "ipc": Format(".arrow", pa.ipc.new_file),
}


def output_schema(connector: str, schema: pa.Schema) -> pa.Schema:
    """What is written for rows of ``schema``: the same without dictionaries; SinkError if the format lacks a type."""
    written = pa.schema([field.with_type(plain(field.type)) for field in schema])
    for field in written:
        if FORMATS[connector].refuses(field.type):
            raise SinkError(
                f"column {field.name!r} is {field.type}, which {connector} files cannot hold: "
                "make it a column of numbers, text or times, or write Parquet"
            )
    return written
