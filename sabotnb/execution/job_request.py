"""Builds the ``JobRequest`` that a client submits from an execution graph, and that of a resumed run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from sabotnb import plan
from sabotnb.errors import GraphError
from sabotnb.execution.graph_topology import topology_of
from sabotnb.graph import Sink
from sabotnb.plan import (
    ExecutionGraph,
    JobLevels,
    dump,
    dump_levels,
    execution_graph_codec,
    load_levels,
    state_meanings,
)
from sabotnb.protocol import CheckpointPolicy, JobRequest, Split


def job_request(
    name: str,
    graph: ExecutionGraph,
    splits: Mapping[str, tuple[Split, ...]],
    *,
    owner: str,
    fingerprint: str,
    levels: JobLevels | None = None,
    placement: str = "round_robin",
    checkpoint: CheckpointPolicy | None = None,
) -> tuple[JobRequest, dict[str, bytes]]:
    """Return a job as plain data for the control plane, and the bytes of its functions and tables by sha256.

    ``levels`` are kept for clients that show the job: its words and pictures are made when somebody looks.
    """
    execution, blobs = dump(graph)
    by_name = {
        operator.id: operator.spec
        for vertex in graph.vertices.values()
        for operator in vertex.operators
        if isinstance(operator.spec, Sink)
    }
    sinks = list(by_name.values())
    takes = checkpoint is not None
    passed_on = tuple(name for name, sink in by_name.items() if plan.passes_on(sink, checkpoints=takes))
    request = JobRequest(
        name=name,
        owner=owner,
        fingerprint=fingerprint,
        execution=execution,
        topology=topology_of(graph, levels.removed() if levels else {}),
        commits=any(not sink.pulled for sink in sinks),
        pulled=any(sink.pulled and sink.connector != "live" for sink in sinks),
        restarts=bool(sinks) and not passed_on,
        passed_on=passed_on,
        outputs=_outputs(sinks),
        splits=dict(splits),
        levels=dump_levels(levels) if levels else {},
        placement=placement,
        checkpoint=checkpoint,
        meanings=state_meanings(levels.logical) if levels else {},
    )
    return request, blobs


def with_parallelism(request: JobRequest, blobs: Mapping[str, bytes], parallelism: int) -> JobRequest:
    """Return the job for ``parallelism`` tasks of each operator without one of its own; ``blobs`` are the same.

    Raises:
        GraphError: a parallelism is out of range, or the request has no levels to make another plan of.
    """
    if not request.levels:
        raise GraphError(
            f"job {request.name!r} was submitted without its graph, so its parallelism cannot change. "
            f"Leave it out: sb.resume({request.name!r})"
        )
    levels = plan.with_parallelism(
        load_levels(request.levels, request.execution),
        execution_graph_codec.load(request.execution, blobs),
        parallelism,
    )
    execution, _same_blobs = dump(levels.execution)
    return replace(request, execution=execution, topology=topology_of(levels.execution, levels.removed()))


def _outputs(sinks: Iterable[Sink]) -> dict[str, bool]:
    """The folders that ``sinks`` write into, with links resolved, and whether they append."""
    written = [sink.options for sink in sinks if "path" in sink.options]
    return {os.path.realpath(options["path"]): options.get("mode") == "append" for options in written}
