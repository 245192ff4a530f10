"""The file name suffixes by which a folder's files of each format are found."""

from __future__ import annotations

from sabotnb.connectors.formats import csv_files, ipc_files, json_files, parquet_files

READ_SUFFIXES = {
    "csv": csv_files.SUFFIXES,
    "ipc": ipc_files.SUFFIXES,
    "json": json_files.SUFFIXES,
    "parquet": parquet_files.SUFFIXES,
}
