"""Writers of the file formats. A file is complete when its writer is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types as t

from sabotnb.connectors.file_schemas import is_text
from sabotnb.connectors.formats.csv_lines import csv_header, csv_lines
from sabotnb.connectors.formats.json_lines import json_lines
from sabotnb.connectors.formats.type_code import type_code
from sabotnb.errors import SinkError
from sabotnb.native import has_order_inside, is_ordered, without_dictionaries


class FileWriter(Protocol):
    """Writes tables of one schema into one file."""

    def write_table(self, table: pa.Table) -> None:
        """Append rows."""
        ...

    def close(self) -> None:
        """Write what the format has after the rows, such as a footer."""
        ...


@dataclass(frozen=True, slots=True)
class WrittenFormat:
    """How files of one format are named and written. ``refuses`` is true for types that the format cannot hold."""

    suffix: str
    open: Callable[[pa.NativeFile, pa.Schema], FileWriter]
    refuses: Callable[[pa.DataType], bool] = lambda _: False


class CsvWriter:
    """Writes a header line and one line for each row."""

    def __init__(self, file: pa.NativeFile, schema: pa.Schema) -> None:
        self._file = file
        file.write(csv_header(schema))

    def write_table(self, table: pa.Table) -> None:
        for batch in table.to_batches(max_chunksize=16_384):
            self._file.write(csv_lines(batch))

    def close(self) -> None:
        """There is nothing behind the last line."""


class JsonWriter:
    """Writes one JSON object for each line."""

    def __init__(self, file: pa.NativeFile, schema: pa.Schema) -> None:
        self._file = file

    def write_table(self, table: pa.Table) -> None:
        for batch in table.to_batches(max_chunksize=16_384):
            self._file.write(json_lines(batch))

    def close(self) -> None:
        """There is nothing behind the last line."""


class ParquetFileWriter:
    """Writes Parquet with checksums of pages, so that readers detect corrupted values."""

    def __init__(self, file: pa.NativeFile, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(file, schema, write_page_checksum=True)

    def write_table(self, table: pa.Table) -> None:
        try:
            self._writer.write_table(table)
        except pa.ArrowInvalid as error:  # the one conversion: Parquet has no seconds, so they become milliseconds
            raise SinkError(
                f"a timestamp[s] is beyond the milliseconds that Parquet holds ({error}). "
                f"Write Arrow IPC, or leave such rows out: {_seconds_in(table.schema)}"
            ) from error

    def close(self) -> None:
        self._writer.close()


def _seconds_in(schema: pa.Schema) -> str:
    """A filter for the years that milliseconds hold, on the first column of seconds."""
    names = [field.name for field in schema if t.is_timestamp(field.type) and field.type.unit == "s"]
    return f".filter(col({(names or ['...'])[0]!r}).dt.year().is_between(-290_000_000, 290_000_000))"


def _not_in_csv(data_type: pa.DataType) -> bool:
    is_binary = t.is_binary(data_type) or t.is_large_binary(data_type) or t.is_fixed_size_binary(data_type)
    return t.is_nested(data_type) or t.is_duration(data_type) or is_binary or _has_no_text(data_type)


def _not_in_json(data_type: pa.DataType) -> bool:
    if t.is_nested(data_type) and not t.is_union(data_type):
        return any(_not_in_json(data_type.field(at).type) for at in range(data_type.num_fields))
    return not data_type.equals(pa.uuid()) and _has_no_text(data_type)


def _has_no_text(data_type: pa.DataType) -> bool:
    return t.is_interval(data_type) or t.is_union(data_type) or isinstance(data_type, pa.BaseExtensionType)


def _not_in_parquet(data_type: pa.DataType) -> bool:
    try:
        ParquetFileWriter(pa.BufferOutputStream(), pa.schema({"x": data_type})).close()
    except pa.ArrowNotImplementedError:
        return True
    return False


def _ipc_writer(file: pa.NativeFile, schema: pa.Schema) -> FileWriter:
    """An IPC file writer that lets dictionaries grow between batches; ordered columns need that."""
    writer: FileWriter = pa.ipc.new_file(file, schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True))
    return writer


FORMATS: dict[str, WrittenFormat] = {
    "parquet": WrittenFormat(".parquet", ParquetFileWriter, _not_in_parquet),
    "csv": WrittenFormat(".csv", CsvWriter, _not_in_csv),
    "json": WrittenFormat(".jsonl", JsonWriter, _not_in_json),
    "ipc": WrittenFormat(".arrow", _ipc_writer),
}


def output_schema(connector: str, schema: pa.Schema) -> pa.Schema:
    """The schema of files for rows of ``schema``: without dictionaries; SinkError if the format lacks a type.

    Parquet and IPC keep ordered dictionaries, which are the only record of the order of the categories. They refuse
    those inside other types: Arrow cannot join batches whose nested dictionaries differ. Parquet refuses categories
    other than text and bytes, too: Arrow reads them back as plain values.
    """
    keeps_order = connector in ("parquet", "ipc")
    for field in schema if keeps_order else ():
        if has_order_inside(field.type) or (connector == "parquet" and _loses_order(field.type)):
            plain = without_dictionaries(field.type)
            values = "text" if has_order_inside(field.type) else "Arrow IPC, or plain values"
            raise SinkError(
                f"column {field.name!r} is {field.type}, and files would lose the order of its categories. "
                f"Write {values}: .with_columns({field.name}=col({field.name!r}).cast({type_code(plain)}))"
            )
    written = pa.schema(
        [
            field if keeps_order and is_ordered(field.type) else field.with_type(without_dictionaries(field.type))
            for field in schema
        ]
    )
    for field in written:
        if FORMATS[connector].refuses(field.type):
            raise SinkError(
                f"column {field.name!r} is {field.type}, which {connector} files cannot hold: "
                f"make it a column of numbers, text or times, or {_instead(connector)}"
            )
    return written


def _loses_order(data_type: pa.DataType) -> bool:
    if not is_ordered(data_type):
        return False
    values = data_type.value_type
    return not (is_text(values) or t.is_binary(values) or t.is_large_binary(values))


def _instead(connector: str) -> str:
    return "write Arrow IPC, which holds all types" if connector == "parquet" else "write Parquet or Arrow IPC"
