"""The keyed-state protocol: everything that moves with key groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import pyarrow as pa


class Frozen(Protocol):
    """An immutable view of some key groups at the moment of a cut; read by a writer thread."""

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """The rows of ``group`` in the state's Arrow schema."""
        ...


class KeyedState(Protocol):
    """State of one operator instance, one table per key group: every method costs O(group), not O(state)."""

    def groups(self) -> Sequence[int]:
        """Key groups that hold rows."""
        ...

    def freeze(self, groups: Sequence[int]) -> Frozen:
        """A copy-on-write view of ``groups``."""
        ...

    def export(self, group: int) -> Iterable[pa.RecordBatch]:
        """The rows of ``group``, for a move or a checkpoint."""
        ...

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        """Merge exported rows into ``group``."""
        ...

    def drop(self, group: int) -> None:
        """Forget ``group``."""
        ...

    def nbytes(self, group: int) -> int:
        """Memory that ``group`` holds."""
        ...
