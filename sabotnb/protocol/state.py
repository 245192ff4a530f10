"""The keyed-state protocol: state that is frozen, exported, moved and dropped by key group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import pyarrow as pa


class Scope(str, Enum):
    """Who owns a state, and which tasks load it with another parallelism."""

    KEYED = "keyed"  # each key group belongs to one task
    BROADCAST = "broadcast"  # a full copy in every task, which loads that of one task
    SPLIT = "split"  # positions in a source's splits
    TASK = "task"  # rows in flight, whatever their keys: of n tasks, task i loads that of every n-th, from i on


@dataclass(frozen=True, slots=True)
class StateSpec:
    """The name, scope and version under which a task manages a state.

    ``name`` is unique in its operator; ``version`` is that of the exported form. Fields of the exported form that are
    ``optional`` may be missing in saved rows, and are null then (``fit_state``).
    """

    name: str
    scope: Scope = Scope.KEYED
    version: int = 1
    optional: tuple[str, ...] = ()


UNSENT = "unsent results"
"""The name of a state that a task has of any of its operators: results that a cut found computed and not sent."""


class Frozen(Protocol):
    """A snapshot of some key groups. May be read from any thread, while the state itself is being modified."""

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group`` in the state's schema, in batches of bounded size, built lazily."""
        ...


@runtime_checkable
class Releasable(Protocol):
    """A snapshot that can release one key group before the others. Implement it if a snapshot makes changes dearer.

    A checkpoint releases each group when it has exported it, and the whole snapshot before it waits for the disk.
    """

    def release(self, group: int) -> None:
        """Drop what only ``group`` needs; it is not exported again. Called at most once, from any thread."""
        ...


class KeyedState(Protocol):
    """State of one operator instance, separable by key group. All methods are called from the task's thread.

    A row belongs to the group by which the shuffle routes it; without keys there is one group, 0.
    ``sabotnb.testing.KeyedStateSuite`` tests implementations.
    """

    @property
    def schema(self) -> pa.Schema:
        """The schema of exported batches."""
        ...

    def groups(self) -> Sequence[int]:
        """Key groups that are not empty, ascending.

        Every cut asks, so some may be empty if finding out would visit every key.
        """
        ...

    def freeze(self, groups: Sequence[int]) -> Frozen:
        """A snapshot of ``groups``. Must be cheap: no sorting, encoding or pickling, and no user code."""
        ...

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The current rows of ``group``, to move it: ``freeze([group]).export(group)``.

        To move several groups, freeze them together: what all of them need is then computed once.
        """
        ...

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        """Merge exported rows of ``group``, batched in any way, into the state.

        Raises:
            ValueError: rows belong to another group.
        """
        ...

    def drop(self, group: int) -> None:
        """Remove ``group``; snapshots keep it."""
        ...

    def nbytes(self, group: int) -> int:
        """Estimated memory of ``group`` in bytes; Python objects count with their pickled size."""
        ...

    def size(self) -> tuple[int, int]:
        """The number of keys, and the estimated memory of all groups in bytes.

        Called twice a second while metrics are watched, so it must neither visit every key nor run user code.
        """
        ...
