"""What a stream shows about itself: its card, its plan, and whether it can run."""

from __future__ import annotations

from dataclasses import replace

from sabotnb import plan
from sabotnb.api import env as envs
from sabotnb.api.card import Card, card_of
from sabotnb.api.running.bounds import compile_bounded
from sabotnb.api.running.compiling import LOCAL_PARALLELISM, CompiledJob, estimates
from sabotnb.api.running.lowering import lower
from sabotnb.api.stream_node import StreamPlan
from sabotnb.graph import JobGraph, Join, Sink


def job_graph(flow: StreamPlan) -> JobGraph:
    """Return the job graph of ``flow``; a stream has no sink."""
    return lower((flow,)).graph


def card(flow: StreamPlan) -> Card:
    """Return the card that a notebook shows for a stream."""
    graph = _with_joins_settled(lower((flow.then(Sink("collect")),)).graph)
    known = [estimate.rows for estimate in estimates(graph).values()]
    rows = None if None in known else sum(count for count in known if count is not None)
    return card_of(flow, graph, default_parallelism(), rows)


def _with_joins_settled(graph: JobGraph) -> JobGraph:
    """The graph as described, with the strategy that the optimizer will choose for each join."""
    if not any(
        isinstance(operator.spec, Join) and operator.spec.strategy == "auto" for operator in graph.operators.values()
    ):
        return graph
    settled = plan.optimize(graph, estimates(graph)).graph.operators
    chosen = {
        name: settled[name] if isinstance(operator.spec, Join) and name in settled else operator
        for name, operator in graph.operators.items()
    }
    return replace(graph, operators=chosen)


def compiled(flow: StreamPlan) -> CompiledJob:
    """Compile ``flow`` to every level of graph; without a sink, as if it were collected."""
    tasks = default_parallelism()
    ended = flow if isinstance(flow.node.spec, Sink) else flow.then(Sink("collect"))
    return compile_bounded(lower((ended,)).graph, tasks)


def explained(flow: StreamPlan, *, optimize: bool) -> str:
    """Return the graph as described, as optimized with what each rule did, and as deployed."""
    job = compiled(flow)
    if not optimize:
        return plan.explain(job.graph, None, plan.physical(job.graph, default_parallelism()))
    return plan.explain(job.graph, job.optimized, job.execution)


def default_parallelism() -> int:
    """Return the tasks per operator without an explicit parallelism: one per worker process of the open env."""
    env = envs.current()
    return env.workers if env is not None else LOCAL_PARALLELISM
