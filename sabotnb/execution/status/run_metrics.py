"""Computes the ``JobMetrics`` of a run from its tasks' reports. Pure: the caller passes the time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sabotnb.execution import loss_messages
from sabotnb.execution.job_run import JobRun, TaskVertex
from sabotnb.execution.status.cut_status import checkpoint_failure, checkpointed, goes_on_from
from sabotnb.execution.status.input_progress import progress
from sabotnb.execution.status.silent_agents import silence
from sabotnb.metrics import (
    MOST_DOTS,
    EdgeMetrics,
    Histogram,
    JobFailure,
    JobMetrics,
    Latency,
    Load,
    OperatorMetrics,
    Share,
    TaskDot,
    TaskMetrics,
    Throughput,
    VertexMetrics,
    lag_of,
    merged,
    why,
)
from sabotnb.protocol import MAX_WATERMARK, JobEdge, JobState, JobVertex, Queue, TaskState

IDLE_SECONDS = 1.0
"""A vertex that has received no row for longer than this is idle."""
FRESH_SECONDS = 1.0
"""How long computed metrics are reused while nothing is reported."""
FRESH_SECONDS_PER_TASK = 0.0005
"""Metrics of a thousand tasks are recomputed twice a second at most."""

Tasks = Sequence[tuple[TaskVertex, TaskMetrics]]


def job_metrics(job: JobRun, now: float, wall: float, waits: str = "", waits_for: str = "slots") -> JobMetrics:
    """Compute the metrics of ``job`` at ``now`` (the machine's clock), which is ``wall`` seconds since the epoch.

    The cost is linear in the number of tasks. ``waits`` is the reason that a pending job waits, and ``waits_for`` the
    kind of reason.
    """
    ahead = wall - now
    by_vertex: dict[str, list[tuple[TaskVertex, TaskMetrics]]] = defaultdict(list)
    for task in job.tasks.values():
        by_vertex[task.attempt.task.vertex].append((task, _task(task, ahead)))
    topology = job.topology
    vertices = {
        vertex.id: _vertex(job, vertex, by_vertex[vertex.id], now, ahead) for vertex in topology.vertices.values()
    }
    _attribute_late_rows(vertices)
    metrics = JobMetrics(
        job=job.name,
        run=job.id.number,
        version=job.version,
        at=wall,
        state=job.state.value,
        paused=job.paused,
        bounded=topology.bounded,
        submitted=job.submitted + ahead,
        started=None if job.started is None else job.started + ahead,
        ended=job.changed + ahead if job.state.terminal else None,
        rows_in=_sum(vertices[source.id].into for source in topology.sources),
        rows_out=_sum(_taken(vertices[sink.id], sink.operators[-1].id) for sink in topology.sinks),
        late=sum(vertex.late for vertex in vertices.values()),
        progress=progress(job),
        lag=_lag(job, [vertices[sink.id] for sink in topology.sinks], wall),
        waits=waits,
        waits_for=waits_for if waits else "",
        commits=job.request.commits,
        stopping=job.stopping,
        open_windows=sum(task.counters.open_windows for task in job.tasks.values()),
        waiting_rows=sum(task.counters.waiting_rows for task in job.tasks.values()),
        ahead=sum(task.counters.ahead for task in job.tasks.values()),
        error=_error(job),
        restarts=job.restarts,
        goes_on_from=goes_on_from(job),
        lost=loss_messages.survived(job),
        checkpointed=None if (began := checkpointed(job)) is None else began + ahead,
        checkpoint_failure=checkpoint_failure(job),
        tasks=tuple(task for tasks in by_vertex.values() for _, task in tasks),
        vertices=tuple(vertices.values()),
        edges=tuple(_edge(job, edge, by_vertex) for edge in topology.edges),
    )
    return replace(metrics, finding=silence(job, now) or why(metrics))


def shown_metrics(job: JobRun, now: float, wall: float, waits: str = "", waits_for: str = "slots") -> JobMetrics:
    """``job_metrics``, or its recent result: many clients may ask, and the metrics of large jobs are costly."""
    cached = job.cached_metrics
    if cached is None or not _is_fresh(job, cached, wall):
        cached = job.cached_metrics = job_metrics(job, now, wall, waits, waits_for)
    return cached


def _is_fresh(job: JobRun, cached: JobMetrics, wall: float) -> bool:
    age = wall - cached.at
    if cached.version == job.version:
        return age < FRESH_SECONDS or job.state.terminal
    steered = (cached.state, cached.paused) != (job.state.value, job.paused)
    return not steered and not job.state.terminal and age < FRESH_SECONDS_PER_TASK * len(job.tasks)


def _task(task: TaskVertex, ahead: float) -> TaskMetrics:
    """The metrics of a task, computed once per report."""
    if task.cached_metrics is None:
        task.cached_metrics = _task_now(task, ahead)
    return task.cached_metrics


def _task_now(task: TaskVertex, ahead: float) -> TaskMetrics:
    counters, reports, queues = task.counters, task.reports, task.queues
    id_ = task.attempt.task
    return TaskMetrics(
        vertex=id_.vertex,
        index=id_.index,
        attempt=task.attempt.number,
        agent=task.slot.agent,
        slot=task.slot.index,
        state=task.state.value,
        into=reports.into(),
        out=reports.out(),
        load=reports.load(),
        late=counters.late,
        queued=sum(queue.held for queue in queues),
        fill=max((_fill(queue.held, queue.credit) for queue in queues), default=0.0),
        queue_seconds=_queue_seconds(queues),
        state_keys=counters.state_keys,
        state_bytes=counters.state_bytes,
        watermark=_finite(counters.watermark),
        latency=_latency(reports.latency()),
        reported=None if task.last_report_at is None else task.last_report_at + ahead,
        final=task.final,
        holder=counters.holder,
        ahead=counters.ahead,
        failures=task.failures,
        spilled_bytes=counters.spilled_bytes,
        cut_pause=counters.cut_pause,
    )


def _vertex(job: JobRun, vertex: JobVertex, tasks: Tasks, now: float, ahead: float) -> VertexMetrics:
    name = vertex.id
    all_tasks = [metrics for _, metrics in tasks]
    measured = _measured(tasks)
    running = [metrics for _, metrics in measured]
    busiest = max(running, key=lambda task: task.load.busy, default=None)
    rows = _recent_rows(measured, outgoing=vertex.reads)
    total, skew_task = sum(rows.values()), max(rows, key=rows.__getitem__, default=0)
    watermarks = [task.watermark for task in all_tasks if task.watermark is not None]
    return VertexMetrics(
        id=name,
        role=vertex.role,
        kinds=tuple(operator.kind for operator in vertex.operators),
        functions=tuple(operator.id for operator in vertex.operators if operator.calls_function),
        operators=_operators(vertex, tasks, sum(task.into.rows for task in all_tasks)),
        tasks=vertex.parallelism,
        states=dict(Counter(task.state for task in all_tasks)),
        into=_sum(task.into for task in all_tasks),
        out=_sum(task.out for task in all_tasks),
        load=_mean([task.load for task in running]),
        busiest=busiest.load.busy if busiest else 0.0,
        busiest_task=busiest.index if busiest else 0,
        skew=rows[skew_task] * len(rows) / total if total else None,
        skew_task=skew_task,
        late=sum(task.late for task in all_tasks),
        queued=sum(task.queued for task in all_tasks),
        fill=max((task.fill for task in all_tasks), default=0.0),
        queue_seconds=_longest(task.queue_seconds for task in all_tasks),
        state_keys=sum(task.state_keys for task in all_tasks),
        state_bytes=sum(task.state_bytes for task in all_tasks),
        watermark=min(watermarks, default=None),
        latency=_latency(merged(task.reports.latency() for task, _ in tasks)),
        idle_since=_idle_since(job, name, tasks, now, ahead),
        history=job.history.rates(name),
        dots=_dots(all_tasks),
        spilled_bytes=sum(task.spilled_bytes for task in all_tasks),
        cut_pause=max((task.cut_pause for task in all_tasks), default=0.0),
    )


def _taken(vertex: VertexMetrics, sink: str) -> Throughput:
    """What the sink at the end of a vertex has taken; only its rows are counted."""
    return next(
        (
            Throughput(operator.rows, rows_rate=operator.rows_rate)
            for operator in vertex.operators
            if operator.id == sink
        ),
        Throughput(),
    )


def _dots(tasks: Sequence[TaskMetrics]) -> tuple[TaskDot, ...]:
    if len(tasks) > MOST_DOTS:
        return ()
    worst = sorted(tasks, key=lambda task: (task.state != TaskState.FAILED.value, -task.load.busy, task.index))
    return tuple(TaskDot(task.index, task.state, task.load.busy) for task in worst)


def _operators(vertex: JobVertex, tasks: Tasks, rows_in: int) -> tuple[OperatorMetrics, ...]:
    """The metrics of each operator of the chain, whose first takes ``rows_in``."""
    running = {task.attempt for task, _ in _measured(tasks)}
    counters = [task.counters for task, _ in tasks]
    operators = []
    for name, part_of in ((operator.id, operator.part_of) for operator in vertex.operators):
        by_task = [(task.attempt, task.reports.operator(name)) for task, _ in tasks]
        rows = sum(metrics.rows for _, metrics in by_task)
        late = sum(counted.late_rows.get(name, 0) for counted in counters)
        operators.append(
            OperatorMetrics(
                name,
                rows,
                sum(metrics.rows_rate for _, metrics in by_task),
                sum(metrics.busy for attempt, metrics in by_task if attempt in running) / max(1, len(running)),
                watermark=_finite(_least(counted.watermarks.get(name) for counted in counters)),
                awaited=_least(counted.awaited.get(name) for counted in counters),
                late=late,
                late_share=min(1.0, late / rows_in) if rows_in else 0.0,
                part_of=part_of or "",
            )
        )
        rows_in = rows
    return tuple(operators)


def _attribute_late_rows(vertices: dict[str, VertexMetrics]) -> None:
    """Attribute late rows to the operator that the user wrote: its first phase meets them."""
    late = {
        operator.id: operator
        for vertex in vertices.values()
        for operator in vertex.operators
        if operator.part_of and operator.late
    }
    if not late:
        return
    parts = {part.part_of: part for part in late.values()}
    for name, vertex in vertices.items():
        operators = tuple(_with_late_rows(operator, late, parts) for operator in vertex.operators)
        vertices[name] = replace(vertex, operators=operators, late=sum(operator.late for operator in operators))


def _with_late_rows(
    operator: OperatorMetrics, parts: Mapping[str, OperatorMetrics], parts_of: Mapping[str, OperatorMetrics]
) -> OperatorMetrics:
    if operator.id in parts:
        return replace(operator, late=0, late_share=0.0)
    part = parts_of.get(operator.id)
    if part is None:
        return operator
    share = max(operator.late_share, part.late_share)
    return replace(operator, late=operator.late + part.late, late_share=share)


def _least(times: Iterable[int | None]) -> int | None:
    return min((us for us in times if us is not None), default=None)


def _idle_since(job: JobRun, vertex: str, tasks: Tasks, now: float, ahead: float) -> float | None:
    """When the last row came in, if that is a while ago and more may come."""
    if job.state is not JobState.RUNNING or all(task.state is not TaskState.RUNNING for task, _ in tasks):
        return None
    since = job.last_row_at.get(vertex, job.started if job.started is not None else now)
    return since + ahead if now - since > IDLE_SECONDS else None


def _edge(job: JobRun, edge: JobEdge, by_vertex: Mapping[str, Tasks]) -> EdgeMetrics:
    index = edge.index
    by_task = [[queue for queue in task.queues if queue.edge == index] for task, _ in by_vertex.get(edge.down, ())]
    queues = [queue for queues in by_task for queue in queues]
    return EdgeMetrics(
        index=index,
        id=f"{job.id}:{edge.path}",
        up=edge.up,
        down=edge.down,
        port=edge.port,
        type=edge.type,
        keys=edge.keys,
        channels=job.topology.channels(edge),
        sent=_sum(task.reports.sent(index) for task, _ in by_vertex.get(edge.up, ())),
        queued=sum(queue.held for queue in queues),
        fill=max((_fill(queue.held, queue.credit) for queue in queues), default=0.0),
        queue_seconds=_longest(map(_queue_seconds, by_task)),
        shares=_shares(job, edge, by_vertex),
        watermark=_finite(_least(task.counters.output_watermark for task, _ in by_vertex.get(edge.up, ()))),
    )


def _shares(job: JobRun, edge: JobEdge, by_vertex: Mapping[str, Tasks]) -> tuple[Share, ...]:
    """Parts of the rows by receiving task; empty behind several edges, whose rows tasks count together."""
    into = job.topology.edges_into(edge.down)
    tasks = by_vertex.get(edge.down, ())
    rows = _recent_rows(_measured(tasks), outgoing=False)
    total = sum(rows.values())
    if not total or len(into) > 1:
        return ()
    shares = (Share(metrics.index, rows.get(metrics.index, 0) / total) for _, metrics in tasks)
    return tuple(sorted(shares, key=lambda share: -share.part))


def _measured(tasks: Tasks) -> Tasks:
    """The tasks that run; all of them if none does. What the others did says nothing of how the job goes now."""
    return [pair for pair in tasks if pair[0].state is TaskState.RUNNING] or tasks


def _recent_rows(tasks: Tasks, *, outgoing: bool) -> dict[int, int]:
    """By task, the rows that came in or went out in the last half minute: a key may become hot an hour in.

    If there were none, those of its whole life.
    """
    recent = {metrics.index: task.reports.recent_rows()[outgoing] for task, metrics in tasks}
    if any(recent.values()):
        return recent
    return {metrics.index: (metrics.out if outgoing else metrics.into).rows for _, metrics in tasks}


def _lag(job: JobRun, sinks: Iterable[VertexMetrics], wall: float) -> float | None:
    watermarks = [sink.watermark for sink in sinks if sink.watermark is not None]
    return lag_of(min(watermarks), wall) if watermarks and not job.state.terminal else None


def _error(job: JobRun) -> JobFailure | None:
    failure = job.failure
    if failure is None:
        return None
    vertex = job.topology.vertex_of(failure.operator)
    return JobFailure(
        kind=failure.error,
        message=failure.message,
        operator=failure.operator,
        vertex=vertex.id if vertex is not None else "",
        traceback=failure.traceback,
        sample=failure.sample,
        everything=failure.everything,
    )


def _finite(watermark: int | None) -> int | None:
    """An ended input has no time any more."""
    return None if watermark is None or watermark >= MAX_WATERMARK else watermark


def _fill(held: int, credit: int) -> float:
    return held / (held + credit) if held > 0 and credit > 0 else float(held > 0)


def _queue_seconds(queues: Sequence[Queue]) -> float | None:
    """Return how long one task takes to consume what it has in ``queues``; None if its rate was not measured."""
    seconds = [queue.seconds for queue in queues if queue.seconds is not None]
    return None if len(seconds) < len(queues) else sum(seconds)


def _longest(seconds: Iterable[float | None]) -> float | None:
    """Return the largest of the times that were measured; None if some queue is not empty and none was measured."""
    times = list(seconds)
    return max((time for time in times if time is not None), default=None if times else 0.0)


def _sum(flows: Iterable[Throughput]) -> Throughput:
    rows = batches = nbytes = 0
    rows_rate = batches_rate = bytes_rate = 0.0
    for flow in flows:
        rows += flow.rows
        batches += flow.batches
        nbytes += flow.bytes
        rows_rate += flow.rows_rate
        batches_rate += flow.batches_rate
        bytes_rate += flow.bytes_rate
    return Throughput(rows, batches, nbytes, rows_rate, batches_rate, bytes_rate)


def _mean(loads: Sequence[Load]) -> Load:
    known = [load for load in loads if load != Load()]
    if not known:
        return Load()
    busy = sum(load.busy for load in known) / len(known)
    idle = sum(load.idle for load in known) / len(known)
    return Load(busy, idle, sum(load.backpressured for load in known) / len(known))


def _latency(histogram: Histogram) -> Latency | None:
    half, most = histogram.quantile(0.5), histogram.quantile(0.99)
    return None if half is None or most is None else Latency(half, most)
