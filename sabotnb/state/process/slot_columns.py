"""Columns of values by slot: one for each state that a process function declares.

Theory of operation. A column has an array of values and an array that says which slots have one. Types of at most
64 bits are stored as numbers, all others as Python objects. Slots without a value are null when they are read.

A freeze copies nothing. It makes a ``ColumnImage``, which refers to the two arrays; before a slot is changed, its old
value is added to the log of each image that is still in use, once. When an array is replaced (to grow, or because slots
are numbered again), images keep the old array, which no longer changes. An image may be read from any thread: a writer
logs the old value before it changes the slot, and a reader copies the current values before it reads the log. Lists and
dicts are changed in place, so one that an image may refer to (``_shared``) is copied before its first change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any
from weakref import ref

import numpy as np
import pyarrow as pa
from pyarrow import types

from sabotnb.state.values import masked

OBJECT = np.dtype(object)
BYTES_OF_OBJECT = 64
"""Estimated size of a Python value."""


class SlotColumn:
    """The values of one state; slots are numbers from 0."""

    def __init__(self, data_type: pa.DataType) -> None:
        """Create a column of ``data_type`` without slots."""
        self.type = data_type
        self._values: np.ndarray = np.zeros(0, _stored_as(data_type))
        self._valid = np.zeros(0, np.bool_)
        self._shared = np.zeros(0, np.bool_)
        self._images: list[ref[ColumnImage]] = []

    def grow(self, size: int) -> None:
        """Make room for slots below ``size``; new ones have no value."""
        if size > len(self._valid):
            room = max(size, 2 * len(self._valid), 64)
            self._replace(np.arange(len(self._valid)), room)

    def renumber(self, kept: np.ndarray) -> None:
        """Keep the slots ``kept`` only, numbered in this order."""
        self._replace(kept, max(len(kept), 64))

    def read(self, slots: np.ndarray) -> pa.Array:
        """The values of ``slots``."""
        return _as_array(self._values[slots], self._valid[slots], self.type)

    def write(self, slots: np.ndarray, values: pa.Array) -> None:
        """Set the values of ``slots``, which are distinct; null removes one. ``values`` have the type of the column."""
        self._save(slots)
        valid = np.ones(len(slots), np.bool_) if not values.null_count else _numpy(values.is_valid())
        self._values[slots] = _as_stored(values, self._values.dtype)
        self._valid[slots] = valid

    def erase(self, slots: np.ndarray) -> None:
        """Remove the values of ``slots``."""
        self._save(slots)
        self._valid[slots] = False
        if self._values.dtype == OBJECT:
            self._values[slots] = None

    def present(self, count: int, start: int = 0) -> np.ndarray:
        """Mask of the first ``count`` slots, from ``start`` on: those with a value."""
        return self._valid[start:count].copy()

    def nbytes(self) -> int:
        """Estimated memory."""
        objects = int(np.count_nonzero(self._valid)) * BYTES_OF_OBJECT if self._values.dtype == OBJECT else 0
        return int(self._values.nbytes + self._valid.nbytes) + objects

    def freeze(self, count: int) -> ColumnImage:
        """The values of the first ``count`` slots as they are now."""
        image = ColumnImage(self.type, self._values, self._valid, count)
        self._shared[:count] = True
        self._images.append(ref(image))
        return image

    def _replace(self, kept: np.ndarray, room: int) -> None:
        values, valid, shared = np.zeros(room, self._values.dtype), np.zeros(room, np.bool_), np.zeros(room, np.bool_)
        if values.dtype == OBJECT:
            values[:] = None
        values[: len(kept)], valid[: len(kept)] = self._values[kept], self._valid[kept]
        shared[: len(kept)] = self._shared[kept]
        self._values, self._valid, self._shared, self._images = values, valid, shared, []

    def _save(self, slots: np.ndarray) -> None:
        if self._images:
            alive = [image for reference in self._images if (image := reference()) is not None]
            self._images = [ref(image) for image in alive]
            for image in alive:
                image.save(slots)


class ListColumn(SlotColumn):
    """Lists by slot. A slot without elements has no value."""

    def live(self, slot: int) -> list[Any]:
        """The list of a slot itself, which must not be changed."""
        found: list[Any] | None = self._values[slot]
        return found if found is not None else []

    def extend(self, slots: Sequence[int], added: Sequence[Sequence[Any]]) -> None:
        """Append elements, which are already values of the type, to the lists of ``slots``."""
        self._save(np.asarray(slots, np.int64))
        for slot, elements in zip(slots, added, strict=True):
            live = self._values[slot]
            if live is None or self._shared[slot]:  # a list that an image has must not change
                live = self._values[slot] = list(live or ())
                self._shared[slot] = False
            live.extend(elements)
            self._valid[slot] = bool(live)


class MapColumn(SlotColumn):
    """Dicts by slot. A slot without items has no value."""

    def live(self, slot: int) -> dict[Any, Any]:
        """The dict of a slot itself, which must not be changed."""
        found: dict[Any, Any] | None = self._values[slot]
        return found if found is not None else {}

    def update(self, slots: Sequence[int], changes: Sequence[tuple[Iterable[Any], Iterable[tuple[Any, Any]]]]) -> None:
        """Remove keys and set items, which are already values of the type, in the dicts of ``slots``."""
        self._save(np.asarray(slots, np.int64))
        for slot, (removed, items) in zip(slots, changes, strict=True):
            live = self._values[slot]
            if live is None or self._shared[slot]:  # a dict that an image has must not change
                live = self._values[slot] = dict(live or ())
                self._shared[slot] = False
            for key in removed:
                live.pop(key, None)
            live.update(items)
            self._valid[slot] = bool(live)


class ColumnImage:
    """A column when it was frozen; may be read from any thread."""

    def __init__(self, data_type: pa.DataType, values: np.ndarray, valid: np.ndarray, count: int) -> None:
        """Refer to the arrays of a column that has ``count`` slots."""
        self._type = data_type
        self._values, self._valid = values, valid
        self._count = count
        self._saved = np.zeros(count, np.bool_)
        self._log: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._old = OldValues(count, values.dtype)

    def save(self, slots: np.ndarray) -> None:
        """Keep the values of ``slots``, which are about to change."""
        chosen = slots < self._count
        slots = slots if chosen.all() else slots[chosen]
        saved = self._saved[slots]
        slots = slots[~saved] if saved.any() else slots.copy()
        if len(slots):
            self._saved[slots] = True
            self._log.append((slots, self._values[slots], self._valid[slots]))

    def read(self, slots: np.ndarray) -> pa.Array:
        """The values of ``slots``, which had a number when the column was frozen."""
        values, valid = self._parts(slots)
        return _as_array(values, valid, self._type)

    def present(self) -> np.ndarray:
        """Mask of the slots: those with a value."""
        return self._parts(np.arange(self._count))[1]

    def _parts(self, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, valid = self._values[slots], self._valid[slots]  # before the log, see the top of this module
        self._old.put_back(self._log, slots, values, valid)
        return values, valid


class OldValues:
    """The values in the log of an image by slot, for the threads that read it."""

    def __init__(self, count: int, dtype: np.dtype[Any]) -> None:
        self._count, self._dtype = count, dtype
        self._read = 0
        self._lock = threading.Lock()

    def put_back(
        self,
        log: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
        slots: np.ndarray,
        values: np.ndarray,
        valid: np.ndarray,
    ) -> None:
        """Replace those of the ``values`` and ``valid`` of ``slots`` that the log has."""
        if not log:
            return
        with self._lock:
            for saved, old_values, old_valid in log[self._read : (stop := len(log))]:
                self._logged[saved] = True
                self._values[saved], self._valid[saved] = old_values, old_valid
            self._read = stop
        logged = self._logged[slots]
        values[logged], valid[logged] = self._values[slots[logged]], self._valid[slots[logged]]

    @cached_property
    def _logged(self) -> np.ndarray:
        return np.zeros(self._count, np.bool_)

    @cached_property
    def _valid(self) -> np.ndarray:
        return np.zeros(self._count, np.bool_)

    @cached_property
    def _values(self) -> np.ndarray:
        return np.empty(self._count, self._dtype)


def _stored_as(data_type: pa.DataType) -> np.dtype[Any]:
    if types.is_boolean(data_type):
        return np.dtype(np.bool_)
    if types.is_primitive(data_type) and data_type.bit_width in (8, 16, 32, 64):
        return np.dtype(f"u{data_type.bit_width // 8}")
    return OBJECT


def _as_stored(values: pa.Array, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype == OBJECT:
        made = dict if types.is_map(values.type) else _itself
        stored = np.empty(len(values), OBJECT)
        for position, value in enumerate(values.to_pylist()):  # one by one, as NumPy would look into lists
            stored[position] = None if value is None else made(value)
        return stored
    if dtype == np.bool_:
        return _numpy(values.fill_null(pa.scalar(value=False)))
    buffer = values.buffers()[1]
    if buffer is None or not len(values):
        return np.zeros(len(values), dtype)
    return np.frombuffer(buffer, dtype, len(values), values.offset * dtype.itemsize)


def _as_array(values: np.ndarray, valid: np.ndarray, data_type: pa.DataType) -> pa.Array:
    if values.dtype == OBJECT:
        made = _items if types.is_map(data_type) else _itself
        return pa.array([made(value) if there else None for value, there in zip(values, valid, strict=True)], data_type)
    if values.dtype == np.bool_:
        return pa.array(values, data_type, mask=~valid)
    return masked(values, valid, data_type)


def _itself(value: Any) -> Any:
    return value


def _items(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    return list(value.items())


def _numpy(array: pa.Array) -> np.ndarray:
    found: np.ndarray = array.to_numpy(zero_copy_only=False)
    return found
