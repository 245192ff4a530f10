"""Jobs for tests of pictures, and their metrics."""

from dataclasses import replace

import pyarrow as pa
from job_graphs import make_job

from sabotnb import display
from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, Join, Operator, Sink, Source
from sabotnb.metrics import (
    EdgeMetrics,
    JobFailure,
    JobMetrics,
    Load,
    OperatorMetrics,
    TaskMetrics,
    Throughput,
    VertexMetrics,
)
from sabotnb.plan import JobLevels, optimize, physical
from sabotnb.plan.sizes import Size

FLIGHTS = pa.schema([("carrier", pa.string()), ("delay", pa.float64()), ("tail", pa.string())])
AIRLINES = pa.schema([("carrier", pa.string()), ("name", pa.string())])


def late():
    """Return a graph of two sources, a filter that is pushed into files, a join, an aggregation and a sink."""
    columns = (AggregateColumn("n", "count"),)
    joined = pa.schema([*FLIGHTS, pa.field("name", pa.string())])
    return make_job(
        {
            "flights": Source("parquet", FLIGHTS, {"paths": ["data/flights.parquet"]}),
            "airlines": Source("rows", AIRLINES),
            "filter_0": Filter(col("delay") > 15),
            "join_0": Join(("carrier",), ("carrier",)),
            "by_name": Operator("", Aggregate(("name",), columns, joined), name="by_name", parallelism=2),
            "sink_0": Sink("parquet", {"path": "out"}),
        },
        "flights > filter_0 > join_0 > by_name > sink_0",
        "airlines > join_0:1",
    )


def submitted(graph, tasks=4, sizes=None, interval=None):
    """Return the scenes of ``graph`` at its submission, and its execution graph; the table ``airlines`` is small.

    ``sizes`` are those of sources that cards show, ``interval`` the seconds between two checkpoints.
    """
    optimized = optimize(graph, {"airlines": Size(16, 640)} if "airlines" in graph.operators else {})
    execution = physical(optimized.graph, tasks)
    rows = {name: size.rows for name, size in (sizes or {}).items()}
    return display.scenes(JobLevels(graph, optimized, execution, rows, interval)), execution


def metrics(execution, state="FINISHED", name="late", rows=1000, **more):
    """Return metrics in which every chain read ``rows`` rows and wrote a quarter; ``more``: fields of JobMetrics."""
    flow, quarter, busy = (
        Throughput(rows, 4, 8 * rows),
        Throughput(rows // 4, 4, 2 * rows),
        Load(0.5, 0.4, 0.1) if state == "RUNNING" else Load(),
    )
    built = JobMetrics(
        job=name,
        run=1,
        version=1,
        at=105.0,
        state=state,
        paused=False,
        bounded=True,
        submitted=100.0,
        started=101.0,
        ended=104.4 if state != "RUNNING" else None,
        rows_in=flow,
        rows_out=Throughput(16),
        late=0,
        progress=None,
        lag=None,
        waits="",
        error=None,
        tasks=tuple(
            TaskMetrics(vertex.id, index, index, "agent-1", 0, state, flow, flow, busy)
            for vertex in execution.vertices.values()
            for index in range(vertex.parallelism)
        ),
        vertices=tuple(
            VertexMetrics(
                vertex.id,
                "operator",
                (),
                (),
                (OperatorMetrics(vertex.id, rows, 0.0),),
                vertex.parallelism,
                {state: vertex.parallelism},
                flow,
                quarter,
                busy,
            )
            for vertex in execution.vertices.values()
        ),
        edges=tuple(
            EdgeMetrics(edge.index, "", edge.up, edge.down, edge.port, edge.type.value, edge.keys, 4, flow)
            for edge in execution.edges
        ),
    )
    return replace(built, **more)


def failure(operator="by_name", **more):
    """Return the failure of a user function that raised."""
    built = JobFailure(
        kind="UserFunctionError",
        message="shout (cell [3], line 1) raised ValueError: too late",
        operator=operator,
        vertex=operator,
        traceback="  cell [3], line 2, in shout\n    raise ValueError('too late')\nValueError: too late",
        sample="carrier  delay\nUA       99.0",
        everything="Traceback (most recent call last):\n  File 'runner.py', line 7\nValueError: too late",
    )
    return replace(built, **more)
