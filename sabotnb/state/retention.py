"""Select and sort the rows of each key that an operator keeps, such as the first ten by a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import rows_by_key
from sabotnb.state.grouped_batches import GroupedBatch, GroupedBatches, join
from sabotnb.state.values import sortable

LOT_ROWS = 1 << 15
"""Rows that are sorted at a time where key groups divide them: many small sorts are faster than a large one."""

MOST_BYTES = 1 << 30
"""Of sorted rows, so that no text column of a piece outgrows Arrow's offsets."""


class Direction(str, Enum):
    """Sort direction, as ``pc.sort_indices`` spells it."""

    UP = "ascending"
    DOWN = "descending"


@dataclass(frozen=True, slots=True)
class Retention:
    """The first ``limit`` rows (None: all) of each key by the columns of ``order``; types without an order are ignored.

    With ``ties`` also the rows that are equal to the last of them in the first of these columns.
    """

    limit: int | None = None
    order: tuple[tuple[str, Direction], ...] = ()
    ties: bool = False


ALL_ROWS = Retention()


def arranged(schema: pa.Schema, pieces: Sequence[GroupedBatch], keep: Retention) -> GroupedBatches:
    """The rows that ``keep`` selects, sorted by key group, slot and the order of ``keep``."""
    rows = join(schema, pieces)
    numbers = _kept(rows, keep)
    most = max(1, MOST_BYTES // max(1, int(rows.row_bytes)))
    return GroupedBatches(schema, [rows.piece(numbers[start : start + most]) for start in range(0, len(numbers), most)])


def position(places: np.ndarray) -> np.ndarray:
    """The number of rows of the same key before each row; ``places`` are sorted."""
    first = np.ones(len(places), np.bool_)
    first[1:] = places[1:] != places[:-1]
    found: np.ndarray = np.arange(len(places)) - _runs(first)
    return found


def tied(places: np.ndarray, values: pa.Array) -> np.ndarray:
    """For each row the ``position`` of the first row with its key and value; ``places`` and ``values`` are sorted."""
    rows = len(places)
    differs = np.ones(rows, np.bool_)
    if rows > 1:
        before, after = values.slice(0, rows - 1), values.slice(1)
        same = pc.fill_null(pc.equal(before, after), False)  # noqa: FBT003  the value of a fill
        both = pc.and_(before.is_null(), after.is_null())
        alike = pc.or_(same, both).to_numpy(zero_copy_only=False) & (places[1:] == places[:-1])
        differs[1:] = ~alike
    found: np.ndarray = position(places)[_runs(differs)]
    return found


def _runs(first: np.ndarray) -> np.ndarray:
    """For each row the number of the last row, up to it, where ``first`` is true."""
    starts: np.ndarray = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    return starts


def _kept(rows: GroupedBatches, keep: Retention) -> np.ndarray:
    """The numbers of the rows that ``keep`` selects, sorted.

    With a limit, all rows are sorted by the first column alone. Only the rows that can still be among the first are
    sorted by all columns; they are few, so the costly sort is small.
    """
    columns = [(sortable(rows.column(name)), direction) for name, direction in keep.order]
    order = [(column, direction) for column, direction in columns if column is not None]
    if keep.limit is None:
        return _in_order(rows.places, order)
    numbers = _in_order(rows.places, order[:1])
    places = rows.places[numbers]
    if len(order) > 1 or keep.ties:
        few = tied(places, _taken(order[0][0], numbers)) < keep.limit
        numbers, places = numbers[few], places[few]
    if len(order) > 1:
        again = _in_order(places, [(_taken(column, numbers), direction) for column, direction in order])
        numbers, places = numbers[again], places[again]
    return numbers if keep.ties else numbers[position(places) < keep.limit]


Columns = Sequence[tuple[pa.Array | pa.ChunkedArray, Direction]]


def _in_order(places: np.ndarray, columns: Columns) -> np.ndarray:
    """Row numbers sorted by place and then by ``columns``; the sort is stable."""
    groups = (places >> np.uint64(32)).astype(np.uint16)
    if not columns:
        return rows_by_key(groups, places.astype(np.uint32))
    chunked = any(isinstance(column, pa.ChunkedArray) for column, _ in columns)
    if chunked or len(places) <= LOT_ROWS or not groups.any():
        return _sorted(places, columns)
    order = np.argsort(groups, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(groups)))[:-1]
    lots = np.split(order, starts[np.unique(starts // LOT_ROWS, return_index=True)[1]][1:])
    sorted_lots = [
        lot[_sorted(places[lot], [(_taken(column, lot), direction) for column, direction in columns])] for lot in lots
    ]
    return np.concatenate(sorted_lots)


def _sorted(places: np.ndarray, columns: Columns) -> np.ndarray:
    keys = [(pa.array(places), Direction.UP), *columns] if places.any() else columns
    named = {str(number): column for number, (column, _) in enumerate(keys)}
    ways = [(str(number), direction.value) for number, (_, direction) in enumerate(keys)]
    order: np.ndarray = pc.sort_indices(pa.table(named), sort_keys=ways).to_numpy()
    return order


def _taken(column: pa.Array | pa.ChunkedArray, numbers: np.ndarray) -> pa.Array:
    if isinstance(column, pa.Array):
        return column.take(pa.array(numbers))
    schema = pa.schema({"": column.type})
    return GroupedBatches(
        schema, [GroupedBatch(pa.record_batch([chunk], schema=schema)) for chunk in column.chunks]
    ).take(numbers)[0]
