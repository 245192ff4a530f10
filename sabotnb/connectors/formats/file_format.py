"""What a file format has to say so that its files can be described and read as a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from sabotnb.connectors.file_schemas import Wanted, check_same, nullable, types_of
from sabotnb.connectors.folders.partition_types import partition_types
from sabotnb.connectors.sources.following import FileConnector
from sabotnb.graph import Source as Spec


@dataclass(frozen=True, slots=True)
class FileListing:
    """The files of a source; ``base`` is the folder below which folder names are partitions.

    ``wanted`` are the types that the user declared. ``is_all`` is true for one file that is not followed: there are no
    other files to compare it with.
    """

    files: Sequence[str]
    base: str
    wanted: Wanted
    is_all: bool


@dataclass(frozen=True, slots=True)
class FileColumns:
    """The columns that the files of a source have, read or inferred, and the options that reading them needs.

    ``partitions`` are the types that the files record for columns whose values are in names of folders.
    """

    schema: pa.Schema
    options: Mapping[str, Any] = field(default_factory=dict)
    partitions: Mapping[str, pa.DataType] = field(default_factory=dict)


def common_columns(listing: FileListing, schemas: Sequence[pa.Schema]) -> FileColumns:
    """The columns of files that record their schemas; SourceError if the schemas of two files differ."""
    for file, other in zip(listing.files, schemas, strict=True):
        check_same(schemas[0], listing.files[0], other, file, types_of(listing.wanted))
    return FileColumns(nullable(schemas[0]), partitions=partition_types(schemas))


class FileFormat(Protocol):
    """A file format with its options, such as the separator of CSV.

    ``has_types``: files record the types of their columns and the categories of ordered ones. Formats of text do not;
    their types are inferred. ``may_be_empty``: a file of 0 bytes has no rows. ``may_grow``: files stay valid when rows
    are appended to them. ``knows_times``: statistics in the files prove the order of their parts in event time; files
    of other formats are one split each if they have an event time.
    """

    suffixes: ClassVar[tuple[str, ...]]
    has_types: ClassVar[bool]
    may_be_empty: ClassVar[bool]
    may_grow: ClassVar[bool]
    knows_times: ClassVar[bool]

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of a spec that say how files are written."""
        ...

    def columns(self, listing: FileListing) -> FileColumns:
        """The columns in the files; SourceError if the files differ, or one cannot be read."""
        ...

    @staticmethod
    def connector(spec: Spec) -> FileConnector:
        """The connector that reads the files of ``spec``."""
        ...
