"""Ids of runs, tasks and attempts.

A run is one start of a job by a user, until it ends. Handles, widgets, results, functions and output files are named
by its ``RunId``, which survives restarts. Inside a run exactly three counters exist: ``epoch`` (grows with every
restart or takeover; fences), ``attempt`` (never reused, not even after a restart) and ``cut`` (one sequence for
checkpoints, savepoints and rescales).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from sabotnb.errors import ProtocolError
from sabotnb.pickling import quickly_pickled

FIRST_EPOCH = 1
"""The epoch in which a run begins."""


@quickly_pickled
@dataclass(frozen=True, slots=True, order=True)
class RunId:
    """Run ``number`` of a job; later runs of the same name have greater numbers. Written ``job@number``."""

    job: str
    number: int

    def __str__(self) -> str:
        return f"{self.job}@{self.number}"

    @classmethod
    def parse(cls, text: str) -> RunId:
        """Read what ``str`` wrote; ProtocolError if ``text`` is something else."""
        job, at, number = text.rpartition("@")  # the last one: a job's name may contain others
        if not at or not number.isdecimal():
            raise ProtocolError(f"{text!r} is not a run id; it is written job@number")
        return cls(job, int(number))


@dataclass(frozen=True, slots=True)
class LineageCut:
    """A cut that a later epoch of ``run``, or another run, was restored from: what ``epoch`` did after it is void."""

    run: RunId
    epoch: int
    cut: int


RunRef: TypeAlias = RunId | str
"""What clients name a run by: its id, or the name of a job, which means the current run of that name."""


def job_of(run: RunRef) -> str:
    """Return the name of the job that ``run`` belongs to."""
    return run if isinstance(run, str) else run.job


@quickly_pickled
@dataclass(frozen=True, slots=True, order=True)
class TaskId:
    """Subtask ``index`` (0 <= index < parallelism) of a vertex of the run's execution graph.

    Users read it, so it is written without the number of the run: ``late/filter_0[1]``.
    """

    run: RunId
    vertex: str
    index: int

    def __str__(self) -> str:
        return f"{self.run.job}/{self.vertex}[{self.index}]"


@quickly_pickled
@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One execution of a task. Messages of an older attempt or epoch are stale and refused."""

    task: TaskId
    number: int
    epoch: int

    @property
    def run(self) -> RunId:
        """The run that the task belongs to."""
        return self.task.run

    def __str__(self) -> str:
        return f"{self.run}/{self.task.vertex}[{self.task.index}]#{self.number}:e{self.epoch}"


class ChannelEnd(NamedTuple):
    """The task at one end of a channel: ``task`` is its index in its vertex.

    The number of its ``attempt`` tells a task that moves from the one that it replaces, which has the same index.
    """

    task: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.task}#{self.attempt}"
