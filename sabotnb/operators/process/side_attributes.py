"""The attributes that a side input has set, as state that every task has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.operators.process.keyed_process import HANDLES
from sabotnb.protocol import Frozen


class SideAttributes:
    """The attributes of an instance, pickled as one row of group 0. Implements ``protocol.KeyedState``."""

    schema = pa.schema({"attributes": pa.binary()})

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self._size = 0

    def groups(self) -> Sequence[int]:
        return [0] if self._attributes() else []

    def freeze(self, groups: Sequence[int]) -> Frozen:
        return _FrozenAttributes(self.schema, self._dumped())

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        return self.freeze([group]).export(group)

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        import cloudpickle

        for batch in batches:
            for data in batch.column(0).to_pylist():
                self._instance.__dict__.update(cloudpickle.loads(data))

    def drop(self, group: int) -> None:
        for name in self._attributes():
            del self._instance.__dict__[name]

    def nbytes(self, group: int) -> int:
        return len(self._dumped()) if self._attributes() else 0

    def size(self) -> tuple[int, int]:
        """Count the attributes; their size is not known without pickling them."""
        return 0, 64 * len(self._attributes())

    def _attributes(self) -> dict[str, Any]:
        return {name: value for name, value in self._instance.__dict__.items() if name != HANDLES}

    def _dumped(self) -> bytes:
        import cloudpickle

        data: bytes = cloudpickle.dumps(self._attributes())
        return data


class _FrozenAttributes:
    """The attributes when they were frozen: pickled at once, as the function may change any object in them."""

    def __init__(self, schema: pa.Schema, data: bytes) -> None:
        self._schema = schema
        self._data = data

    def export(self, group: int) -> Iterator[pa.RecordBatch]:
        """One row with all attributes."""
        yield pa.RecordBatch.from_arrays([pa.array([self._data], pa.binary())], schema=self._schema)
