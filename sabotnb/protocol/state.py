"""The keyed-state protocol: everything that moves with key groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import pyarrow as pa


class Scope(str, Enum):
    """Who owns a state, and what a rescale does with it."""

    KEYED = "keyed"  # moves with its key groups
    BROADCAST = "broadcast"  # a full copy in every task
    SPLIT = "split"  # positions in a source's splits
    TASK = "task"  # flushed at every cut


@dataclass(frozen=True, slots=True)
class StateSpec:
    """What a task has to know of a state besides what the state itself tells.

    ``name`` is unique in its operator; ``version`` is that of the exported form.
    """

    name: str
    scope: Scope = Scope.KEYED
    version: int = 1


class Frozen(Protocol):
    """Some key groups as they were when they were frozen. May be read from any thread, and while the state goes on."""

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group`` in the state's schema, in pieces of bounded size, made as they are asked for."""
        ...


class KeyedState(Protocol):
    """State of one operator instance, apart for every key group. All methods are called from the task's thread.

    A row is in the group by which the shuffle routes it; without keys there is one group, 0.
    ``sabotnb.testing.KeyedStateSuite`` tests implementations.
    """

    @property
    def schema(self) -> pa.Schema:
        """Of exported batches."""
        ...

    def groups(self) -> Sequence[int]:
        """Key groups that hold something, ascending."""
        ...

    def freeze(self, groups: Sequence[int]) -> Frozen:
        """A view of ``groups`` as they are now. Sorts, encodes and pickles nothing, and runs no code of the user."""
        ...

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group`` as they are now, for a move: ``freeze([group]).export(group)``."""
        ...

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        """Merge exported rows of ``group``, in whatever batches, into what is there.

        Raises:
            ValueError: rows belong to another group.
        """
        ...

    def drop(self, group: int) -> None:
        """Forget ``group``; frozen views keep it."""
        ...

    def nbytes(self, group: int) -> int:
        """About how much memory ``group`` holds; of Python objects how large they are when they are pickled."""
        ...

    def size(self) -> tuple[int, int]:
        """How many keys there are, and about how many bytes of memory all groups hold.

        Called twice a second while somebody listens, so it must not look at every key, nor run code of the user.
        """
        ...
