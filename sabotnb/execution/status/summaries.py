"""Builds the rows and dictionaries that status, job lists and slot lists show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from sabotnb.execution.job_run import JobRun, TaskVertex
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import AgentInfo, Attempt, JobState

DRAWN = ("scenes", "explain")
"""Views that clients request once; too large to send with every status."""
BEFORE_COMMIT = (JobState.PENDING, JobState.DEPLOYING, JobState.RUNNING)
"""States in which a job that writes files loses its rows if the cluster ends now."""

_COUNTERS = [field.name for field in fields(TaskCounters) if field.name not in ("latency", "operators")]


def job_summary(job: JobRun) -> dict[str, Any]:
    """Name, id, state, tasks by state, what was read and written. Times are those of the machine's clock (seconds).

    ``rows`` and ``bytes`` are all that left any of its tasks; ``rows_in`` and ``rows_out`` are those at its ends.
    """
    counters = [task.counters for task in job.tasks.values()]
    rows_in, rows_out = _ends(job)
    return {
        "job": job.name,
        "run": job.id,
        "owner": job.request.owner,
        "state": job.state.value,
        "unpublished": bool(job.request.outputs) and job.state in BEFORE_COMMIT,
        "paused": job.paused,
        "submitted": job.submitted,
        "started": job.started,
        "changed": job.changed,
        "tasks": {state.value: count for state, count in job.counts.items() if count},
        "rows": sum(one.rows_out for one in counters),
        "bytes": sum(one.bytes_out for one in counters),
        "rows_in": rows_in,
        "rows_out": rows_out,
        "late": sum(one.late for one in counters),
    }


def _ends(job: JobRun) -> tuple[int, int]:
    """Rows that sources have read and sinks have taken; none of jobs that were not submitted by the API."""
    vertices = job.topology.vertices
    by_vertex = [(vertices[task.attempt.task.vertex], task.counters) for task in job.tasks.values()]
    read = sum(counted.rows_in for vertex, counted in by_vertex if vertex.reads)
    # what left a vertex is more than its sink has taken: rows of side outputs leave the chain before
    written = sum(counted.operators.get(vertex.operators[-1].id, 0) for vertex, counted in by_vertex if vertex.writes)
    return read, written


def job_state(job: JobRun) -> dict[str, Any]:
    """What is enough to wait for a job."""
    return {
        "job": job.name,
        "run": job.id,
        "state": job.state.value,
        "failure": job.failure,
        "note": job.note,
    }


def job_status(job: JobRun, waits: str) -> dict[str, Any]:
    """The summary with every task, the failure, what a pending job ``waits`` for, and its views but those ``DRAWN``."""
    return {
        **job_summary(job),
        **job_state(job),
        "waits": waits,
        "topology": job.topology,
        "views": {name: view for name, view in job.request.views.items() if name not in DRAWN},
        "vertices": [task_row(task) for task in job.tasks.values()],
    }


def task_row(task: TaskVertex) -> dict[str, Any]:
    """One task: where it is, how it is, what went through it."""
    return {
        "vertex": task.attempt.task.vertex,
        "index": task.attempt.task.index,
        "attempt": task.attempt.number,
        "agent": task.slot.agent,
        "slot": task.slot.index,
        "state": task.state.value,
        "failures": task.failures,
        **{name: getattr(task.counters, name) for name in _COUNTERS},
        "sent": dict(task.sent),
    }


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
