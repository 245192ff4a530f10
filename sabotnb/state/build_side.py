"""The side of a hash join that is complete before the other probes it, as keyed state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from sabotnb.native import Matches, Probe
from sabotnb.state.grouped_batches import GroupedBatches
from sabotnb.state.held_rows import FrozenRows, KeyedRows
from sabotnb.state.keys import MISSING, check_group, compared, complete, find, groups_in
from sabotnb.state.row_store import FrozenRowStore

MATCHED = "matched"


@dataclass(slots=True)
class _Built:
    """All rows as they were when they were put in order for probing; groups that were dropped since are ``gone``."""

    rows: GroupedBatches
    matches: Matches
    gone: set[int] = field(default_factory=set)


class BuildSide(KeyedRows):
    """Rows by key and, with ``outer``, which keys a probe has met: exported rows then have a column more.

    A null key matches nothing. Rows are put in order when the first probe comes, and again after others were added.
    """

    def __init__(self, schema: pa.Schema, keys: pa.Schema, groups: int, *, outer: bool) -> None:
        super().__init__(schema, keys, groups)
        self._outer = outer
        self._matched: dict[int, np.ndarray] = {}
        self._built: _Built | None = None
        if outer:
            self.schema = self.schema.append(pa.field(MATCHED, pa.bool_()))

    def add(self, batch: pa.RecordBatch) -> None:
        self._built = None
        super().add(batch)

    def probe(self, keys: Sequence[pa.Array], *, outer: bool) -> Probe:
        """The pairs of rows with these keys and of rows that are held; with ``outer`` those without partner, too."""
        built = self._ready()
        columns = [compared(column, field.type) for column, field in zip(keys, self._keys, strict=True)]
        found = find(self._index, columns)
        slots = found.slots
        if (valid := complete(columns)) is not None:
            slots = np.where(valid.to_numpy(zero_copy_only=False), slots, np.uint32(MISSING))
        return Probe(built.matches, slots, outer, found.groups)

    def take(self, numbers: np.ndarray | pa.Array) -> pa.RecordBatch:
        """Rows by the numbers that probes give, null for a null number."""
        return self._ready().rows.take(numbers)

    def unmatched(self) -> np.ndarray:
        """Numbers of the rows whose key no probe has met, ascending."""
        built = self._ready()
        numbers = built.matches.unmatched()
        return numbers[~np.isin(built.rows.groups[numbers], list(built.gone))] if built.gone else numbers

    def freeze(self, groups: Sequence[int]) -> FrozenRows:
        if not self._outer:
            return super().freeze(groups)
        matched = {group: self._matched[group].copy() for group in groups if group in self._matched}
        return FrozenBuildSide(self._pile.freeze(groups), self.schema, matched)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        self._built = None
        if not self._outer:
            super().load(group, batches)
            return
        for batch in batches:
            *columns, matched = batch.columns
            piece = self._add(pa.RecordBatch.from_arrays(columns, schema=self._pile.schema))
            check_group(group, piece.present())
            assert piece.slots is not None
            self._match(group, piece.slots[matched.to_numpy(zero_copy_only=False)])

    def drop(self, group: int) -> None:
        super().drop(group)
        self._matched.pop(group, None)
        if self._built is not None:
            self._built.gone.add(group)
            if 2 * self.rows < self._built.rows.rows:
                self._built = None

    def nbytes(self, group: int) -> int:
        return super().nbytes(group) + len(self._matched.get(group, ()))

    def _ready(self) -> _Built:
        if self._built is None:
            rows = self._pile.join()
            first = np.append(0, np.cumsum(self._index.sizes(), dtype=np.int64))
            matches = Matches(rows.slots, first, rows.groups)
            for group, known in self._matched.items():
                matches.matched[first[group] : first[group] + len(known)] = known
            if self._outer:
                keys = groups_in(self._index)
                self._matched = {group: matches.matched[first[group] : first[group + 1]] for group in keys}
            self._built = _Built(rows, matches)
        return self._built

    def _match(self, group: int, slots: np.ndarray) -> None:
        matched = np.zeros(self._index.size(group), np.bool_)
        known = self._matched.get(group, matched[:0])
        matched[: len(known)] = known
        matched[slots] = True
        self._matched[group] = matched


class FrozenBuildSide(FrozenRows):
    """The same with the keys that had been met."""

    def __init__(self, pile: FrozenRowStore, schema: pa.Schema, matched: Mapping[int, np.ndarray]) -> None:
        super().__init__(pile)
        self._schema = schema
        self._matched = matched

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group``, and whether the key of each had been met."""
        known = self._matched.get(group, np.zeros(0, np.bool_))
        for piece in self._pile.pieces(group):
            assert piece.slots is not None
            matched = np.zeros(piece.rows, np.bool_)
            inside = piece.slots < len(known)
            matched[inside] = known[piece.slots[inside]]
            yield pa.RecordBatch.from_arrays([*self._columns(piece), pa.array(matched)], schema=self._schema)
