"""Metrics of jobs written down in a few words, as a cluster would report them."""

from dataclasses import replace
from itertools import pairwise

from sabotnb.metrics import (
    EdgeMetrics,
    Flow,
    JobFailure,
    JobMetrics,
    Load,
    OperatorMetrics,
    Share,
    TaskMetrics,
    VertexMetrics,
)

NOW = 1_000_000.0


def vertex(name, chain, busy=0.0, blocked=0.0, tasks=1, *, busiest=None, task=0, state="RUNNING", rate=1000.0, **more):
    """``chain``: kinds from source to sink; a ``*`` behind one says that it calls a function of the user's.

    The first operator has the vertex's name, those that follow that of their kind.
    """
    kinds = [kind.rstrip("*") for kind in chain.split()]
    names = [name, *(f"{kind}_1" for kind in kinds[1:])]
    functions = tuple(one for one, kind in zip(names, chain.split(), strict=True) if kind.endswith("*"))
    role = "source" if kinds[0] == "source" else "sink" if kinds[-1] == "sink" else "operator"
    load = Load(busy, max(0.0, 1 - busy - blocked), blocked) if state == "RUNNING" else Load()
    return VertexMetrics(
        name,
        role,
        tuple(kinds),
        functions,
        tuple(OperatorMetrics(one, 1000, rate) for one in names),
        tasks,
        {state: tasks},
        load=load,
        busiest=busy if busiest is None else busiest,
        busiest_task=task,
        **more,
    )


def edge(up, down, way="rebalance", keys=(), shares=(), fill=0.0):
    """An edge between two vertices; its index does not matter. ``shares`` are those of the tasks below, in order."""
    ranked = tuple(sorted((Share(task, part) for task, part in enumerate(shares)), key=lambda one: -one.part))
    return EdgeMetrics(0, f"{up}->{down}", up, down, 0, way, tuple(keys), 1, fill=fill, shares=ranked)


def job(*parts, state="RUNNING", **more):
    """A job of vertices and edges; without edges each vertex gives its rows to the next."""
    vertices = tuple(part for part in parts if isinstance(part, VertexMetrics))
    edges = tuple(part for part in parts if isinstance(part, EdgeMetrics))
    if not edges:
        edges = tuple(edge(up.id, down.id) for up, down in pairwise(vertices))
    tasks = tuple(
        TaskMetrics(one.id, index, index, "agent-1", index, task_state)
        for one in vertices
        for task_state, count in one.states.items()
        for index in range(count)
    )
    plain = JobMetrics(
        job="late",
        epoch=1,
        version=1,
        at=NOW,
        state=state,
        paused=False,
        bounded=True,
        submitted=NOW - 10,
        started=NOW - 9,
        ended=None,
        rows_in=Flow(rows=336_776, rows_rate=1000.0),
        rows_out=Flow(rows=16),
        late=0,
        progress=None,
        lag=None,
        waits="",
        error=None,
        tasks=tasks,
        vertices=vertices,
        edges=edges,
    )
    return replace(plain, **more)


def failure(message, operator="map_rows_0", kind="UserFunctionError"):
    """Why a job failed."""
    return JobFailure(kind, message, operator, operator)
