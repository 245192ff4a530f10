"""Aggregates that keep a Python object per key: sketches, and classes of the user."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import Slots, canonical
from sabotnb.state.slot_ranges import SlotRange

SAMPLE = 32
"""Objects that are dumped to judge how large they all are."""


class ObjectKind(Protocol):
    """Operations on the object of a single key."""

    def make(self) -> Any:
        """Create an object that has seen no rows."""

    def copy(self, target: Any) -> Any:
        """Copy ``target``; the copy shares no mutable state with it."""

    def add(self, target: Any, values: pa.Array) -> None:
        """Add values of one key: at least one, nulls included."""

    def merge(self, target: Any, other: Any) -> Any:
        """Merge ``other`` into ``target``; returns the merged object, which may be ``target`` itself."""

    def dump(self, target: Any) -> bytes:
        """The object as bytes."""
        ...

    def restore(self, data: bytes) -> Any:
        """The object from the bytes that ``dump`` returned."""

    def results(self, targets: Sequence[Any]) -> pa.Array:
        """The values of the aggregate for these keys."""
        ...


class SlotObjects:
    """Python objects by key group and slot. An object that a frozen list shares is copied before it changes.

    A freeze marks every object with a byte and copies none; only those that change later are copied, one by one.
    """

    def __init__(self, make: Callable[[], Any], copy: Callable[[Any], Any]) -> None:
        self._make = make
        self._copy = copy
        self._objects: dict[int, list[Any]] = {}
        self._shared: dict[int, bytearray] = {}

    def own(self, group: int, slot: int) -> Any:
        """The object of a slot, for a caller that changes it: created if missing, copied if a frozen list shares it."""
        objects = self._objects.get(group)
        if objects is None or slot >= len(objects):
            objects = self._upto(group, slot)
        shared = self._shared.get(group)
        if shared is not None and slot < len(shared) and shared[slot]:
            objects[slot] = self._copy(objects[slot])
            shared[slot] = 0
        return objects[slot]

    def put(self, group: int, slot: int, target: Any) -> None:
        """Replace the object that ``own`` returned."""
        self._objects[group][slot] = target

    def count(self, group: int) -> int:
        """Number of objects of ``group``."""
        return len(self._objects.get(group, ()))

    def groups(self) -> list[int]:
        """Key groups that have objects, ascending."""
        return sorted(self._objects)

    def read(self, span: SlotRange) -> list[Any]:
        """The objects of the slots of ``span``."""
        return self._upto(span.group, span.stop - 1)[span.start : span.stop]

    def freeze(self, group: int) -> list[Any]:
        """The objects of ``group`` as they are now."""
        objects = self._objects.get(group, [])
        self._shared[group] = bytearray(b"\1") * len(objects)
        return list(objects)

    def drop(self, group: int) -> None:
        """Remove the objects of ``group``."""
        self._objects.pop(group, None)
        self._shared.pop(group, None)

    def dumped_bytes(self, group: int, dump: Callable[[Any], bytes]) -> int:
        """Approximate size of the dumped objects of ``group`` in bytes, estimated from a sample."""
        objects = self._objects.get(group, [])
        some = objects[:: max(1, len(objects) // SAMPLE)]
        return sum(len(dump(target)) for target in some) * len(objects) // max(1, len(some))

    def shallow_bytes(self) -> int:
        """Approximate memory of the objects, without those they refer to; each counts as the first of its group."""
        return sum(len(objects) * sys.getsizeof(objects[0]) for objects in self._objects.values() if objects)

    def _upto(self, group: int, slot: int) -> list[Any]:
        """The objects of ``group``, extended with new ones to include ``slot``."""
        objects = self._objects.setdefault(group, [])
        while len(objects) <= slot:
            objects.append(self._make())
        return objects


class Objects:
    """The objects of all keys of one aggregate."""

    state_types: Sequence[pa.DataType] = (pa.binary(),)

    def __init__(self, column: str, kind: ObjectKind) -> None:
        self._column = column
        self._kind = kind
        self._objects = SlotObjects(kind.make, kind.copy)

    def update(self, slots: Slots, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""
        values = canonical.decoded(batch.column(self._column))
        order, runs = _runs(slots)
        values = values.take(pa.array(order))
        for group, slot, start, stop in runs:
            self._kind.add(self._objects.own(group, slot), values.slice(start, stop - start))

    def merge(self, slots: Slots, parts: Sequence[pa.Array]) -> None:
        """Merge a state column."""
        order, runs = _runs(slots)
        for group, slot, start, stop in runs:
            target = self._objects.own(group, slot)
            for row in order[start:stop]:
                target = self._kind.merge(target, self._kind.restore(parts[0][int(row)].as_py()))
            self._objects.put(group, slot, target)

    def freeze(self, groups: Sequence[int]) -> FrozenObjects:
        """The objects of ``groups`` as they are now; they are dumped only when the view is exported."""
        return FrozenObjects(self._kind, {group: self._objects.freeze(group) for group in groups})

    def result(self, spans: Sequence[SlotRange]) -> pa.Array:
        """The values of the aggregate for the slots of ``spans``."""
        return self._kind.results([target for span in spans for target in self._objects.read(span)])

    def drop(self, group: int) -> None:
        """Remove the objects of ``group``."""
        self._objects.drop(group)

    def nbytes(self, group: int) -> int:
        """Approximate size of the dumped objects of ``group``: their size in memory is not known."""
        return self._objects.dumped_bytes(group, self._kind.dump)

    def held(self) -> int:
        """Approximate bytes of the objects, without those they refer to: finding those would run user code."""
        return self._objects.shallow_bytes()


class FrozenObjects:
    """The objects when they were frozen; none of them changes any more."""

    def __init__(self, kind: ObjectKind, objects: Mapping[int, list[Any]]) -> None:
        self._kind = kind
        self._objects = dict(objects)

    def release(self, group: int) -> None:
        """Drop the objects of ``group``."""
        self._objects.pop(group, None)

    def state(self, span: SlotRange) -> list[pa.Array]:
        """The objects of ``span`` as bytes."""
        known = self._objects[span.group][span.start : span.stop]
        dumped = [self._kind.dump(target) for target in known]
        dumped += [self._kind.dump(self._kind.make()) for _ in range(len(span) - len(known))]
        return [pa.array(dumped, pa.binary())]


def _runs(slots: Slots) -> tuple[np.ndarray, Iterator[tuple[int, int, int, int]]]:
    """Sort rows by key. Returns their order, and (group, slot, start, stop) of the run of each key in it."""
    places = slots.slots.astype(np.uint64)
    if slots.groups is not None:
        places |= slots.groups.astype(np.uint64) << np.uint64(32)
    order = np.argsort(places, kind="stable")
    present, starts = np.unique(places[order], return_index=True)
    stops = np.append(starts[1:], len(order))
    groups, numbers = present >> np.uint64(32), present & np.uint64(0xFFFFFFFF)
    return order, zip(groups.tolist(), numbers.tolist(), starts.tolist(), stops.tolist(), strict=True)


def without_nulls(values: pa.Array) -> pa.Array:
    """The values that are not null."""
    return pc.drop_null(values) if values.null_count else values
