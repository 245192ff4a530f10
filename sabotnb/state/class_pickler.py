"""Pickle objects without their class, which both sides already have."""

from __future__ import annotations

import io
import pickle
from typing import Any

import cloudpickle
import pyarrow as pa

from sabotnb.pickling import reduced_array

CLASS = 0
"""What stands for the class."""


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
    def __init__(self, file: io.BytesIO, left_out: type) -> None:
        super().__init__(file)
        self._left_out = left_out

    def reducer_override(self, obj: Any) -> Any:
        return reduced_array(obj) if isinstance(obj, pa.Array) else super().reducer_override(obj)

    def persistent_id(self, obj: Any) -> int | None:
        return CLASS if obj is self._left_out else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, left_out: type) -> None:
        super().__init__(file)
        self._left_out = left_out

    def persistent_load(self, pid: Any) -> type:
        return self._left_out


def dumps(target: Any, left_out: type) -> bytes:
    """Pickle ``target`` without the class ``left_out``, which ``loads`` needs again."""
    file = io.BytesIO()
    _Pickler(file, left_out).dump(target)
    return file.getvalue()


def loads(data: bytes, left_out: type) -> Any:
    """The object that ``dumps`` pickled."""
    return _Unpickler(io.BytesIO(data), left_out).load()
