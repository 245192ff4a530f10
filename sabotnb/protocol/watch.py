"""The one question by which clients read runs and the cluster, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from sabotnb.protocol.ids import RunRef
from sabotnb.protocol.job_states import JobState

Stamp = tuple[int, float]
"""Version and time of a run's metrics."""


class ViewKind(Enum):
    """What a client reads: the last two are about the cluster, all others about a run."""

    STATUS = "status"
    """The ``RunStatus``."""
    METRICS = "metrics"
    """The ``JobMetrics``."""
    LIVE = "live"
    """The ``JobMetrics``, without tasks unless the run is over, because clients that watch a run ask often."""
    CHANNELS = "channels"
    """A row of metrics for each channel that holds something."""
    HISTORY = "history"
    """A row of metrics for each vertex and second that is kept."""
    LEVELS = "levels"
    """The levels and the execution graph of its request, and the seconds between checkpoints; they never change."""
    AGENTS = "agents"
    """A row for each agent and its slots."""
    RUNS = "runs"
    """The ``RunSummary`` of the current run of each job."""


class Until(Enum):
    """When a question is answered, if not after its time: at once, or when the state of one of its runs ..."""

    NOW = "now"
    CHANGED = "changed"
    """... changes."""
    PLACED = "placed"
    """... is not PENDING: its tasks have slots, or it is over."""
    BEGUN = "begun"
    """... is later than DEPLOYING."""
    OVER = "over"
    """... is terminal."""

    def holds(self, state: JobState) -> bool:
        """True if a run in ``state`` has come that far."""
        match self:
            case Until.PLACED:
                return state is not JobState.PENDING
            case Until.BEGUN:
                return state not in (JobState.PENDING, JobState.DEPLOYING)
            case Until.OVER:
                return state.terminal
        return True


class Unsent(Enum):
    """Stands for a view that is not worth sending."""

    UNCHANGED = "unchanged"
    """The client has it already."""
    NOT_YET = "not yet"
    """The time of the question has passed, and the run has not come as far as it asked."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Asks for ``view`` of each of ``runs`` when ``until`` holds for one of them, or after ``seconds``.

    ``known`` are the stamps of the metrics that the client has, run by run (None: it has none), or empty. ``PLACED``
    means in an epoch after ``beyond``: a run that starts again gets other slots. ``AGENTS`` is answered when ``agents``
    are registered; at once if it is None.
    """

    view: ViewKind
    runs: tuple[RunRef, ...] = ()
    until: Until = Until.NOW
    seconds: float = 0.0
    known: tuple[Stamp | None, ...] = ()
    beyond: int = 0
    agents: int | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """The answer to a ``Watch``: a view per run, or the one of the cluster; None for a run that is not known.

    ``at`` is when it was made, in seconds of the scheduler's steady clock.
    """

    at: float
    views: tuple[Any, ...]
