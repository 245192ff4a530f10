"""The last late and failing rows of a run, as its tasks have kept them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb.graph import ERROR_COLUMN, ERRORS, LATE, LATE_COLUMN

_REASONS = {LATE: LATE_COLUMN, ERRORS: ERROR_COLUMN}


@dataclass(frozen=True, slots=True)
class SampledRows:
    """Rows of ``operator`` that came at once, with a reason for each row.

    ``kind``: ``late``, ``errors`` (of ``on_error="side"``), or ``failed``, the row that ended the job. ``time``: when
    the task got them, in seconds since 1970.
    """

    operator: str
    kind: str
    time: float
    reasons: tuple[str, ...]
    table: pa.Table

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> SampledRows:
        """Read what a task answers: see ``KeptSamples.answers``."""
        kind = answer["kind"]
        table = pa.ipc.open_stream(answer["batch"]).read_all()
        column = _REASONS.get(kind, "reason")
        reasons = table[column].to_pylist()
        texts = tuple(f"late by {reason}" if kind == LATE else str(reason) for reason in reasons)
        return cls(answer["operator"], kind, answer["time"], texts, table.drop_columns([column]))
