"""``JobStatus`` and ``JobResult``: the state and the outcome of a job, which print as a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sabotnb.display import job_line, operator_labels
from sabotnb.metrics import checkpoints_failed, going_on, started_again
from sabotnb.protocol import JobState, RunStatus


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job at one moment: its tasks by state, rows read by sources and taken by sinks so far, as in ``JobResult``.

    ``waits`` says what a PENDING or RESTARTING job waits for, ``failure`` why a FAILED job failed; ``restarts`` is how
    often it began again after a worker was lost, ``lost`` the last of those losses, and ``restored`` the checkpoint
    that it went on from, which began ``replayed`` seconds before the loss: about ``replayed_rows`` had been read since.
    ``checkpoint_failure`` says why its last checkpoints failed.
    """

    name: str
    state: str
    tasks: Mapping[str, int]
    rows_in: int
    rows_out: int
    waits: str = ""
    failure: str = ""
    paused: bool = False
    restarts: int = 0
    lost: str = ""
    restored: str = ""
    replayed: float | None = None
    replayed_rows: int | None = None
    checkpoint_failure: str = ""

    @classmethod
    def of(cls, status: RunStatus) -> JobStatus:
        """Read the cluster's answer."""
        checkpointing = status.checkpointing
        return cls(
            status.job,
            status.state.value,
            dict(status.counts),
            status.rows_in,
            status.rows_out,
            status.waits,
            status.failure.message if status.failure is not None else "",
            status.paused,
            status.restarts,
            status.lost,
            checkpointing.restored,
            checkpointing.replayed,
            checkpointing.replayed_rows,
            "" if status.state.terminal else checkpoints_failed(checkpointing.failures, checkpointing.last_failure),
        )

    @property
    def word(self) -> str:
        """The state to show to people: PAUSED instead of RUNNING if the job is paused."""
        return "PAUSED" if self.paused else self.state

    @property
    def facts(self) -> tuple[str, str, str]:
        """Tasks, rows in and rows out in words."""
        tasks = operator_labels.counted(sum(self.tasks.values()), "task")
        if set(self.tasks) - {self.state}:
            tasks += f" ({', '.join(f'{count} {state}' for state, count in self.tasks.items())})"
        return tasks, f"{operator_labels.count(self.rows_in)} in", f"{operator_labels.count(self.rows_out)} out"

    def __repr__(self) -> str:
        line = f"{self.name} {self.word}: {', '.join(self.facts)}"
        return "\n".join([line, *self._more()])

    def _repr_html_(self) -> str:
        return job_line.html(self.name, self.word, self.facts, "\n".join(self._more()))

    def _more(self) -> Iterator[str]:
        """Yield what it waits for or why it failed, what it lost and survived, and why checkpoints fail."""
        if more := self.waits or self.failure:
            yield more
        goes_on_from = going_on(self.restored, self.replayed, self.replayed_rows)
        if self.state == JobState.RESTARTING.value:
            yield f"starts again from {goes_on_from or 'the beginning'}: {self.lost}"
        elif again := started_again(self.state, self.restarts, self.lost, goes_on_from):
            yield again
        if self.checkpoint_failure:
            yield self.checkpoint_failure


@dataclass(frozen=True, slots=True)
class JobResult:
    """The outcome of a finished job: rows read by sources, rows taken by sinks, late rows.

    They count from the beginning of the run, also if it went on from a checkpoint or was resumed: rows that were read
    again count once. A run that began from a savepoint, or by an edit, counts what it has read and written itself.
    ``recoveries`` is how often it began again after a worker or its cluster was lost.

    ``open_windows`` are the results of windows that ``stop`` dropped because they had not ended: one per key, or the
    rows of a window join. ``waiting_rows`` are rows of ``interval_join`` and ``asof_join`` that waited for a partner
    then.
    Seconds: ``startup`` from submission until every task ran, ``duration`` from there to the end.
    """

    name: str
    rows_in: int
    rows_out: int
    late: int
    recoveries: int
    duration: float
    startup: float = 0.0
    open_windows: int = 0
    waiting_rows: int = 0

    @classmethod
    def of(cls, status: RunStatus) -> JobResult:
        """Read the cluster's answer about a finished job."""
        begun = status.started if status.started is not None else status.submitted
        return cls(
            status.job,
            status.rows_in,
            status.rows_out,
            status.late,
            status.restarts,
            status.changed - begun,
            begun - status.submitted,
            status.open_windows,
            status.waiting_rows,
        )

    def __repr__(self) -> str:
        rows = f"{self.rows_in:,} rows in, {self.rows_out:,} rows out"
        late = f", {self.late:,} late" if self.late else ""
        dropped = f", {operator_labels.counted(self.open_windows, 'open window')} dropped" if self.open_windows else ""
        dropped += f", {operator_labels.counted(self.waiting_rows, 'waiting row')} dropped" if self.waiting_rows else ""
        again = f", started again {operator_labels.counted(self.recoveries, 'time')}" if self.recoveries else ""
        return f"{self.name} FINISHED: {rows}{late}{dropped}{again}, {self.duration:.2f} s"


def assignment(status: RunStatus) -> str:
    """Return a line per slot in use, agent by agent, with its tasks."""
    slots: dict[tuple[str, int], list[str]] = {}
    for task in status.tasks:
        slots.setdefault((task.agent, task.slot), []).append(f"{task.vertex}[{task.index}]")
    lines, before = [], ""
    for (agent, slot), tasks in sorted(slots.items()):
        lines.append(f"{agent if agent != before else '':<12} slot {slot:<3} {'  '.join(tasks)}")
        before = agent
    return "\n".join(lines)
