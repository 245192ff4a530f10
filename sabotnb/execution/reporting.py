"""Stores agents' metrics: each report with its tasks, and once a second a sample in the job's history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sabotnb.execution.job_run import JobRun, TaskVertex
from sabotnb.execution.transitions import TERMINAL_TASK
from sabotnb.metrics import Moment, Report
from sabotnb.protocol import Attempt, JobState, MetricsReported, RunId, TaskState


def take_report(jobs: Mapping[str, JobRun], event: MetricsReported, now: float) -> None:
    """Store a report with the tasks it is about; late reports about ended or unknown tasks are dropped."""
    sent: dict[Attempt, dict[int, tuple[int, int]]] = defaultdict(dict)
    for (attempt, edge), rows in event.edges.items():
        sent[attempt][edge] = rows
    reported: dict[RunId, JobRun] = {}
    for attempt, counters in event.counters.items():
        job = jobs.get(attempt.run.job)
        task = job.tasks.get(attempt.task) if job else None
        if job is None or task is None or task.attempt != attempt or task.state in TERMINAL_TASK:
            continue
        rows_before = task.counters.rows_in
        task.report(now, Report(event.at, counters, sent.get(attempt, {})), event.queues.get(attempt, ()))
        if task.counters.rows_in > rows_before:
            job.last_row_at[attempt.task.vertex] = now
        reported[job.id] = job
    for job in reported.values():
        job.version += 1
        job.last_report_at[event.agent] = now
        if job.state is JobState.RUNNING and job.history.due(now):
            job.history.add(now, _moments(job))


def _moments(job: JobRun) -> dict[str, Moment]:
    by_vertex: dict[str, list[TaskVertex]] = defaultdict(list)
    for task in job.tasks.values():
        if task.state is TaskState.RUNNING:
            by_vertex[task.attempt.task.vertex].append(task)
    return {vertex: _moment(tasks, job.topology.vertices[vertex].reads) for vertex, tasks in by_vertex.items()}


def _moment(tasks: list[TaskVertex], is_source: bool) -> Moment:
    flows = [task.reports.out() if is_source else task.reports.into() for task in tasks]
    loads = [task.reports.load() for task in tasks]
    return Moment(
        rate=sum(flow.rows_rate for flow in flows),
        busy=sum(load.busy for load in loads) / len(tasks),
        idle=sum(load.idle for load in loads) / len(tasks),
        backpressured=sum(load.backpressured for load in loads) / len(tasks),
        queued=sum(queue.held for task in tasks for queue in task.queues),
    )
