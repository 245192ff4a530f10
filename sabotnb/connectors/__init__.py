"""Sources and sinks: files, in-memory tables, generators and clocks as sources, files as sinks.

``parquet``, ``csv``, ``json``, ``ipc``, ``table``, ``rows``, ``generator`` and ``rate`` describe a source as a plain
``graph.Source`` with its schema; ``source`` reads one. ``sink`` writes files under hidden names, and
``committer`` renames them at the cuts of an endless run, or when the job has finished.
"""

from sabotnb.connectors.file_sources import awaited_files as awaited
from sabotnb.connectors.file_sources import csv, describe_files, ipc, json, parquet, searched_when_opened
from sabotnb.connectors.formats.file_formats import READ_SUFFIXES
from sabotnb.connectors.numpy_copies import maybe_of_numpy, unshared
from sabotnb.connectors.registry import estimate, source
from sabotnb.connectors.sinks.file_committer import FileCommitter, committer
from sabotnb.connectors.sinks.file_sink import FileSink, sink, with_run
from sabotnb.connectors.sinks.folder_changes import before_changes
from sabotnb.connectors.sinks.kept_output import hidden_folders_of, remove_prepared
from sabotnb.connectors.sinks.output_checks import check_output, output_folder
from sabotnb.connectors.sources.batch_source import BatchSource
from sabotnb.connectors.sources.generators import describe as generator
from sabotnb.connectors.sources.memory_tables import describe as table
from sabotnb.connectors.sources.memory_tables import describe_rows as rows
from sabotnb.connectors.sources.rates import describe as rate
from sabotnb.connectors.sources.raw_batches import SourceEstimate
from sabotnb.connectors.sources.row_batches import batch_of
from sabotnb.connectors.sources.timed_sample import TimedSample

__all__ = [
    "READ_SUFFIXES",
    "BatchSource",
    "FileCommitter",
    "FileSink",
    "SourceEstimate",
    "TimedSample",
    "awaited",
    "batch_of",
    "before_changes",
    "check_output",
    "committer",
    "csv",
    "describe_files",
    "estimate",
    "generator",
    "hidden_folders_of",
    "ipc",
    "json",
    "maybe_of_numpy",
    "output_folder",
    "parquet",
    "rate",
    "remove_prepared",
    "rows",
    "searched_when_opened",
    "sink",
    "source",
    "table",
    "unshared",
    "with_run",
]
