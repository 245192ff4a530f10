"""What the store knows of runs and cuts, as plain data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sabotnb.job_store.job_leases import Expired, Held
from sabotnb.protocol import JobRequest, JobState, RunId


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as last recorded. Times are Unix seconds; ``failure`` is what ended it, or why it began again.

    ``epoch`` is the last one that was granted to a process, which may not have begun it.
    """

    run: RunId
    session: str
    state: JobState
    epoch: int
    submitted: float
    changed: float
    failure: str = ""
    resumable: bool = False
    holder: Held | Expired | None = None
    """Who runs it now; None if no process does."""

    @property
    def lost(self) -> bool:
        """True if it has not ended, and no process runs it."""
        return not self.state.terminal and self.holder is None

    @property
    def next_epoch(self) -> int:
        """The first epoch that no process can have begun."""
        return self.epoch + 1


@dataclass(frozen=True, slots=True)
class CutRecord:
    """A stored cut: its files are in ``storage``, ``path`` is that of the file which describes it."""

    run: RunId
    epoch: int
    cut: int
    kind: str
    storage: str
    path: str
    name: str = ""
    at: float = 0.0
    seconds: float = 0.0
    nbytes: int = 0


@dataclass(frozen=True, slots=True)
class StoredRun:
    """All that a run is resumed with: its request, and its functions and tables by sha256.

    ``starts`` is how often its tasks were deployed.
    """

    record: RunRecord
    request: JobRequest
    blobs: Mapping[str, bytes] = field(repr=False)
    starts: int = 0


def held_by(holder: Held | Expired | None) -> str:
    """Say who runs a job, and since when."""
    if holder is None:
        return "was taken over by another process, which has ended"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    return f"has been run by {holder.owner} since {since}"
