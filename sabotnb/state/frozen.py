"""Keyed state as it was at a cut, to be exported while the state goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sabotnb.state.fixed import Bytes
from sabotnb.state.layout import Field

EXPORT_ROWS = 65_536


@dataclass(slots=True)
class FrozenGroup:
    """One key group: its first ``size`` slots, the buffer of their rows and the states beside it.

    Keys are only ever added, so they are read from the live index, until the group is about to be dropped.
    """

    size: int
    keys: Callable[[], list[pa.Array]]
    rows: np.ndarray | None
    fields: list[tuple[int, Field]]
    loose: list[tuple[int, Callable[[], list[pa.Array]]]]


class FrozenAggregates:
    """A view of some key groups; ``export`` may be called from any thread."""

    def __init__(self, lock: threading.Lock, schema: pa.Schema, groups: Mapping[int, FrozenGroup]) -> None:
        self._lock = lock
        self._schema = schema
        self._groups = dict(groups)

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group`` in the state's schema, in batches of bounded size."""
        frozen = self._groups[group]
        with self._lock:
            keys = frozen.keys()
            rows = _first(frozen)
        columns: dict[int, list[pa.Array]] = {
            number: field.aggregate.state(field.of(rows)) for number, field in frozen.fields
        }
        columns |= {number: state() for number, state in frozen.loose}
        state = [part for number in sorted(columns) for part in columns[number]]
        batch = pa.RecordBatch.from_arrays([*keys, *state], schema=self._schema)
        for start in range(0, frozen.size, EXPORT_ROWS):
            yield batch.slice(start, EXPORT_ROWS)

    def keep(self, group: int) -> None:
        """Take the keys of ``group`` out of the live index, whose lock the caller holds."""
        frozen = self._groups.get(group)
        if frozen is not None:
            keys = frozen.keys()
            frozen.keys = lambda: keys


def _first(frozen: FrozenGroup) -> Bytes:
    """A copy of the rows, so that the buffer is not read while the state goes on with it."""
    width = max((field.offset + field.aggregate.width for _, field in frozen.fields), default=0)
    rows = np.zeros((frozen.size, width), np.uint8)
    if frozen.rows is not None:
        rows[:] = frozen.rows[: frozen.size, :width]
    return rows
