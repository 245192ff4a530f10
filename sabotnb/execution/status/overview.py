"""Read-only access to the machine's jobs and agents, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sabotnb.execution import replies
from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.status import job_series, summaries
from sabotnb.execution.status.run_metrics import shown_metrics
from sabotnb.metrics import JobMetrics, without_tasks
from sabotnb.protocol import AgentInfo, JobRequest, JobState, RunRef, RunStatus, RunSummary, ViewKind


class Overview:
    """Reads the runs, agents and slots of a machine; a name means its current run."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._runs = state.runs
        self._agents = state.agents
        self._pool = state.pool
        self._views: Mapping[ViewKind, Callable[[JobRun, float, float], Any]] = {
            ViewKind.STATUS: lambda job, _now, _wall: self._status(job),
            ViewKind.METRICS: self._metrics,
            ViewKind.LIVE: self._live,
            ViewKind.CHANNELS: lambda job, _now, _wall: list(job_series.channel_rows(job)),
            ViewKind.HISTORY: lambda job, now, wall: list(job_series.history_rows(job, wall - now)),
            ViewKind.LEVELS: lambda job, _now, _wall: _levels(job.request),
        }

    def run(self, run: RunRef) -> JobRun | None:
        """The run itself, for reading only; None if it is not known."""
        return self._runs.get(run)

    def status(self, run: RunRef) -> RunStatus | None:
        """The status of the run; None if it is not known."""
        job = self._runs.get(run)
        return self._status(job) if job else None

    def progress(self, run: RunRef) -> tuple[JobState | None, int]:
        """The state and the epoch of the run, all that waiting clients need; None and 0 if the run is not known."""
        job = self._runs.get(run)
        return (job.state, job.epoch) if job else (None, 0)

    def view(self, kind: ViewKind, run: RunRef, now: float, wall: float) -> Any:
        """What a client reads of the run; None if it is not known. ``wall`` is the time of the day at ``now``."""
        job = self._runs.get(run)
        return self._views[kind](job, now, wall) if job else None

    def cluster_view(self, kind: ViewKind) -> Any:
        """What a client reads of the cluster."""
        return self.slots() if kind is ViewKind.AGENTS else self.summaries()

    def metrics(self, now: float, wall: float, run: RunRef) -> JobMetrics | None:
        """The run with its rates; None if it is not known. ``wall`` is the time of the day at ``now``."""
        job = self._runs.get(run)
        return self._metrics(job, now, wall) if job else None

    def summaries(self) -> list[RunSummary]:
        """The current run of each job, in order of submission."""
        return [summaries.run_summary(job) for job in self._runs.current.values()]

    def slots(self) -> list[dict[str, Any]]:
        """One row per agent: slots, free slots, host, pid, and canceled tasks that do not return."""
        free = {node.agent: node.free for node in self._pool.nodes()}
        hanging = self._state.hanging
        return [
            summaries.agent_row(agent, free[agent.id], hanging.get(agent.id, ())) for agent in self._agents.values()
        ]

    def idle(self) -> list[AgentInfo]:
        """Agents without a held slot, in order of registration."""
        return [self._agents[node.agent] for node in self._pool.nodes() if node.free == node.slots]

    def _status(self, job: JobRun) -> RunStatus:
        return summaries.run_status(job, self._waits(job)[0], self._agents)

    def _metrics(self, job: JobRun, now: float, wall: float) -> JobMetrics:
        return shown_metrics(job, now, wall, *self._waits(job))

    def _live(self, job: JobRun, now: float, wall: float) -> JobMetrics:
        metrics = self._metrics(job, now, wall)
        return metrics if metrics.terminal else without_tasks(metrics)

    def _waits(self, job: JobRun) -> tuple[str, str]:
        """What a run waits for before it begins, or begins again, and the kind of it; empty strings for other runs."""
        if job.grant_failure is not None and job.state is JobState.RESTARTING:
            return f"waits for the job store: {job.grant_failure.message}", "job store"
        if not job.awaits_slots:
            return "", ""
        if self._runs.get(job.name) is not job:
            return f"waits for the previous run of {job.name!r} to end", "previous run"
        return replies.missing_slots(job.slot_requests, self._pool.statistics()), "slots"


def _levels(request: JobRequest) -> tuple[Mapping[str, Any], Mapping[str, Any], float | None]:
    return request.levels, request.execution, request.checkpoint.interval if request.checkpoint is not None else None
