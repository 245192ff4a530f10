"""Bring all rows of a stream here: run it on the open env, or in this process if there is none."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from uuid import uuid4

import pyarrow as pa

from sabotnb.api import env as envs
from sabotnb.api import job_naming
from sabotnb.api.env import Env
from sabotnb.api.running.bounds import compile_bounded
from sabotnb.api.running.compiling import LOCAL_PARALLELISM, CompiledJob
from sabotnb.api.running.lowering import lower
from sabotnb.api.running.sampled_run import collected
from sabotnb.api.running.submission import compiled_for, submit
from sabotnb.api.stream_node import StreamPlan, is_bounded
from sabotnb.errors import AgentLost, ClusterLost, GraphError, InsufficientSlots, JobFailed
from sabotnb.graph import Sink

Batches = Generator[pa.RecordBatch, None, None]


def all_batches(flow: StreamPlan) -> list[pa.RecordBatch]:
    """Run ``flow`` and return all of its rows. It runs once more if a worker is lost, as no row was returned yet.

    Raises as ``batches_of`` does; JobFailed for the first loss if no worker is left, and for the second one.
    """
    try:
        return list(batches_of(flow))
    except JobFailed as failed:
        if not isinstance(failed.reason, AgentLost):
            raise
        with suppress(InsufficientSlots):
            return list(batches_of(flow))
        raise


def batches_of(flow: StreamPlan) -> Batches:
    """Run ``flow`` when the first row is asked for, and yield its rows; closing the generator early ends the run.

    Errors that keep the flow from running, such as GraphError for an endless one, are raised at once.
    """
    if not is_bounded(flow):
        raise GraphError(
            "this stream is endless, so its rows cannot all be collected: .head() shows the first ones, "
            ".sink_live().run() keeps the last ones"
        )
    env = envs.current()
    return _from_here(flow) if env is None else _from_cluster(flow, env)


def _from_here(flow: StreamPlan) -> Batches:
    return compile_bounded(collected(flow), LOCAL_PARALLELISM).run_here()


def _from_cluster(flow: StreamPlan, env: Env) -> Batches:
    collected = flow.then(Sink("collect"))
    lowered = lower([collected])
    compiled = compiled_for(lowered.graph, None, env)
    # Never attached to: two readers of one run would take rows from each other.
    return _run(env, f"collect-{job_naming.job_name()}", compiled, lowered.ids[collected.node])


def _run(env: Env, name: str, compiled: CompiledJob, sink: str) -> Batches:
    client = env.cluster.jobs
    # Another session's run of this name would release the rows that wait here, though this run has finished.
    started = submit(client, job_naming.of_session(name, client.owner), compiled, fingerprint=uuid4().hex)
    complete = False
    try:
        yield from started.batches(sink)
        started.client.wait(started.run)
        complete = True
    finally:
        end = started.client.drop_results if complete else started.client.cancel
        with suppress(ClusterLost):  # the run ended with its cluster; a generator may be closed after its env
            end(started.run)
