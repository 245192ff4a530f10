"""The registry of connectors: makes what reads a ``graph.Source`` from the format or kind that it names."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.connectors.file_guard import FileGuard
from sabotnb.connectors.folders.partitioned import Partitioned
from sabotnb.connectors.folders.paths import Paths
from sabotnb.connectors.folders.whole_files import WholeFiles
from sabotnb.connectors.formats import csv_files, ipc_files, json_files, parquet_files
from sabotnb.connectors.formats.csv_dialect import dialect_of, options_of
from sabotnb.connectors.formats.suffixes import READ_SUFFIXES
from sabotnb.connectors.sources import generators, memory_tables, rates, task_calls
from sabotnb.connectors.sources.batch_source import BatchSource
from sabotnb.connectors.sources.following import FileConnector, Following, describe_awaited
from sabotnb.connectors.sources.raw_batches import Connector, SourceEstimate
from sabotnb.errors import SourceError
from sabotnb.graph import Source as Spec

Clock = Callable[[], float]

_FILES: dict[str, Callable[[Spec], FileConnector]] = {
    "csv": csv_files.CsvFiles,
    "ipc": ipc_files.IpcFiles,
    "json": json_files.JsonFiles,
    "parquet": parquet_files.ParquetFiles,
}

_LINES = {"csv", "json"}
"""Formats whose files stay valid when rows are appended to them."""


def awaited(file_format: str, paths: Paths, schema: pa.Schema, **options: Any) -> Spec | None:
    """The source of followed files that do not exist yet; None if files exist already, or the folder does not.

    ``options`` are those of the format: ``separator``, ``null_values``, ``has_header`` and ``encoding`` of CSV.
    """
    special = options_of(dialect_of(**options)) if file_format == "csv" else {}
    return describe_awaited(file_format, READ_SUFFIXES[file_format], paths, schema, special)


def source(spec: Spec, clock: Clock = time.time) -> BatchSource:
    """The source for ``spec``: returns rows of its schema that pass its predicate, paced by ``clock``."""
    return BatchSource(spec, _connector(spec, clock), clock)


def estimate(spec: Spec) -> SourceEstimate:
    """The number of rows and bytes of ``spec``, from metadata, without pruned row groups."""
    return _connector(spec, time.time).estimate()


def _connector(spec: Spec, clock: Clock) -> Connector:
    match spec.connector:
        case "generator":
            return generators.Generator(spec)
        case "rate":
            return rates.Rate(spec, clock)
        case "table":
            return memory_tables.TableSlices(spec)
        case "tasks":
            return task_calls.TaskCalls(spec)
        case file_format if file_format in _FILES:
            files, listed = _files(spec)
            if spec.event_time is not None and spec.connector != "parquet":  # whose statistics prove the order of parts
                files = WholeFiles(files)
            guard = FileGuard(files, listed, may_grow=file_format in _LINES)
            return Following(spec, guard, clock) if "follow" in spec.options else guard
        case unknown:
            known = ", ".join(["generator", "rate", "table", "tasks", *_FILES])
            raise SourceError(f"there is no source connector {unknown!r}: use one of {known}")


def _files(spec: Spec) -> tuple[FileConnector, Callable[[], Sequence[str]]]:
    """The connector for the files of ``spec``, and a function that returns the files that it reads."""
    make = _FILES[spec.connector]
    if "hive" not in spec.options:
        return make(spec), lambda: spec.options["files"]
    partitioned = Partitioned(spec, make)
    return partitioned, lambda: partitioned.files
