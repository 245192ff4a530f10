"""Elements of a channel: batches, watermarks, cuts and ends, delivered in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import pyarrow as pa

MIN_WATERMARK = -(2**63)
MAX_WATERMARK = 2**63 - 1


class EndReason(str, Enum):
    """Why an input ended: its data is exhausted, or the job was stopped."""

    EXHAUSTED = "exhausted"
    STOPPED = "stopped"


class CutKind(str, Enum):
    """The purpose of a cut; the mechanism is the same for all three."""

    CHECKPOINT = "checkpoint"
    SAVEPOINT = "savepoint"
    RESCALE = "rescale"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows. ``nbytes`` counts these rows only, not the rest of the buffers that a slice keeps alive."""

    data: pa.RecordBatch
    nbytes: int


@dataclass(frozen=True, slots=True)
class Watermark:
    """No further row of this channel has an event time below ``us`` (microseconds since the epoch, UTC)."""

    us: int


@dataclass(frozen=True, slots=True)
class Status:
    """The channel went idle (its watermark is not waited for) or active again."""

    idle: bool


@dataclass(frozen=True, slots=True)
class Marker:
    """Measures or samples along its path; ``payload`` is JSON."""

    kind: str
    payload: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A consistent cut: elements before it belong to the checkpoint, or to the old table."""

    id: int
    kind: CutKind
    epoch: int
    watermark: int = MIN_WATERMARK
    tables: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class End:
    """The sender has ended: no element follows."""

    reason: EndReason = EndReason.EXHAUSTED


@dataclass(frozen=True, slots=True)
class Leave:
    """The sender leaves after a rescale; the stream itself continues."""


Element = Batch | Watermark | Status | Marker | Cut | End | Leave
