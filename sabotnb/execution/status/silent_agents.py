"""Finds agents that have stopped reporting; metrics of their tasks are out of date and must not be judged."""

from __future__ import annotations

from collections import Counter

from sabotnb.execution.job_run import JobRun
from sabotnb.metrics import Finding
from sabotnb.protocol import JobState, TaskState

SILENT_SECONDS = 3.0
"""Agents report twice a second; a busy process may skip a few reports."""


def silence(job: JobRun, now: float) -> Finding | None:
    """A finding about the agent of a running job that has been silent longest; None if all agents report."""
    if job.state is not JobState.RUNNING:
        return None
    running = Counter(task.slot.agent for task in job.tasks.values() if task.state is TaskState.RUNNING)
    begun = job.changed  # to RUNNING
    agent = min(running, key=lambda agent: job.last_report_at.get(agent, begun), default="")
    seconds = now - job.last_report_at.get(agent, begun)
    if not agent or seconds < SILENT_SECONDS:
        return None
    tasks = f"{running[agent]} task{'s' * (running[agent] > 1)}"
    return Finding(
        "unknown",
        "",
        f"{agent} has not reported for {seconds:.0f} s: its process is suspended, or a function blocks it. "
        f"The metrics of its {tasks} are that old.",
        f"if it stays silent, it is declared lost and the job {'starts again' if job.request.restarts else 'fails'}",
    )
