"""Builds what status, job lists and slot lists show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sabotnb.execution import loss_messages
from sabotnb.execution.job_run import JobRun, TaskVertex
from sabotnb.execution.status.cut_status import checkpointing_status, shown_checkpoints
from sabotnb.execution.transitions import BEGUN
from sabotnb.metrics import Histogram
from sabotnb.protocol import AgentInfo, Attempt, RunStatus, RunSummary, TaskStatus


def run_summary(job: JobRun) -> RunSummary:
    """The run as a row in the list of jobs."""
    counters = [task.counters for task in job.tasks.values()]
    return RunSummary(
        run=job.id,
        owner=job.request.owner,
        state=job.state,
        submitted=job.submitted,
        started=job.started,
        changed=job.changed,
        uncommitted=bool(job.request.outputs) and job.state in BEGUN,  # then it loses its rows if the cluster ends now
        paused=job.paused,
        counts={state.value: count for state, count in job.counts.items() if count},
        rows=sum(counted.rows_out for counted in counters),
        bytes=sum(counted.bytes_out for counted in counters),
        rows_in=job.rows_read,
        rows_out=_written(job),
        late=sum(counted.late for counted in counters),
        open_windows=sum(counted.open_windows for counted in counters),
        waiting_rows=sum(counted.waiting_rows for counted in counters),
        restarts=job.restarts,
    )


def _written(job: JobRun) -> int:
    """Rows that sinks have taken; none of jobs that were not submitted by the API."""
    vertices = job.topology.vertices
    by_vertex = [(vertices[task.attempt.task.vertex], task.counters) for task in job.tasks.values()]
    # what left a vertex is more than its sink has taken: rows of side outputs leave the chain before
    return sum(counted.operators.get(vertex.operators[-1].id, 0) for vertex, counted in by_vertex if vertex.writes)


def run_status(job: JobRun, waits: str, agents: Mapping[str, AgentInfo]) -> RunStatus:
    """The summary with every task, the failure, and what a pending run ``waits`` for. ``agents`` are registered."""
    summary = run_summary(job)
    return RunStatus(
        **{field.name: getattr(summary, field.name) for field in fields(summary)},
        topology=job.topology,
        failure=job.failure,
        note=job.note,
        waits=waits,
        lost=loss_messages.survived(job),
        tasks=tuple(map(_task_status, job.tasks.values())),
        checkpoints=shown_checkpoints(job),
        checkpointing=checkpointing_status(job),
        addresses={agent: agents[agent].address for agent in job.used_agents() if agent in agents},
    )


def _task_status(task: TaskVertex) -> TaskStatus:
    counters = replace(task.counters, latency=Histogram(), operators={})
    return TaskStatus(
        task.attempt, task.slot.agent, task.slot.index, task.state, task.failures, counters, dict(task.sent)
    )


def agent_row(agent: AgentInfo, free: int, hanging: Iterable[Attempt]) -> dict[str, Any]:
    """One agent and its slots, and the canceled tasks that still run there."""
    return {
        "agent": agent.id,
        "address": agent.address,
        "host": agent.host,
        "pid": agent.pid,
        "slots": agent.slots,
        "free": free,
        "tags": sorted(agent.tags),
        "hanging": [str(attempt.task) for attempt in hanging],
    }


def metrics_summary(runs: Sequence[RunSummary], now: float) -> dict[str, Any]:
    """Jobs and tasks by state, total rows and bytes, and seconds since the first of ``runs`` started."""
    tasks: Counter[str] = Counter()
    for run in runs:
        tasks.update(run.counts)
    started = [run.started for run in runs if run.started is not None]
    return {
        "jobs": dict(Counter(run.state.value for run in runs)),
        "tasks": dict(tasks),
        "rows": sum(run.rows for run in runs),
        "bytes": sum(run.bytes for run in runs),
        "uptime": now - min(started) if started else 0.0,
    }
