"""Submit job graphs to a cluster as the API does, and wait for their states."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from threading import Event, Thread
from typing import Any

import pyarrow as pa

from sabotnb import connectors
from sabotnb.blobs import capture
from sabotnb.cluster import Cluster, job_failed
from sabotnb.execution.job_request import job_request
from sabotnb.graph import JobGraph, MapBatches, Operator, Sink
from sabotnb.metrics import JobMetrics
from sabotnb.plan import physical
from sabotnb.protocol import CheckpointPolicy, JobState, RunStatus
from sabotnb.protocol.ids import RunId


@contextmanager
def once_waited_for(cluster: Cluster, job: str, act: Callable[[], Any]) -> Iterator[None]:
    """Call ``act`` while inside, as soon as a client waits on the scheduler for a change of ``job``."""

    def is_waited_for(dask_scheduler: Any) -> bool:
        return job in dask_scheduler.plugins["sabotnb-job-manager"].topics

    def acting() -> None:
        while not over.is_set():
            if cluster.client.run_on_scheduler(is_waited_for):
                act()
                return

    over = Event()
    thread = Thread(target=acting)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass(frozen=True)
class Run:
    """A submitted job."""

    cluster: Cluster
    id: RunId
    how: str
    vertex: str

    def status(self) -> RunStatus:
        return self.cluster.jobs.status(self.id)

    def wait(self, timeout: float = 60) -> RunStatus:
        """Wait for the final status; raises the exception of the job if it did not finish."""
        status = self.wait_over(timeout)
        if status.state is not JobState.FINISHED:
            raise job_failed(self.id.job, status)
        return status

    def wait_over(self, timeout: float = 60) -> RunStatus:
        status = self.cluster.jobs.wait(self.id, timeout)
        assert status is not None, self.status()
        return status

    def wait_until(self, condition) -> RunStatus:
        """Wait for a status for which ``condition`` holds; fails if the job ends before."""
        while not condition(status := self.status()):
            assert not status.state.terminal, status
        return status

    def wait_metrics(self, condition) -> JobMetrics:
        """Wait for metrics for which ``condition`` holds; fails if the job ends before."""
        while True:
            metrics = self.cluster.jobs.metrics(self.id)
            if condition(metrics):
                return metrics
            assert not metrics.terminal, metrics
            self.cluster.jobs.watch([self.id], 0.2)

    def table(self) -> pa.Table:
        """Return all rows of the sink ``collected``."""
        return pa.Table.from_batches(self.cluster.jobs.batches(self.id, self.vertex, "collected"))

    def cancel(self) -> None:
        self.cluster.jobs.cancel(self.id.job)


def waiting_results(cluster: Cluster, job: str) -> list[int]:
    """Return the bytes of unread results of ``job`` on each agent that still holds some."""

    def look(dask_worker) -> int | None:
        runs = dask_worker.plugins["sabotnb-agent"]._session.results._runs
        held = [results for run, results in runs.items() if run.job == job]
        return sum(buffer._nbytes for results in held for buffer in results.buffers.values()) if held else None

    return [nbytes for nbytes in cluster.jobs.client.run(look).values() if nbytes is not None]


def line(*operators: Operator) -> JobGraph:
    """Return a graph of operators in a row."""
    graph = JobGraph()
    for operator in operators:
        graph = graph.add_operator(operator)
    for up, down in pairwise(operators):
        graph = graph.connect(up.id, down.id)
    return graph


def submit(
    cluster: Cluster,
    name: str,
    graph: JobGraph,
    parallelism: int = 2,
    owner: str | None = None,
    checkpoint: CheckpointPolicy | None = None,
) -> Run:
    graph.validate()
    execution = physical(graph, parallelism)
    request, blobs = job_request(
        name,
        execution,
        {source.id: tuple(connectors.source(source.spec).splits()) for source in graph.get_sources()},
        owner=owner or cluster.jobs.owner,
        fingerprint=graph.fingerprint(),
        checkpoint=checkpoint,
    )
    taken = cluster.jobs.submit_stream_job(request, blobs)
    ends = [v.id for v in execution.vertices.values() if any(operator.id == "collected" for operator in v.operators)]
    return Run(cluster, taken.run, taken.how, ends[0] if ends else "")


def numbers(count: int) -> Operator:
    """Return a source of ``count`` rows {"n": 0 ...}."""
    return Operator("numbers", connectors.table(pa.table({"n": pa.array(range(count), pa.int64())})))


def mapped(function, schema: pa.Schema, name: str = "mapped", **options: Any) -> Operator:
    return Operator(name, MapBatches(capture(function, "map_batches"), schema), **options)


def collected(**options: Any) -> Operator:
    return Operator("collected", Sink("collect"), **options)


def endless(*rest: Operator) -> JobGraph:
    """Return a job whose source never ends and whose results are never read, so that it is soon backpressured.

    ``rest`` replaces the operators behind the source.
    """
    source = connectors.generator(_forever, pa.schema({"n": pa.int64()}), bounded=False)
    forever = Operator("forever", source, parallelism=1)
    return line(forever, *(rest or (mapped(_much, source.schema), collected())))


def _much(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Repeat the rows sixteen times, to fill buffers faster than Python makes rows."""
    return pa.concat_batches([batch] * 16)


def _forever():
    n = 0
    while True:
        yield {"n": n}
        n += 1
