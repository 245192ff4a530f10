"""Aggregates that keep a Python object per key: sketches, and classes of the user."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.native import canonical
from sabotnb.native.keyindex import Slots
from sabotnb.state.spans import Span


class ObjectKind(Protocol):
    """What is done with the object of one key."""

    def make(self) -> Any:
        """An object that has seen nothing."""

    def add(self, target: Any, values: pa.Array) -> None:
        """Take values of one key: at least one, nulls included."""

    def merge(self, target: Any, other: Any) -> Any:
        """What has seen what both have; may be ``target`` itself."""

    def dump(self, target: Any) -> bytes:
        """The object as bytes."""
        ...

    def restore(self, data: bytes) -> Any:
        """The object of ``dump``'s bytes."""

    def results(self, targets: Sequence[Any]) -> pa.Array:
        """The values of the aggregate for these keys."""
        ...


class Objects:
    """The objects of all keys of one aggregate, by group and slot."""

    state_types: Sequence[pa.DataType] = (pa.binary(),)

    def __init__(self, column: str, kind: ObjectKind) -> None:
        self._column = column
        self._kind = kind
        self._objects: dict[int, list[Any]] = {}
        self._nbytes: dict[int, int] = {}

    def update(self, slots: Slots, batch: pa.RecordBatch) -> None:
        """Take the rows of a batch."""
        values = canonical.decoded(batch.column(self._column))
        order, runs = _runs(slots)
        values = values.take(pa.array(order))
        for group, slot, start, stop in runs:
            self._kind.add(self._upto(group, slot)[slot], values.slice(start, stop - start))
            self._nbytes.pop(group, None)

    def merge(self, slots: Slots, parts: Sequence[pa.Array]) -> None:
        """Take a column that ``snapshot`` made."""
        order, runs = _runs(slots)
        for group, slot, start, stop in runs:
            of_group = self._upto(group, slot)
            for row in order[start:stop]:
                of_group[slot] = self._kind.merge(of_group[slot], self._kind.restore(parts[0][int(row)].as_py()))
            self._nbytes.pop(group, None)

    def snapshot(self, group: int, size: int) -> Callable[[], list[pa.Array]]:
        """The state column of the ``size`` slots of ``group`` as they are now."""
        column = pa.array([self._kind.dump(target) for target in self._first(group, size)], pa.binary())
        return lambda: [column]

    def result(self, spans: Sequence[Span]) -> pa.Array:
        """The values of the aggregate for the slots of ``spans``."""
        return self._kind.results(
            [target for span in spans for target in self._first(span.group, span.stop)[span.start : span.stop]]
        )

    def drop(self, group: int) -> None:
        """Forget ``group``."""
        self._objects.pop(group, None)
        self._nbytes.pop(group, None)

    def nbytes(self, group: int) -> int:
        """Size of the dumped objects of ``group``: what they hold in memory is not known."""
        if group not in self._nbytes:
            self._nbytes[group] = sum(len(self._kind.dump(target)) for target in self._objects.get(group, ()))
        return self._nbytes[group]

    def held(self) -> int:
        """Bytes of the objects themselves, without what they refer to: nobody's code is run to find out."""
        return sum(shallow_bytes(objects) for objects in self._objects.values())

    def _first(self, group: int, size: int) -> list[Any]:
        return self._upto(group, size - 1)[:size]

    def _upto(self, group: int, slot: int) -> list[Any]:
        """The objects of ``group``, up to ``slot`` at least."""
        of_group = self._objects.setdefault(group, [])
        while len(of_group) <= slot:
            of_group.append(self._kind.make())
        return of_group


def shallow_bytes(objects: Sequence[object]) -> int:
    """About how much memory objects of one kind take: as much each as the first of them."""
    return len(objects) * sys.getsizeof(objects[0]) if objects else 0


def _runs(slots: Slots) -> tuple[np.ndarray, Iterator[tuple[int, int, int, int]]]:
    """Sort rows by key: their order, and (group, slot, start, stop) of each key in it."""
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
