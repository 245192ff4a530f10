"""What travels through a channel, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import pyarrow as pa

MIN_WATERMARK = -(2**63)
MAX_WATERMARK = 2**63 - 1


class EndReason(str, Enum):
    """Why an input ended: its data are exhausted, or the job was told to stop."""

    EXHAUSTED = "exhausted"
    STOPPED = "stopped"


class CutKind(str, Enum):
    """What a cut is for; all three are the same mechanism."""

    CHECKPOINT = "checkpoint"
    SAVEPOINT = "savepoint"
    RESCALE = "rescale"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows. ``nbytes`` are those of the rows themselves; what a slice keeps alive besides, its buffers know."""

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
    """Measures or samples on its way; ``payload`` is JSON."""

    kind: str
    payload: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A consistent cut through the job: what is before it belongs to the checkpoint or to the old table."""

    id: int
    kind: CutKind
    epoch: int
    watermark: int = MIN_WATERMARK
    tables: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class End:
    """The sender has nothing more to say, ever."""

    reason: EndReason = EndReason.EXHAUSTED


@dataclass(frozen=True, slots=True)
class Leave:
    """This sender goes (it was scaled away); the stream does not end."""


Element = Batch | Watermark | Status | Marker | Cut | End | Leave
