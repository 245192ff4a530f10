"""What a process function remembers of each key, as keyed state: declared columns and timers.

Theory of operation. One index gives every key a slot, whatever its key group, so that a batch is looked up, read and
written in a few vectorised calls. The key group of each slot is computed when a key is new: a cut asks which groups
there are, and must not wait for a million keys.

An index cannot remove a key. Keys that have neither a value nor a timer are *dead*; when they are more than half of a
large index, ``compact`` builds the index again from the others, which changes their slots. Slots are therefore valid
until the next call of ``compact`` or ``drop``.

A value that expires has a second column, the time of its last change. It is invisible from then + its TTL on, which the
reader decides; ``expire`` removes such values now and then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
import pyarrow as pa

from sabotnb.native import KeyIndex, KeyView, canonical, hash_rows, key_groups
from sabotnb.state.keys import check_group, plain_keys
from sabotnb.state.process.slot_columns import ColumnImage, ListColumn, MapColumn, SlotColumn
from sabotnb.state.process.slot_timers import SlotTimers, TimerRun, by_slot
from sabotnb.state.slot_ranges import in_pieces

KEY, CHANGED, TIMERS, ALARMS = "\0key ", "\0changed ", "\0timers", "\0alarms"
_SCANNED = 1 << 16
FEW = 1024
"""Keys up to which dead ones are not worth to be removed."""


class StateKind(str, Enum):
    """What a state has for each key: a value, a list, or a map."""

    VALUE = "value"
    LIST = "list"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A state of a process function; ``type`` is that of the whole value, ``ttl`` is in microseconds."""

    name: str
    kind: StateKind
    type: pa.DataType
    ttl: int | None = None


def optional_fields(declared: Sequence[DeclaredColumn]) -> tuple[str, ...]:
    """The fields of exported rows that an older version of the class may lack, or have though this one does not."""
    names = [column.name for column in declared]
    return (*names, *(CHANGED + name for name in names))


_COLUMNS = {StateKind.VALUE: SlotColumn, StateKind.LIST: ListColumn, StateKind.MAP: MapColumn}


class ProcessState:
    """Columns and timers by key. Implements ``protocol.KeyedState``."""

    def __init__(self, keys: pa.Schema, declared: Sequence[DeclaredColumn], groups: int) -> None:
        """Create a state without keys; ``keys`` are the fields of the key columns."""
        self._keys = keys
        self._groups = groups
        self._declared = {column.name: column for column in declared}
        self._index = KeyIndex(keys.types, 1)
        self._size = 0
        self._kept = 0
        self._group_of_slot = np.zeros(0, np.uint16)
        self._met = np.zeros(groups, np.bool_)
        self.columns: dict[str, SlotColumn] = {name: _COLUMNS[c.kind](c.type) for name, c in self._declared.items()}
        self.changed = {column.name: SlotColumn(pa.int64()) for column in declared if column.ttl is not None}
        """When the values that expire were changed last, in microseconds."""
        self.timers = SlotTimers()
        """Timers of event time."""
        self.alarms = SlotTimers()
        """Timers of processing time."""
        self._next_expiry = dict.fromkeys(self.changed, -(2**63))
        self.schema = pa.schema(
            [
                *(field.with_name(KEY + field.name) for field in plain_keys(self._index, keys)),
                *(pa.field(column.name, column.type) for column in declared),
                *(pa.field(CHANGED + name, pa.int64()) for name in self.changed),
                pa.field(TIMERS, pa.list_(pa.int64())),
                pa.field(ALARMS, pa.list_(pa.int64())),
            ]
        )

    def slots(self, columns: Sequence[pa.Array]) -> np.ndarray:
        """The slot of each row's key (int64); new keys get one."""
        found: np.ndarray = self._index.upsert(columns).slots.astype(np.int64)
        self._grow()
        return found

    def keys(self, slots: np.ndarray) -> list[pa.Array]:
        """The keys of ``slots``, in plain types."""
        return self._index.view().take(slots.astype(np.uint32))

    def expire(self, us: int) -> None:
        """Remove values whose TTL has passed at ``us``; looks for them when an eighth of a TTL has passed."""
        for name, changed in self.changed.items():
            ttl = self._declared[name].ttl or 0
            if us < self._next_expiry[name]:
                continue
            self._next_expiry[name] = us + ttl // 8
            there = np.flatnonzero(changed.present(self._size))
            old = there[changed.read(there).to_numpy() + ttl <= us] if len(there) else there
            self.columns[name].erase(old)
            changed.erase(old)

    def date(self, us: int) -> None:
        """Let values without a time of change expire as if they were set at ``us``: they had no TTL when saved."""
        for name, changed in self.changed.items():
            undated = self.columns[name].present(self._size) & ~changed.present(self._size)
            slots = np.flatnonzero(undated)
            changed.write(slots, pa.array(np.full(len(slots), us)))

    def compact(self) -> None:
        """Number slots again without dead keys, if these are many."""
        if self._size < 2 * max(self._kept, FEW):
            return
        live = self._live()
        if 2 * len(live) <= self._size:
            self._keep(live)
        self._kept = max(len(live), self._size // 2)  # else a large index is looked at too often

    def groups(self) -> Sequence[int]:
        of_slot = self._group_of_slot[: self._size]
        known = np.count_nonzero(self._met)
        found = np.zeros(self._groups, np.bool_)
        for slots in self._live_slots():
            found[of_slot[slots]] = True
            if np.count_nonzero(found) == known:
                break
        groups: list[int] = np.flatnonzero(found).tolist()
        return groups

    def freeze(self, groups: Sequence[int]) -> FrozenProcess:
        columns = {**self.columns, **{CHANGED + name: column for name, column in self.changed.items()}}
        images = {name: column.freeze(self._size) for name, column in columns.items()}
        return FrozenProcess(
            self.schema,
            self._index.view(),
            images,
            self.timers.freeze(),
            self.alarms.freeze(),
            self._group_of_slot[: self._size],
            _mask(self._groups, groups),
        )

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            keys = batch.columns[: len(self._keys)]
            check_group(group, np.unique(_groups_of(keys, self._groups)).tolist())
            slots = self.slots(keys)
            named = dict(zip(batch.schema.names, batch.columns, strict=True))
            for name, column in self._declared.items():
                self._load(column, slots, named[name], named.get(CHANGED + name))
            for name, timers in ((TIMERS, self.timers), (ALARMS, self.alarms)):
                owners = np.repeat(slots, named[name].value_lengths().to_numpy())
                timers.add(named[name].flatten().to_numpy(), owners)

    def drop(self, group: int) -> None:
        live = self._live()
        gone = self._group_of_slot[live] == group
        if gone.any():
            self._keep(live[~gone])

    def nbytes(self, group: int) -> int:
        live = self._live()
        share = np.count_nonzero(self._group_of_slot[live] == group) / len(live) if len(live) else 0.0
        return int(self.size()[1] * share)

    def size(self) -> tuple[int, int]:
        columns = (*self.columns.values(), *self.changed.values())
        held = sum(column.nbytes() for column in columns) + self.timers.nbytes() + self.alarms.nbytes()
        return self._size, self._index.nbytes() + held

    def _load(self, declared: DeclaredColumn, slots: np.ndarray, values: pa.Array, changed: pa.Array | None) -> None:
        """Merge loaded values: lists and maps with those that are there, of other values the later one stays."""
        there = np.asarray(values.is_valid())
        column = self.columns[declared.name]
        if changed is not None:
            mine = self.changed[declared.name]
            before = mine.read(slots).fill_null(-(2**63)).to_numpy()
            loaded = changed.fill_null(-(2**63)).to_numpy()
            if declared.kind is StateKind.VALUE:
                there &= loaded >= before
            latest = np.maximum(before, loaded)
            dated = there & (latest > -(2**63))
            mine.write(slots[dated], pa.array(latest[dated]))
        chosen, given = slots[there], values.filter(pa.array(there))
        if isinstance(column, ListColumn):
            column.extend(chosen.tolist(), given.to_pylist())
        elif isinstance(column, MapColumn):
            column.update(chosen.tolist(), [((), items) for items in given.to_pylist()])
        else:
            column.write(chosen, given)

    def _grow(self) -> None:
        before, self._size = self._size, self._index.size()
        if self._size > len(self._group_of_slot):
            grown = np.zeros(max(self._size, 2 * len(self._group_of_slot), 64), np.uint16)
            grown[:before] = self._group_of_slot[:before]
            self._group_of_slot = grown
        if self._size > before:
            new = self._index.view().keys(before, self._size)
            self._group_of_slot[before : self._size] = _groups_of(new, self._groups)
            self._met[self._group_of_slot[before : self._size]] = True
        for column in (*self.columns.values(), *self.changed.values()):
            column.grow(self._size)

    def _live_slots(self) -> Iterator[np.ndarray]:
        """Slots of keys that have a value or a timer, some of them twice; a few at a time."""
        for column in self.columns.values():
            for start in range(0, self._size, _SCANNED):
                yield start + np.flatnonzero(column.present(min(self._size, start + _SCANNED), start))
        for _, slots in (*self.timers.freeze(), *self.alarms.freeze()):
            yield slots

    def _live(self) -> np.ndarray:
        """The slots of keys that have a value or a timer."""
        masks = [column.present(self._size) for column in self.columns.values()]
        return _live(self._size, masks, (self.timers.all(), self.alarms.all()))

    def _keep(self, live: np.ndarray) -> None:
        numbers = np.full(self._size, -1, np.int64)
        numbers[live] = np.arange(len(live))
        keys = self.keys(live)
        self._index = KeyIndex(self._keys.types, 1)
        if len(live):
            self._index.upsert(keys)
        for column in (*self.columns.values(), *self.changed.values()):
            column.renumber(live)
        self.timers.renumber(numbers)
        self.alarms.renumber(numbers)
        self._group_of_slot = self._group_of_slot[live]
        self._met[:] = False
        self._met[self._group_of_slot] = True
        self._size = len(live)


class FrozenProcess:
    """The state when it was frozen; may be read from any thread."""

    def __init__(
        self,
        schema: pa.Schema,
        view: KeyView,
        images: Mapping[str, ColumnImage],
        timers: Sequence[TimerRun],
        alarms: Sequence[TimerRun],
        group_of_slot: np.ndarray,
        wanted: np.ndarray,
    ) -> None:
        """Keep views and images of the parts of a state; what all groups need is computed by the first export."""
        self._schema = schema
        self._view = view
        self._images = images
        self._runs = timers, alarms
        self._group_of_slot = group_of_slot
        self._wanted = wanted

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The keys of ``group`` with their values and timers."""
        slots, groups = self._slots
        first, last = np.searchsorted(groups, (group, group + 1))
        wanted = slots[first:last]
        return in_pieces(len(wanted), lambda start, stop: self._piece(wanted[start:stop]))

    @cached_property
    def _slots(self) -> tuple[np.ndarray, np.ndarray]:
        """The slots of all live keys, sorted by key group, and these groups: once for all exports."""
        masks = [image.present() for image in self._images.values()]
        live = _live(len(self._view), masks, self._timers)
        live = live[self._wanted[self._group_of_slot[live]]]
        groups = self._group_of_slot[live]
        order = np.argsort(groups, kind="stable")
        return live[order], groups[order]

    @cached_property
    def _timers(self) -> tuple[TimerRun, TimerRun]:
        timers, alarms = self._runs
        return self._of_wanted(timers), self._of_wanted(alarms)

    def _of_wanted(self, runs: Sequence[TimerRun]) -> TimerRun:
        at, slots = by_slot([(at[kept], slots[kept]) for at, slots in runs if len(kept := self._kept(slots))])
        return at, slots

    def _kept(self, slots: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.flatnonzero(self._wanted[self._group_of_slot[slots]])
        return found

    def _piece(self, slots: np.ndarray) -> pa.RecordBatch:
        columns = self._view.take(slots.astype(np.uint32))
        columns += [self._images[name].read(slots) for name in self._schema.names if name in self._images]
        columns += [_lists(*timers, slots) for timers in self._timers]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


def _live(count: int, masks: Sequence[np.ndarray], timers: Sequence[TimerRun]) -> np.ndarray:
    live = np.zeros(count, np.bool_)
    for mask in masks:
        live |= mask
    for _, slots in timers:
        live[slots] = True
    return np.flatnonzero(live)


def _groups_of(keys: Sequence[pa.Array], groups: int) -> np.ndarray:
    if not len(keys[0]):
        return np.zeros(0, np.uint16)
    found: np.ndarray = key_groups(hash_rows([canonical.decoded(key) for key in keys]), groups).to_numpy()
    return found


def _mask(count: int, chosen: Sequence[int]) -> np.ndarray:
    mask = np.zeros(count, np.bool_)
    mask[list(chosen)] = True
    return mask


def _lists(at: np.ndarray, owners: np.ndarray, slots: np.ndarray) -> pa.Array:
    """The timers of each of ``slots``; ``at`` and ``owners`` are sorted by owner and time."""
    starts, stops = np.searchsorted(owners, slots), np.searchsorted(owners, slots, side="right")
    offsets = np.append(0, np.cumsum(stops - starts))
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], stops - starts)
    chosen = np.repeat(starts, stops - starts) + within
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(at[chosen], pa.int64()))
