"""What a job graph carries beside its plain data: functions and tables, each known by the sha256 of its bytes.

A reference holds its bytes along, outside equality, so that nothing has to be looked up in a registry; a serialised
graph names the sha256 and keeps the bytes beside the JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the user wrote it: ``cell [3], line 2`` in a notebook, ``etl.py:41`` in a file."""

    where: str
    code: str = ""

    def __str__(self) -> str:
        return self.where


@dataclass(frozen=True, slots=True)
class Function:
    """A pickled function. Equal by ``fingerprint``: source text and closed-over values, not pickle bytes."""

    sha256: str = field(compare=False)
    fingerprint: str
    name: str
    origin: Origin = field(compare=False)
    pickled: bytes = field(compare=False, repr=False)

    def load(self) -> Callable[..., Any]:
        """Unpickle; whatever the import of its modules raises comes through. Call it in a task's thread only."""
        import cloudpickle

        loaded: Callable[..., Any] = cloudpickle.loads(self.pickled)
        return loaded


@dataclass(frozen=True, slots=True)
class Table:
    """An in-memory Arrow table. Equal by content (sha256 of its Arrow IPC bytes)."""

    sha256: str
    rows: int
    nbytes: int
    data: pa.Table = field(compare=False, repr=False)
