"""Handles of states in ``on_row``: the value, list or map of the key whose row is processed.

Theory of operation. Rows are processed in slices of some thousand. The keys of a slice are numbered, and a handle reads
the values of all of them at once, when the first is asked for. What a function changes stays in the handle, by the
number of the key, until ``flush`` writes it to the columns in one call; values are checked against the declared type
there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from sabotnb.errors import InvalidUse
from sabotnb.expr import Misfit, exact_array
from sabotnb.foreign import Hinted
from sabotnb.operators.process.keyed_process import DeclaredState
from sabotnb.state import ListColumn, MapColumn, ProcessState, SlotColumn, StateKind

_NEVER = -(2**63)


class WrongState(Exception):  # noqa: N818  never reaches the user: the operator adds the function and the key
    """A value does not fit its state; ``number`` is that of the key."""

    def __init__(self, problem: str, number: int) -> None:
        super().__init__(problem)
        self.number = number


class KeyCursor:
    """The keys of a slice, by number, and which of them the function is called for."""

    def __init__(self) -> None:
        self.slots = np.zeros(0, np.int64)
        self.number = -1
        self.now = 0
        """The time at which values expire, in microseconds."""

    def begin(self, slots: np.ndarray) -> None:
        """Begin a slice with the keys of ``slots``, which are distinct."""
        self.slots = slots
        self.number = -1

    def demand_key(self, name: str) -> int:
        """The number of the key; InvalidUse where there is none."""
        if self.number < 0:
            raise InvalidUse(
                f"{name} belongs to a key, and on_side_row has none; use an attribute: self.limit = row['limit']"
            )
        return self.number


class RowHandle(Protocol):
    """The state of the keys of a slice."""

    def begin(self) -> None:
        """Forget the slice before."""
        ...

    def flush(self) -> None:
        """Write what has changed to the column; WrongState for a value of another type."""
        ...


class _Changes:
    """When the states of keys were changed last, for those that expire."""

    def __init__(self, declared: DeclaredState, state: ProcessState, cursor: KeyCursor) -> None:
        self._ttl = declared.ttl
        self._column = state.changed.get(declared.name)
        self._cursor = cursor
        self._times: list[int] | None = None

    def begin(self) -> None:
        self._times = None

    def expired(self, number: int) -> bool:
        """True if the state of a key has expired."""
        return self._ttl is not None and self._loaded()[number] + self._ttl <= self._cursor.now

    def note(self, number: int) -> None:
        """The state of a key changes now."""
        if self._ttl is not None:
            times = self._loaded()
            times[number] = self._cursor.now if self.expired(number) else max(times[number], self._cursor.now)

    def write(self, numbers: list[int]) -> None:
        """Write the times of changed keys."""
        if self._column is not None and numbers:
            times = self._loaded()
            self._column.write(self._cursor.slots[numbers], pa.array([times[number] for number in numbers], pa.int64()))

    def _loaded(self) -> list[int]:
        if self._times is None:
            assert self._column is not None
            self._times = self._column.read(self._cursor.slots).fill_null(_NEVER).to_pylist()
        return self._times


class RowValue(Hinted):
    """The value of the current key."""

    def __init__(self, declared: DeclaredState, state: ProcessState, cursor: KeyCursor) -> None:
        self._declared = declared
        self._column: SlotColumn = state.columns[declared.name]
        self._changes = _Changes(declared, state, cursor)
        self._cursor = cursor
        self.begin()

    def begin(self) -> None:
        self._values: list[Any] | None = None
        self._changed: dict[int, None] = {}
        self._changes.begin()

    def get(self) -> Any:
        """Return the value; the default if none is set."""
        number = self._cursor.demand_key(self._declared.name)
        found = self._loaded()[number]
        if found is None or self._changes.expired(number):
            default = self._declared.default
            return deepcopy(default) if isinstance(default, list | dict) else default
        return found

    def set(self, value: Any) -> None:
        """Set the value; None removes it."""
        number = self._cursor.demand_key(self._declared.name)
        self._loaded()[number] = value
        self._changed[number] = None
        self._changes.note(number)

    def clear(self) -> None:
        """Remove the value."""
        self.set(None)

    def flush(self) -> None:
        if self._changed:
            numbers = list(self._changed)
            values = self._loaded()
            written = _exact(self._declared, [values[number] for number in numbers], self._declared.type, numbers)
            self._column.write(self._cursor.slots[numbers], written)
            self._changes.write(numbers)

    def _loaded(self) -> list[Any]:
        if self._values is None:
            self._values = self._column.read(self._cursor.slots).to_pylist()
        return self._values


class RowList(Hinted):
    """The list of the current key."""

    def __init__(self, declared: DeclaredState, state: ProcessState, cursor: KeyCursor) -> None:
        column = state.columns[declared.name]
        assert isinstance(column, ListColumn)
        self._declared = declared
        self._column = column
        self._changes = _Changes(declared, state, cursor)
        self._cursor = cursor
        self.begin()

    def begin(self) -> None:
        self._replaced: dict[int, list[Any]] = {}
        self._added: dict[int, list[Any]] = {}
        self._changes.begin()

    def get(self) -> list[Any]:
        """Return a copy of the list."""
        number = self._here()
        before = self._replaced.get(number)
        if before is None:
            before = self._column.live(int(self._cursor.slots[number]))
        return [*before, *self._added.get(number, ())]

    def append(self, value: Any) -> None:
        """Add an element at the end."""
        self.extend((value,))

    def extend(self, values: Iterable[Any]) -> None:
        """Add elements at the end."""
        number = self._here()
        self._added.setdefault(number, []).extend(values)
        self._changes.note(number)

    def set(self, values: Iterable[Any]) -> None:
        """Replace the list."""
        number = self._here()
        self._replaced[number] = list(values)
        self._added.pop(number, None)
        self._changes.note(number)

    def clear(self) -> None:
        """Remove all elements."""
        self.set(())

    def __len__(self) -> int:
        return len(self.get())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.get())

    def flush(self) -> None:
        slots = self._cursor.slots
        if self._replaced:
            numbers = list(self._replaced)
            lists = [elements or None for elements in self._replaced.values()]
            self._column.write(slots[numbers], _exact(self._declared, lists, self._declared.type, numbers))
        if self._added:
            numbers = list(self._added)
            owners = [number for number, elements in self._added.items() for _ in elements]
            flat = [element for elements in self._added.values() for element in elements]
            exact = iter(_exact(self._declared, flat, self._declared.type.value_type, owners).to_pylist())
            parts = [[next(exact) for _ in elements] for elements in self._added.values()]
            self._column.extend(slots[numbers].tolist(), parts)
        self._changes.write([*{**self._replaced, **self._added}])

    def _here(self) -> int:
        """The number of the key, whose list is empty from now on if it has expired, also within the slice."""
        number = self._cursor.demand_key(self._declared.name)
        if self._changes.expired(number):
            self._replaced[number] = []
            self._added.pop(number, None)
        return number


class RowMap(Hinted):
    """The map of the current key, used as a dict."""

    def __init__(self, declared: DeclaredState, state: ProcessState, cursor: KeyCursor) -> None:
        column = state.columns[declared.name]
        assert isinstance(column, MapColumn)
        self._declared = declared
        self._column = column
        self._changes = _Changes(declared, state, cursor)
        self._cursor = cursor
        self.begin()

    def begin(self) -> None:
        self._changed: dict[int, dict[Any, Any]] = {}
        self._removed: dict[int, set[Any]] = {}
        self._cleared: set[int] = set()
        self._changes.begin()

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of ``key``, or ``default``."""
        number = self._here()
        if key in self._changed.get(number, ()):
            return self._changed[number][key]
        if number in self._cleared or key in self._removed.get(number, ()):
            return default
        return self._column.live(int(self._cursor.slots[number])).get(key, default)

    def items(self) -> Iterable[tuple[Any, Any]]:
        """Return the keys with their values."""
        return self._whole().items()

    def keys(self) -> Iterable[Any]:
        """Return the keys."""
        return self._whole().keys()

    def values(self) -> Iterable[Any]:
        """Return the values."""
        return self._whole().values()

    def pop(self, key: Any, default: Any = None) -> Any:
        """Remove ``key`` and return its value, or ``default``."""
        found = self.get(key, default)
        number = self._here()
        self._changed.setdefault(number, {}).pop(key, None)
        self._removed.setdefault(number, set()).add(key)
        self._changes.note(number)
        return found

    def clear(self) -> None:
        """Remove all keys."""
        number = self._here()
        self._forget(number)
        self._changes.note(number)

    def __getitem__(self, key: Any) -> Any:
        found = self.get(key, _MISSING)
        if found is _MISSING:
            raise KeyError(key)
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        number = self._here()
        self._changed.setdefault(number, {})[key] = value
        self._removed.get(number, set()).discard(key)
        self._changes.note(number)

    def __delitem__(self, key: Any) -> None:
        if self.pop(key, _MISSING) is _MISSING:
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return self.get(key, _MISSING) is not _MISSING

    def __len__(self) -> int:
        return len(self._whole())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._whole())

    def flush(self) -> None:
        touched = [*dict.fromkeys((*self._cleared, *self._removed, *self._changed))]
        if not touched:
            return
        slots = self._cursor.slots
        self._column.erase(slots[list(self._cleared)])
        owners = [number for number in touched for _ in self._changed.get(number, ())]
        pairs = [pair for number in touched for pair in self._changed.get(number, {}).items()]
        kind = self._declared.type
        keys = _exact(self._declared, [key for key, _ in pairs], kind.key_type, owners).to_pylist()
        values = _exact(self._declared, [value for _, value in pairs], kind.item_type, owners).to_pylist()
        exact = iter(zip(keys, values, strict=True))
        changes = [
            (self._removed.get(number, ()), [next(exact) for _ in self._changed.get(number, ())]) for number in touched
        ]
        self._column.update(slots[touched].tolist(), changes)
        self._changes.write(touched)

    def _whole(self) -> dict[Any, Any]:
        number = self._here()
        before = {} if number in self._cleared else self._column.live(int(self._cursor.slots[number]))
        removed = self._removed.get(number, ())
        return {**{key: value for key, value in before.items() if key not in removed}, **self._changed.get(number, {})}

    def _here(self) -> int:
        """The number of the key, whose map is empty from now on if it has expired, also within the slice."""
        number = self._cursor.demand_key(self._declared.name)
        if self._changes.expired(number):
            self._forget(number)
        return number

    def _forget(self, number: int) -> None:
        self._cleared.add(number)
        self._changed.pop(number, None)
        self._removed.pop(number, None)


_MISSING = object()
_HANDLES: dict[StateKind, Any] = {StateKind.VALUE: RowValue, StateKind.LIST: RowList, StateKind.MAP: RowMap}


def row_handle(declared: DeclaredState, state: ProcessState, cursor: KeyCursor) -> RowHandle:
    """The handle of a state."""
    handle: RowHandle = _HANDLES[declared.kind](declared, state, cursor)
    return handle


def _exact(declared: DeclaredState, values: list[Any], data_type: pa.DataType, owners: list[int]) -> pa.Array:
    try:
        return exact_array(values, data_type)
    except Misfit as misfit:
        place = misfit.position if misfit.position is not None else 0
        raise WrongState(
            f"set state {declared.name!r} to {misfit.what}, which is not {data_type}; set that, or change its type",
            owners[place],
        ) from misfit
