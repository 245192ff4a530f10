"""Joins the rows of windows that have ended.

Theory of operation. Windows are numbered, and the number of its window is the time of a row: so one ``TimeIndex`` of
the right rows, sorted by key and window, serves all windows, and a short window costs little more than its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sabotnb.graph import WINDOW_END, WINDOW_START, Join, WindowJoin, output_schema
from sabotnb.native import KeyIndex, TimeIndex, TimeProbe
from sabotnb.operators.joined_rows import JoinedRows
from sabotnb.operators.timejoins.join_side import LEFT, RIGHT, JoinSide
from sabotnb.state import MISSING, GroupedBatches, numbered


@dataclass(frozen=True, slots=True)
class RowsOfWindow:
    """The rows of both sides that are in the window [start, end)."""

    start: int
    end: int
    sides: Sequence[Sequence[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class SideRows:
    """The rows of one side, the number of the window of each, and a mask of those with a key."""

    rows: GroupedBatches
    windows: np.ndarray
    keyed: np.ndarray
    keys: Sequence[Sequence[pa.Array]]

    def __len__(self) -> int:
        return len(self.windows)


class WindowPairs:
    """Builds the output rows of a window join from the rows of its windows."""

    def __init__(self, spec: WindowJoin, sides: Sequence[JoinSide], inputs: Sequence[pa.Schema]) -> None:
        self._how = spec.how
        self._sides = sides
        left, right = (pa.schema([field for field in schema if field.name not in spec.hidden]) for schema in inputs)
        join = Join(spec.left_on, spec.right_on, spec.how, spec.suffix, strategy="hash")
        self._inside = left, right
        self._rows = JoinedRows(join, left, right, output_schema(join, self._inside))
        self._output = output_schema(spec, inputs)

    def joined(self, windows: Sequence[RowsOfWindow], limit: int) -> Iterator[pa.RecordBatch]:
        """The rows of the join in each window, in batches of at most ``limit``."""
        left, right = (self._gathered(port, windows) for port in (LEFT, RIGHT))
        starts, ends = np.array([window.start for window in windows]), np.array([window.end for window in windows])
        for batch, numbers in self._found(left, right, limit):
            bounds = [
                pa.array(of[numbers]).cast(self._output.field(name).type)
                for name, of in ((WINDOW_START, starts), (WINDOW_END, ends))
            ]
            yield pa.RecordBatch.from_arrays([*bounds, *batch.columns], schema=self._output)

    def _gathered(self, port: int, windows: Sequence[RowsOfWindow]) -> SideRows:
        schema = self._inside[port]
        batches = [batch.select(schema.names) for window in windows for batch in window.sides[port]]
        counts = [sum(batch.num_rows for batch in window.sides[port]) for window in windows]
        rows, side = numbered(batches[0].schema if batches else schema, batches), self._sides[port]
        pieces = [piece.batch for piece in rows.pieces]
        masks = [np.ones(batch.num_rows, np.bool_) if (of := side.complete(batch)) is None else of for batch in pieces]
        return SideRows(
            rows,
            np.repeat(np.arange(len(windows)), counts),
            np.concatenate([np.zeros(0, np.bool_), *masks]),
            [side.probe_keys(batch) for batch in pieces],
        )

    def _found(self, left: SideRows, right: SideRows, limit: int) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        """Batches of output rows, with the number of the window of each row."""
        met = [np.zeros(len(side), np.bool_) for side in (left, right)]
        numbers = np.flatnonzero(right.keyed)
        if len(numbers) and len(left):
            index = KeyIndex(self._sides[RIGHT].keys.types, 1)
            others = np.concatenate([index.upsert(keys).slots for keys in right.keys])
            mine = np.concatenate([index.find(keys).slots for keys in left.keys])
            mine[~left.keyed] = MISSING
            order = TimeIndex(others[numbers], right.windows[numbers])
            if self._how in ("semi", "anti"):
                met[LEFT] = order.any(mine, left.windows, left.windows)
            else:
                probe = TimeProbe(order, mine, left.windows, left.windows)
                yield from self._paired(left, right, numbers, probe, met, limit)
        if self._how in ("left", "full", "semi", "anti"):
            for chosen in _parts(met[LEFT] if self._how == "semi" else ~met[LEFT], limit):
                yield self._rows.only_left(left.rows.take(chosen)), left.windows[chosen]
        if self._how in ("right", "full"):
            for chosen in _parts(~met[RIGHT], limit):
                yield self._rows.only_right(right.rows.take(chosen)), right.windows[chosen]

    def _paired(
        self,
        left: SideRows,
        right: SideRows,
        numbers: np.ndarray,
        probe: TimeProbe,
        met: Sequence[np.ndarray],
        limit: int,
    ) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        """The pairs of a probe, whose right rows have these ``numbers``; marks the rows that have ``met``."""
        while (pairs := probe.next(limit)) is not None:
            mine, others = pairs[0], numbers[pairs[1]]
            met[LEFT][mine] = True
            met[RIGHT][others] = True
            yield self._rows.pairs(left.rows.take(mine), right.rows.take(others)), left.windows[mine]


def _parts(chosen: np.ndarray, limit: int) -> Iterator[np.ndarray]:
    """The numbers of the rows that a mask chooses, at most ``limit`` at a time."""
    numbers = np.flatnonzero(chosen)
    return (numbers[start : start + limit] for start in range(0, len(numbers), limit))
