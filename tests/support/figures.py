"""Build the metrics of a job from a short description, as a cluster would report them."""

from dataclasses import replace
from itertools import pairwise

from sabotnb.metrics import (
    EdgeMetrics,
    JobFailure,
    JobMetrics,
    Load,
    OperatorMetrics,
    Share,
    TaskMetrics,
    Throughput,
    VertexMetrics,
)

NOW = 1_000_000.0


def vertex(name, chain, busy=0.0, blocked=0.0, tasks=1, *, busiest=None, task=0, state="RUNNING", rate=1000.0, **more):
    """Return a vertex. ``chain``: kinds from source to sink; a ``*`` after a kind means that it calls a user function.

    The first operator has the name of the vertex, the others that of their kind. The operator with a ``!`` takes the
    time; without one, the last that calls a function, else the source, else the last.
    """
    words = chain.split()
    kinds = [word.rstrip("*!") for word in words]
    names = [name, *(f"{kind}_{number}" for number, kind in enumerate(kinds[1:], 1))]
    functions = tuple(operator for operator, word in zip(names, words, strict=True) if "*" in word)
    marked = [number for number, word in enumerate(words) if "!" in word]
    calling = [number for number, word in enumerate(words) if "*" in word and kinds[number] not in ("source", "sink")]
    worker = (marked or calling or [0 if kinds[0] == "source" else len(kinds) - 1])[-1]
    role = "source" if kinds[0] == "source" else "sink" if kinds[-1] == "sink" else "operator"
    load = Load(busy, max(0.0, 1 - busy - blocked), blocked) if state == "RUNNING" else Load()
    return VertexMetrics(
        name,
        role,
        tuple(kinds),
        functions,
        tuple(OperatorMetrics(id_, 1000, rate, busy if number == worker else 0.01) for number, id_ in enumerate(names)),
        tasks,
        {state: tasks},
        load=load,
        busiest=busy if busiest is None else busiest,
        busiest_task=task,
        **more,
    )


def edge(up, down, way="rebalance", keys=(), shares=(), fill=0.0, rate=0.0):
    """Return an edge between two vertices. ``shares`` are those of the tasks below, in order; ``rate`` is in rows/s."""
    ranked = tuple(sorted((Share(task, part) for task, part in enumerate(shares)), key=lambda share: -share.part))
    return EdgeMetrics(
        0, f"{up}->{down}", up, down, 0, way, tuple(keys), 1, Throughput(rows_rate=rate), fill=fill, shares=ranked
    )


def job(*parts, state="RUNNING", **more):
    """Return a job of vertices and edges; without edges each vertex sends its rows to the next."""
    vertices = tuple(part for part in parts if isinstance(part, VertexMetrics))
    edges = tuple(part for part in parts if isinstance(part, EdgeMetrics))
    if not edges:
        edges = tuple(edge(up.id, down.id) for up, down in pairwise(vertices))
    tasks = tuple(
        TaskMetrics(vertex.id, index, index, "agent-1", index, task_state)
        for vertex in vertices
        for task_state, count in vertex.states.items()
        for index in range(count)
    )
    plain = JobMetrics(
        job="late",
        run=1,
        version=1,
        at=NOW,
        state=state,
        paused=False,
        bounded=True,
        submitted=NOW - 10,
        started=NOW - 9,
        ended=None,
        rows_in=Throughput(rows=336_776, rows_rate=1000.0),
        rows_out=Throughput(rows=16),
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
    """Return the failure of a job."""
    return JobFailure(kind, message, operator, operator)
