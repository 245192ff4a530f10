"""The file formats that sources read, by the name of their connector."""

from __future__ import annotations

from collections.abc import Callable

from sabotnb.connectors.formats.csv_files import CsvFormat
from sabotnb.connectors.formats.file_format import FileFormat
from sabotnb.connectors.formats.ipc_files import IpcFormat
from sabotnb.connectors.formats.json_files import JsonFormat
from sabotnb.connectors.formats.parquet_files import ParquetFormat

READ_FORMATS: dict[str, Callable[..., FileFormat]] = {
    "csv": CsvFormat,
    "ipc": IpcFormat,
    "json": JsonFormat,
    "parquet": ParquetFormat,
}
"""Each is called with the options of the format."""

READ_SUFFIXES = {name: make().suffixes for name, make in READ_FORMATS.items()}
"""The file name suffixes by which a folder's files of each format are found."""
