"""Read-only access to the machine's jobs and agents, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sabotnb.execution import refusals
from sabotnb.execution.cluster_state import ClusterState
from sabotnb.execution.job_run import JobRun
from sabotnb.execution.status import job_series, summaries
from sabotnb.execution.status.run_metrics import shown_metrics
from sabotnb.metrics import JobMetrics
from sabotnb.protocol import AgentInfo, JobState, RunRef, RunStatus, RunSummary


class Overview:
    """Reads the runs, agents and slots of a machine; a name means its current run."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._runs = state.runs
        self._agents = state.agents
        self._pool = state.pool

    def run(self, run: RunRef) -> JobRun | None:
        """The run itself, for reading only; None if it is not known."""
        return self._runs.get(run)

    def status(self, run: RunRef) -> RunStatus | None:
        """The status of the run; None if it is not known."""
        job = self._runs.get(run)
        return summaries.run_status(job, self._waits(job)[0]) if job else None

    def state(self, run: RunRef) -> JobState | None:
        """The state of the run, all that waiting clients need; None if the run is not known."""
        job = self._runs.get(run)
        return job.state if job else None

    def views(self, run: RunRef) -> Mapping[str, Any] | None:
        """Everything that was kept of the run to show it as it was submitted, its scenes too; None if not known."""
        job = self._runs.get(run)
        return {**job.request.views, "topology": job.request.topology} if job else None

    def metrics(self, now: float, wall: float, run: RunRef) -> JobMetrics | None:
        """The run with its rates; None if it is not known. ``wall`` is the time of the day at ``now``."""
        job = self._runs.get(run)
        return shown_metrics(job, now, wall, *self._waits(job)) if job else None

    def figures(self, now: float, wall: float, run: RunRef, per: str) -> list[dict[str, Any]] | None:
        """A row per ``"channel"`` or per second and vertex (``"history"``); None if the run is not known."""
        job = self._runs.get(run)
        if job is None:
            return None
        return list(job_series.channel_rows(job) if per == "channel" else job_series.history_rows(job, wall - now))

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

    def _waits(self, job: JobRun) -> tuple[str, str]:
        """The reason that a pending run waits, and the kind of reason; empty strings for other runs."""
        if job.state is not JobState.PENDING:
            return "", ""
        if self._runs.get(job.name) is not job:
            return f"waits for the previous run of {job.name!r} to end", "previous run"
        return refusals.missing_slots(job.slot_requests, self._pool.statistics()), "slots"
