"""Submitting jobs: compiled here, run on a cluster; rows that are wanted here are pulled by threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow as pa

from sabotnb import display, plan
from sabotnb.api import env as envs
from sabotnb.api import site
from sabotnb.api.bounds import with_bounds
from sabotnb.api.compiling import Compiled, check_outputs, compile_graph
from sabotnb.api.env import Env
from sabotnb.api.flow import is_bounded
from sabotnb.api.job import Job
from sabotnb.api.lower import Lowered, lower
from sabotnb.api.pulling import LiveRows, Puller, Take
from sabotnb.api.targets import Target
from sabotnb.errors import GraphError
from sabotnb.execution.placement import strategy
from sabotnb.execution.request import job_request

if TYPE_CHECKING:  # a name in annotations alone: what runs in this process needs no Dask
    from sabotnb.cluster import ClusterClient


ROUND_ROBIN = "round_robin"

NOTES = {
    "attached": "attached to the run already in progress",
    "replaced": "replaced the previous run (the graph changed)",
    "queued": "starts when the previous run has ended",
}
"""How the header describes a run that did not simply start."""

LONGEST_NAME = 200
"""Letters of a job's name as a part of file names, where each that is not ASCII takes several."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a job is to run; see ``Sink.run``."""

    parallelism: int | None = None
    placement: str = ROUND_ROBIN
    optimize: bool = True
    env: Env | None = None


def run_targets(name: str | None, targets: Sequence[Target], options: RunOptions) -> Job:
    """Start one job for all ``targets``; what they share runs once. Returns as soon as the cluster has taken it.

    Raises:
        EnvError: no env is open; SlotsShort: the cluster has too few slots for it.
        GraphError, SchemaError, SourceError, SinkError: the job cannot run, or may not write where it should.
        NameHeld: another session that is connected runs a job of this name.
    """
    if not targets:
        raise GraphError("nothing to run: give at least one sink, as in sb.run('name', stream.sink_parquet('out'))")
    strategy(options.placement)
    open_env = envs.needed(options.env)
    job_name = site.job_name() if name is None else _checked_name(name)
    lowered = lower([target.flow for target in targets])
    compiled = compiled_for(lowered, options.parallelism, open_env, optimize=options.optimize)
    check_outputs(compiled.graph, job_name)
    started = submit(open_env.cluster.jobs, job_name, compiled, placement=options.placement)
    known = open_env.known(job_name, started.epoch)
    return known or open_env.remember(_job(started, lowered, targets))


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(quote(name, safe="")) <= LONGEST_NAME:
        written = display.words.cut(repr(name), LONGEST_NAME)
        raise GraphError(
            f"{written} is not a job name: give a string of 1 to {LONGEST_NAME} characters, or leave it out"
        )
    return name


def compiled_for(lowered: Lowered, parallelism: int | None, env: Env, *, optimize: bool = True) -> Compiled:
    """Compile for ``env``: a task per worker process and operator where nothing else is said."""
    tasks = parallelism if parallelism is not None else max(1, env.workers)
    return compile_graph(with_bounds(lowered, tasks), tasks, optimize=optimize)


@dataclass(frozen=True, slots=True)
class Started:
    """A run that a cluster has taken."""

    client: ClusterClient
    name: str
    epoch: int
    compiled: Compiled
    how: str
    """started, attached, replaced or queued"""

    def results(self, sink: str, *, one_by_one: bool = False) -> Iterator[pa.RecordBatch]:
        """The rows of a sink that the client reads, as they come; see ``ClusterClient.results``."""
        vertex = self.compiled.vertex_of(sink)
        return self.client.results(self.name, self.epoch, vertex, sink, one_by_one=one_by_one)

    def puller(self, sink: str, take: Take, *, one_by_one: bool = False) -> Puller:
        """A thread that hands the rows of ``sink`` to ``take``."""
        client, name, epoch = self.client, self.name, self.epoch
        batches = partial(self.results, sink, one_by_one=one_by_one)
        return Puller(sink, batches, take, lambda error: client.fail(name, epoch, error))


def submit(
    client: ClusterClient,
    name: str,
    compiled: Compiled,
    fingerprint: str | None = None,
    placement: str = ROUND_ROBIN,
) -> Started:
    """Hand a compiled job to a cluster: a new run, or one in progress of this name and graph (``fingerprint``)."""
    request, blobs = job_request(
        name,
        compiled.execution,
        compiled.splits,
        owner=client.owner,
        fingerprint=fingerprint or compiled.graph.fingerprint(),
        explained=plan.explain(compiled.graph, compiled.optimized, compiled.execution),
        scenes=display.scenes(compiled.graph, compiled.optimized, compiled.execution),
        placement=placement,
    )
    taken = client.submit_stream_job(request, blobs)
    return Started(client, name, taken["epoch"], compiled, taken["how"])


def _job(started: Started, lowered: Lowered, targets: Sequence[Target]) -> Job:
    """The handle, with a puller for each sink whose rows come here."""
    pullers, live = [], {}
    for target in targets:
        sink = lowered.ids[target.flow.node]
        if target.keep is not None:
            live[sink] = LiveRows(target.flow.schema, target.keep)
            pullers.append(started.puller(sink, live[sink].take))
        if target.take is not None:
            pullers.append(started.puller(sink, target.take, one_by_one=True))
    bounded = all(is_bounded(target.flow) for target in targets)
    note = NOTES.get(started.how, "")
    return Job(started.client, started.name, started.epoch, pullers, live, bounded=bounded, note=note)
