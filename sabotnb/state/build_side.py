"""The build side of a hash join, as keyed state.

Theory of operation. The build side collects rows (``add``, ``load``) and answers probes (``probe``). Two states:

- *Collecting* (``_built`` is None): rows are appended to the row store, their keys to the index. Nothing is sorted.
- *Ready*: the first probe joins the rows into one numbered sequence and sorts the row numbers by key (``Matches``).
  Each probe looks up slots in the index and reads the row numbers of the key from ``Matches``.

Adding or loading rows returns to *collecting*, and the next probe sorts again. Dropping a group does not: the index no
longer finds its keys, so no probe reaches its rows; ``gone`` leaves them out of ``take_unmatched``. A drop discards the
sorted form only when fewer than half of its rows are left.

A right or full join must also know which keys a probe has met. The flags are one array for all keys, inside
``Matches``. ``_matched`` has a view of it for each group, so a probe updates both with one write. The views outlive the
sorted form: the next one starts from them, and keys that arrived in between have slots behind their ends. ``freeze``
copies the flags because probes go on to change them; rows and keys are shared.

Row numbers are valid only for the sorted form that returned them, so ``Pairs`` keep that form, and return rows instead
of numbers. Rows that are added, loaded or dropped while they are read do not change what they return. A probe marks its
keys as met when it begins, so a freeze or a new sorted form before its end has all flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from sabotnb.native import Matches, Probe
from sabotnb.state.grouped_batches import GroupedBatch, GroupedBatches
from sabotnb.state.held_rows import FrozenRows, KeyedRows
from sabotnb.state.keys import MISSING, check_group, compared, complete, find, groups_in
from sabotnb.state.row_store import FrozenRowStore

MATCHED = "matched"


@dataclass(slots=True)
class _Built:
    """The sorted form: numbered rows, the row numbers of each key, and the groups dropped since then (``gone``)."""

    rows: GroupedBatches
    matches: Matches
    gone: set[int] = field(default_factory=set)


class Pairs:
    """The pairs of one probing batch with the rows that were stored when the probe began."""

    def __init__(self, rows: GroupedBatches, probe: Probe) -> None:
        self._rows = rows
        self._probe = probe

    def next(self, limit: int) -> tuple[np.ndarray, pa.RecordBatch] | None:
        """Return the next pairs, at most ``limit``: numbers of probing rows, and stored rows; None at the end.

        The stored row is null for a probing row without a partner.
        """
        pairs = self._probe.next(limit)
        if pairs is None:
            return None
        mine, others = pairs
        return mine, self._rows.take(pa.array(others, mask=others < 0))


class BuildSide(KeyedRows):
    """Rows by key and, with ``outer``, a flag per key that a probe has met. Exported rows then have a column for it.

    A null key matches nothing. Rows are sorted by the first probe, and by the first probe after rows were added.
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

    def probe(self, keys: Sequence[pa.Array], *, outer: bool) -> Pairs:
        """Pair rows that have these keys with stored rows; with ``outer`` also return rows that have no partner."""
        built = self._ready()
        columns = [compared(column, field.type) for column, field in zip(keys, self._keys, strict=True)]
        found = find(self._index, columns)
        slots = found.slots
        if (valid := complete(columns)) is not None:
            slots = np.where(valid.to_numpy(zero_copy_only=False), slots, np.uint32(MISSING))
        return Pairs(built.rows, Probe(built.matches, slots, outer, found.groups))

    def take_unmatched(self, limit: int) -> Iterator[pa.RecordBatch]:
        """Remove all rows, and yield those whose key no probe has met, in batches of at most ``limit``.

        A batch leaves the state when it is yielded, and the rows that have met a partner leave before the first.
        """
        built = self._ready()
        rows, numbers = built.rows, built.matches.unmatched()
        if built.gone:
            numbers = numbers[~np.isin(rows.groups[numbers], list(built.gone))]
        parts = (numbers[start : start + limit] for start in range(0, len(numbers), limit))
        self._pile.replace([GroupedBatch(rows.take(part), rows.groups[part], rows.slots[part]) for part in parts])
        self._built, self._matched = None, {}
        while (batch := self.take_first()) is not None:
            yield batch

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
                # Views, not copies: a probe that marks a key in ``matches`` marks it here, too.
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
    """A frozen ``BuildSide`` with the flags of its keys."""

    def __init__(self, pile: FrozenRowStore, schema: pa.Schema, matched: Mapping[int, np.ndarray]) -> None:
        super().__init__(pile)
        self._schema = schema
        self._matched = matched

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group``, each with the flag of its key."""
        known = self._matched.get(group, np.zeros(0, np.bool_))
        for piece in self._pile.pieces(group):
            assert piece.slots is not None
            matched = np.zeros(piece.rows, np.bool_)
            inside = piece.slots < len(known)
            matched[inside] = known[piece.slots[inside]]
            yield pa.RecordBatch.from_arrays([*self._columns(piece), pa.array(matched)], schema=self._schema)
