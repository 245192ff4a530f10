"""Describes and opens the sources of all file formats. What is special about one is in its ``FileFormat``."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from sabotnb.connectors.file_guard import FileGuard
from sabotnb.connectors.file_options import source_options
from sabotnb.connectors.file_schemas import Wanted, settle, types_of
from sabotnb.connectors.folders.file_search import files_below, files_of_glob
from sabotnb.connectors.folders.hive import folders_of
from sabotnb.connectors.folders.partitioned import Partitioned
from sabotnb.connectors.folders.paths import Paths, absolute, base_of, find, listed, refuse_compressed
from sabotnb.connectors.folders.whole_files import WholeFiles
from sabotnb.connectors.formats.file_format import FileListing
from sabotnb.connectors.formats.file_formats import READ_FORMATS
from sabotnb.connectors.sources.following import FileConnector, Following
from sabotnb.connectors.sources.pacing import pace_options
from sabotnb.connectors.sources.raw_batches import Connector
from sabotnb.connectors.sources.told_orders import with_orders
from sabotnb.graph import Source as Spec
from sabotnb.native import plain_schema


def describe_files(
    connector: str,
    paths: Paths,
    *,
    schema: Wanted = None,
    rate: float | None = None,
    speed: str | None = None,
    follow: bool = False,
    **special: Any,
) -> Spec:
    """The source of the files of one format at ``paths``; ``special`` are the options of the format.

    A mapping as ``schema`` replaces the types of its columns, a schema those of all; it also selects columns, and lets
    a folder that is followed be empty at first. Columns in the names of folders are added.

    Raises:
        SourceError: no files, one that is empty or cannot be read, or files whose columns differ.
    """
    if follow and isinstance(schema, pa.Schema):
        awaited = awaited_files(connector, paths, schema, **special)
        if awaited is not None:
            return awaited
    file_format = READ_FORMATS[connector](**special)
    files = find(paths, file_format.suffixes, may_be_empty=file_format.may_be_empty)
    if not file_format.has_types:
        for file in files:
            refuse_compressed(file)
    base, declared = base_of(paths), types_of(schema)
    columns = file_format.columns(FileListing(files, base, schema, is_all=len(files) == 1 and not follow))
    folders = folders_of(files, base, columns.schema.names, declared, columns.partitions)
    everything = pa.schema([*columns.schema, *folders.added])
    settled = settle(everything, schema, files[0])
    # Text is parsed with the types of all of its columns, those that ``schema`` leaves out too.
    parsed = settled if file_format.has_types else pa.schema((types_of(everything) | types_of(settled)).items())
    options = source_options(files, parsed, pace_options(rate, speed), paths if follow else None)
    options |= {**file_format.options, **columns.options, **folders.options}
    spec = Spec(connector, settled, options, bounded=not follow, replayable=not follow)
    return with_orders(spec, file_format.connector) if file_format.has_types else spec


def awaited_files(connector: str, paths: Paths, schema: pa.Schema, **special: Any) -> Spec | None:
    """The source of followed files that do not exist yet; None if files exist already, or the folder does not.

    Without a file to infer types from, ``schema`` says them. ``special`` are the options of the format.
    """
    file_format = READ_FORMATS[connector](**special)
    for path in map(absolute, listed(paths)):
        if not path.is_dir() and not (glob.has_magic(str(path)) and not files_of_glob(str(path))):
            return None
        if path.is_dir() and any(Path(file).suffix in file_format.suffixes for file in files_below(path)):
            return None
    options = source_options((), schema, {}, paths) | {"suffixes": list(file_format.suffixes)}
    options |= {"declared": schema.names, **file_format.options}
    options["hive"] = {"base": base_of(paths), "added": []}  # which columns folders will have is not known yet
    return Spec(connector, plain_schema(schema.remove_metadata()), options, bounded=False, replayable=False)


def searched_when_opened(spec: Spec, paths: Paths) -> Spec:
    """A source that looks for the files of ``paths`` whenever it is opened, and so reads those that came later."""
    return replace(spec, options={**spec.options, "search": [str(absolute(path)) for path in listed(paths)]})


def file_connector(spec: Spec, clock: Callable[[], float]) -> Connector:
    """The connector that reads the files of ``spec``, guards that they do not change, and may follow new ones."""
    file_format = READ_FORMATS[spec.connector]()
    if "search" in spec.options:
        files = find(spec.options["search"], file_format.suffixes, may_be_empty=file_format.may_be_empty)
        spec = replace(spec, options={**spec.options, "files": list(files)})
    reader, listed_files = _reader(spec, file_format.connector)
    if spec.computed_time is not None or (spec.event_time is not None and not file_format.knows_times):
        reader = WholeFiles(reader)
    guard = FileGuard(reader, listed_files, may_grow=file_format.may_grow)
    return Following(spec, guard, clock) if "follow" in spec.options else guard


def _reader(spec: Spec, make: Callable[[Spec], FileConnector]) -> tuple[FileConnector, Callable[[], Sequence[str]]]:
    """The connector for the files of ``spec``, and a function that returns the files that it reads."""
    if "hive" not in spec.options:
        return make(spec), lambda: spec.options["files"]
    partitioned = Partitioned(spec, make)
    return partitioned, lambda: partitioned.files


csv = partial(describe_files, "csv")
ipc = partial(describe_files, "ipc")
json = partial(describe_files, "json")
parquet = partial(describe_files, "parquet")
