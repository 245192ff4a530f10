"""Ids of tasks and of their attempts.

Exactly three counters exist: ``epoch`` (per ownership or restart of a job; durable; fences), ``attempt`` (per job,
never reused) and ``cut`` (one sequence per job for checkpoints, savepoints and rescales).
"""

from __future__ import annotations

from dataclasses import dataclass

from sabotnb.pickling import quickly_pickled


@quickly_pickled
@dataclass(frozen=True, slots=True, order=True)
class TaskId:
    """Subtask ``index`` (0 <= index < parallelism) of a vertex of the execution graph."""

    job: str
    vertex: str
    index: int

    def __str__(self) -> str:
        return f"{self.job}/{self.vertex}[{self.index}]"


@quickly_pickled
@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One execution of a task. Messages of an older attempt or epoch are stale and refused."""

    task: TaskId
    number: int
    epoch: int

    def __str__(self) -> str:
        return f"{self.task}#{self.number}@{self.epoch}"
