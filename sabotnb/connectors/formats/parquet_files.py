"""The Parquet source: splits are runs of row groups.

Projection, predicate (by the statistics of row groups) and small dictionaries are pushed down into reading. Reading a
split uses no threads of Arrow, because tasks read splits in parallel.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import groupby, pairwise
from operator import add
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from sabotnb.connectors.file_schemas import check_columns, declared, is_text
from sabotnb.connectors.folders.paths import reading
from sabotnb.connectors.formats.file_format import FileColumns, FileListing, common_columns
from sabotnb.connectors.formats.parquet_footers import TRUNCATED, ParquetFooter, footers
from sabotnb.connectors.formats.parquet_reader import open_parquet
from sabotnb.connectors.formats.pruning import may_match
from sabotnb.connectors.formats.time_range import TimeRange, time_range
from sabotnb.connectors.sources.event_times import far_future
from sabotnb.connectors.sources.raw_batches import AlreadyRead, RawBatches, SkippedRows, SourceEstimate
from sabotnb.connectors.sources.row_shape import Shape
from sabotnb.errors import SourceError
from sabotnb.graph import Source as Spec
from sabotnb.native import is_ordered, plain_layout, plain_type, without_dictionaries
from sabotnb.protocol import MIN_WATERMARK, Split

_SMALL_GROUP_ROWS = 65_536
"""Neighbouring row groups are merged into one split until it has this many rows."""

_SMALL_DICTIONARY_BYTES = 1 << 18

_BUFFER_BYTES = 1 << 18
"""Pages are read through a buffer of this size: faster than whole column chunks, and bounded however long those are."""


@dataclass(frozen=True, slots=True)
class ParquetFormat:
    """Parquet files: their footers have the types."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    has_types: ClassVar[bool] = True
    may_be_empty: ClassVar[bool] = False
    may_grow: ClassVar[bool] = False
    knows_times: ClassVar[bool] = True

    @property
    def options(self) -> Mapping[str, Any]:
        return {}

    def columns(self, listing: FileListing) -> FileColumns:
        opened = [footers.read(file) for file in listing.files]
        common = common_columns(listing, [footer.schema for footer in opened])
        return replace(common, options={"dictionaries": _small_dictionaries(opened[0].metadata)})

    @staticmethod
    def connector(spec: Spec) -> ParquetFiles:
        return ParquetFiles(spec)


def _small_dictionaries(metadata: pq.FileMetaData) -> list[str]:
    """Columns with a small dictionary in the first row group: cheap to read, hash and group as dictionaries.

    The pages of a column start with its dictionary. A writer abandons a dictionary that grows too large (usually 1 MB
    before compression) and writes the remaining pages without. The limit here is far below that, so a column that
    passes is dictionary-encoded in all of its pages.
    """
    if not metadata.num_row_groups:
        return []
    group = metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return [
        column.path_in_schema
        for column in columns
        if column.dictionary_page_offset is not None
        and column.data_page_offset - column.dictionary_page_offset < _SMALL_DICTIONARY_BYTES
    ]


@dataclass(frozen=True, slots=True)
class _Groups:
    """Neighbouring row groups of one file, with their event time if it is known.

    ``skipped`` are the latest event times of groups among them that have no row for the predicate, by their indexes.
    """

    indexes: tuple[int, ...]
    rows: int
    nbytes: int
    times: TimeRange | None
    skipped: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: _Groups) -> _Groups:
        return _Groups(
            self.indexes + other.indexes,
            self.rows + other.rows,
            self.nbytes + other.nbytes,
            None if self.times is None or other.times is None else self.times | other.times,
            {**self.skipped, **other.skipped},
        )

    def is_known(self, future: int) -> bool:
        """True if the clock behind these groups is known without reading them."""
        return self.times is not None and self.times.complete and self.times.high <= future

    def skip(self) -> _Groups:
        """The same groups, not to be read; their times must be known."""
        assert self.times is not None
        return _Groups((), 0, 0, self.times, dict.fromkeys(self.indexes, self.times.high))


class ParquetFiles:
    """Connector of Parquet files."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._shape = Shape.of(spec)
        self._files: Sequence[str] = spec.options["files"]

    def estimate(self) -> SourceEstimate:
        return SourceEstimate.of(self.splits())

    def splits(self) -> list[Split]:
        return [split for file in self._files for split in self.splits_of(file)]

    def splits_of(self, file: str) -> Iterator[Split]:
        """The splits of one file, without row groups that cannot match the predicate."""
        with reading(file, TRUNCATED):
            groups = self._groups(footers.read(file))
        for part in _merged(groups, in_order=self._spec.event_time is not None):
            position = {"file": file, "groups": list(part.indexes)}
            if part.skipped:
                position["skipped"] = [list(pair) for pair in part.skipped.items()]
            low = MIN_WATERMARK if part.times is None else part.times.low
            yield Split(f"{file}:{part.indexes[0]}", position, low, part.nbytes, part.rows)

    def _groups(self, footer: ParquetFooter) -> list[_Groups]:
        """All row groups of a file; those without a row for the predicate are skipped, or left out without event time.

        A group must be read if nothing says what the clock would be behind it: one with a null, without statistics,
        with rows in the far future, which do not move the clock, or with some rows only that have an event time.
        """
        metadata, event_time = footer.metadata, self._spec.event_time
        comparable = _read_as_they_are(footer.schema, declared(self._spec))
        future = far_future(time.time())
        groups = []
        for index in range(metadata.num_row_groups):
            group = _describe_group(metadata, index, self._shape.columns, self._spec)
            if not group.rows:  # statistics of no rows do not say a time
                continue
            read, timed = (
                condition is None or may_match(condition, metadata.row_group(index), comparable)
                for condition in (self._spec.predicate, event_time.predicate if event_time else None)
            )
            if read:
                groups.append(group)
            elif event_time is not None and timed:
                groups.append(group.skip() if group.is_known(future) and event_time.predicate is None else group)
        return groups

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        file = split.position["file"]
        opened = open_parquet(file, read_dictionary=self._dictionaries(), buffer_size=_BUFFER_BYTES)
        with opened, reading(file):
            check_columns(file, self._shape.columns, opened.schema_arrow.names)
            self._check_orders(file, opened.metadata, split.position["groups"])
            skipped: dict[int, int] = dict(split.position.get("skipped", ()))
            for groups in self._read_together([*split.position["groups"], *skipped], set(skipped), opened.schema_arrow):
                if groups[0] in skipped:
                    yield SkippedRows(max(skipped[group] for group in groups))
                    continue
                read = _read_before(opened.metadata, groups, done)
                if read.rows:
                    yield read
                    done -= read.rows
                if not groups:
                    continue
                yield from opened.iter_batches(
                    batch_size=batch_rows, row_groups=groups, columns=list(self._shape.columns), use_threads=False
                )

    def _read_together(self, groups: list[int], skipped: Container[int], schema: pa.Schema) -> list[list[int]]:
        """Runs of groups, in order, that are read in one call, or skipped.

        If a column has nested dictionaries, each group is read alone, since Arrow cannot join different ones.
        """
        nested = (
            schema.field(name).type for name in self._shape.columns if pa.types.is_nested(schema.field(name).type)
        )
        if not all(kind.equals(without_dictionaries(kind)) for kind in nested):
            return [[group] for group in sorted(groups)]
        return [list(run) for _, run in groupby(sorted(groups), key=lambda group: group in skipped)]

    def _check_orders(self, file: str, metadata: pq.FileMetaData, groups: Iterable[int]) -> None:
        """Raise a SourceError for an ordered column that was written without a dictionary, so without its order."""
        types = declared(self._spec)
        ordered = {name for name in self._shape.columns if is_ordered(types.field(name).type)}
        if not ordered:
            return
        for group in map(metadata.row_group, groups):
            for column in map(group.column, range(group.num_columns)):
                if column.path_in_schema in ordered and not column.has_dictionary_page and column.num_values:
                    name = column.path_in_schema
                    raise SourceError(
                        f"'{file}' has no dictionary of the ordered column {name!r}, so nothing tells its order: "
                        f"read it as text, schema={{{name!r}: 'string'}}"
                    )

    def _dictionaries(self) -> list[str]:
        """Text columns to read as dictionaries; not ordered ones, which are dictionaries and would lose their order."""
        types = [(field.name, field.type) for field in self._spec.schema if pa.types.is_dictionary(field.type)]
        return [name for name, kind in types if is_text(kind.value_type) and not is_ordered(kind)]


def _read_before(metadata: pq.FileMetaData, groups: list[int], done: int) -> AlreadyRead:
    """Remove the groups from the beginning of ``groups`` that lie within the first ``done`` rows."""
    rows = 0
    while groups and rows + metadata.row_group(groups[0]).num_rows <= done:
        rows += metadata.row_group(groups.pop(0)).num_rows
    return AlreadyRead(rows)


def _read_as_they_are(stored: pa.Schema, wanted: pa.Schema) -> pa.Schema:
    """The columns of a file that are not cast to another type when they are read."""
    types = {field.name: plain_type(field.type) for field in wanted}
    ordered = {field.name for field in wanted if is_ordered(field.type)}  # statistics compare text
    return pa.schema(
        [
            field
            for field in stored
            if plain_type(plain_layout(field.type)) == types.get(field.name) and field.name not in ordered
        ]
    )


def _describe_group(metadata: pq.FileMetaData, index: int, columns: Sequence[str], spec: Spec) -> _Groups:
    group = metadata.row_group(index)
    nbytes, times = 0, None
    event_time = spec.event_time.column if spec.event_time else None
    for number in range(group.num_columns):
        column = group.column(number)
        name = column.path_in_schema
        if name in columns or name.partition(".")[0] in columns:
            nbytes += column.total_uncompressed_size
        if name == event_time:
            times = time_range(column, metadata.schema.column(number))
    return _Groups((index,), group.num_rows, nbytes, times)


def _merged(groups: Sequence[_Groups], *, in_order: bool) -> list[_Groups]:
    """Merge row groups into splits: all into one, if event time matters and the groups may overlap in time.

    Groups that follow each other in time need no clock in common: no row of one is behind a row of the one before.
    """
    if in_order and not all(
        before.times is not None and after.times is not None and before.times.high <= after.times.low
        for before, after in pairwise(groups)
    ):
        whole = reduce(add, groups)
        return [whole] if whole.indexes else []
    merged: list[_Groups] = []
    for group in groups:
        if not group.indexes:
            continue
        if merged and merged[-1].rows + group.rows <= _SMALL_GROUP_ROWS:
            merged[-1] += group
        else:
            merged.append(group)
    return merged
