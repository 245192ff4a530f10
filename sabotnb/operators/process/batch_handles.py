"""Handles of states in ``on_batch``: arrays with one value for each key of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.errors import InvalidUse
from sabotnb.expr import Misfit, exact_column
from sabotnb.foreign import Hinted
from sabotnb.operators.process.contexts import demand_one_per_key
from sabotnb.operators.process.keyed_process import DeclaredState
from sabotnb.state import ProcessState

_NEVER = -(2**63)


class BatchCursor:
    """The keys of a batch, and for each the times of its first and its last row, at which values expire and change."""

    def __init__(self) -> None:
        self.slots: np.ndarray | None = None
        self.first = self.last = np.zeros(0, np.int64)

    def begin(self, slots: np.ndarray | None, first: np.ndarray, last: np.ndarray) -> None:
        """Begin a batch with the keys of ``slots``, which are distinct; None if there are no keys."""
        self.slots, self.first, self.last = slots, first, last


class BatchHandle(Hinted):
    """A state of the keys of a batch."""

    def __init__(self, declared: DeclaredState, state: ProcessState, cursor: BatchCursor) -> None:
        self._declared = declared
        self._column = state.columns[declared.name]
        self._changed = state.changed.get(declared.name)
        self._cursor = cursor

    def get(self) -> pa.Array:
        """Return the value of each key; the default, or null, where none is set."""
        slots = self._slots()
        found = self._column.read(slots)
        if self._changed is not None and self._declared.ttl is not None:
            changed = self._changed.read(slots).fill_null(_NEVER).to_numpy()
            found = _where(found, changed > self._cursor.first - self._declared.ttl)
        if found.null_count and self._declared.default is not None:
            found = found.fill_null(pa.scalar(self._declared.default, self._declared.type))
        return found

    def set(self, values: Any) -> None:
        """Set the value of each key; null removes it."""
        slots, name = self._slots(), self._declared.name
        try:
            exact = exact_column(values, self._declared.type)
        except Misfit as misfit:
            raise InvalidUse(
                f"{name}.set got {misfit.what}, and the state is {self._declared.type}; pass an array of that type"
            ) from misfit
        demand_one_per_key(exact, len(slots), f"{name}.set")
        self._column.write(slots, exact)
        if self._changed is not None:
            before = self._changed.read(slots).fill_null(_NEVER).to_numpy()
            self._changed.write(slots, pa.array(np.maximum(before, self._cursor.last)))

    def clear(self) -> None:
        """Remove the values of all keys of the batch."""
        self._column.erase(self._slots())

    def _slots(self) -> np.ndarray:
        if self._cursor.slots is None:
            raise InvalidUse(
                f"{self._declared.name} belongs to keys, and on_side_row has none; use an attribute: "
                "self.limit = row['limit']"
            )
        return self._cursor.slots


def _where(values: pa.Array, mask: np.ndarray) -> pa.Array:
    """The values, null where ``mask`` is false; for every type."""
    return values if mask.all() else values.take(pa.array(np.arange(len(values)), mask=~mask))
