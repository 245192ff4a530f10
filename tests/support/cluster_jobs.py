"""Jobs for tests, described at the level of graphs: what the API would submit."""

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
from sabotnb.protocol.control import JobState


@contextmanager
def once_waited_for(cluster: Cluster, job: str, act: Callable[[], Any]) -> Iterator[None]:
    """While inside, ``act`` as soon as somebody waits on the scheduler for something to happen to ``job``."""

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
    name: str
    epoch: int
    how: str
    vertex: str

    def status(self) -> dict[str, Any]:
        return self.cluster.jobs.status(self.name, self.epoch)

    def wait(self, timeout: float = 60) -> dict[str, Any]:
        """The final status; the job's own exception if it did not finish."""
        status = self.wait_over(timeout)
        if status["state"] != JobState.FINISHED:
            raise job_failed(self.name, status)
        return status

    def wait_over(self, timeout: float = 60) -> dict[str, Any]:
        status = self.cluster.jobs.wait(self.name, self.epoch, timeout)
        assert JobState(status["state"]).terminal, status
        return status

    def wait_until(self, condition) -> dict[str, Any]:
        """The first status for which ``condition`` holds; fails if the job is over before."""
        while not condition(status := self.status()):
            assert not JobState(status["state"]).terminal, status
        return status

    def wait_metrics(self, condition) -> JobMetrics:
        """The first metrics for which ``condition`` holds; fails if the job is over before."""
        while True:
            metrics = self.cluster.jobs.metrics(self.name, self.epoch)
            if condition(metrics):
                return metrics
            assert not metrics.terminal, metrics
            self.cluster.jobs.watch([(self.name, self.epoch)], 0.2)

    def table(self) -> pa.Table:
        """All rows of the sink ``collected``."""
        return pa.Table.from_batches(self.cluster.jobs.results(self.name, self.epoch, self.vertex, "collected"))

    def cancel(self) -> None:
        self.cluster.jobs.cancel(self.name)


def waiting_results(cluster: Cluster, job: str) -> list[int]:
    """Bytes of results of ``job`` that wait on each agent which has not forgotten it."""

    def look(dask_worker) -> int | None:
        jobs = dask_worker.plugins["sabotnb-agent"]._tenure.results._jobs
        found = [results for (name, _), results in jobs.items() if name == job]
        return sum(buffer._nbytes for results in found for buffer in results.buffers.values()) if found else None

    return [nbytes for nbytes in cluster.jobs.client.run(look).values() if nbytes is not None]


def line(*operators: Operator) -> JobGraph:
    """A graph of operators one behind the other."""
    graph = JobGraph()
    for operator in operators:
        graph = graph.add_operator(operator)
    for up, down in pairwise(operators):
        graph = graph.connect(up.id, down.id)
    return graph


def submit(cluster: Cluster, name: str, graph: JobGraph, parallelism: int = 2, owner: str | None = None) -> Run:
    graph.validate()
    execution = physical(graph, parallelism)
    request, blobs = job_request(
        name,
        execution,
        {one.id: tuple(connectors.source(one.spec).splits()) for one in graph.get_sources()},
        owner=owner or cluster.jobs.owner,
        fingerprint=graph.fingerprint(),
    )
    taken = cluster.jobs.submit_stream_job(request, blobs)
    ends = [one.id for one in execution.vertices.values() if any(it.id == "collected" for it in one.operators)]
    return Run(cluster, name, taken["epoch"], taken["how"], ends[0] if ends else "")


def numbers(count: int) -> Operator:
    """A source of ``count`` rows {"n": 0 ...}."""
    return Operator("numbers", connectors.table(pa.table({"n": pa.array(range(count), pa.int64())})))


def mapped(function, schema: pa.Schema, name: str = "mapped", **options: Any) -> Operator:
    return Operator(name, MapBatches(capture(function, "map_batches"), schema), **options)


def collected(**options: Any) -> Operator:
    return Operator("collected", Sink("collect"), **options)


def endless(*rest: Operator) -> JobGraph:
    """One task whose rows never end, spread over the tasks of a sink that nobody reads: soon all are backpressured.

    ``rest`` is what the rows go through instead.
    """
    source = connectors.generator(_forever, pa.schema({"n": pa.int64()}), bounded=False)
    forever = Operator("forever", source, parallelism=1)
    return line(forever, *(rest or (mapped(_much, source.schema), collected())))


def _much(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Sixteen times as much, to fill buffers faster than Python makes rows."""
    return pa.concat_batches([batch] * 16)


def _forever():
    n = 0
    while True:
        yield {"n": n}
        n += 1
