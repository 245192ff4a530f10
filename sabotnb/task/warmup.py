"""Runs a small job when a process starts, so that the first job of a user starts fast."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa

from sabotnb import connectors, plan
from sabotnb.config import Config
from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, JobGraph, Operator, Sink
from sabotnb.task.local import run_local

GROUPS = 8


def warm_up() -> pa.Table:
    """Run a small job here and return its rows; loads the modules that a first job needs (0.3 s of CPU)."""
    _read_parquet()
    data = pa.table({"key": ["a", "b", "a"], "x": [1, 2, 3]})
    columns = (AggregateColumn("n", "count"), AggregateColumn("most", "max", "x"))
    schema = pa.schema([("key", pa.string()), ("x", pa.int64())])
    source = connectors.table(data)
    chain = (
        Operator("rows", source),
        Operator("some", Filter(col("x") % 2 == 1)),
        Operator("groups", Aggregate(("key",), columns, schema)),
        Operator("sink", Sink("collect")),
    )
    graph = JobGraph()
    for operator in chain:
        graph = graph.add_operator(operator)
    for up, down in pairwise(chain):
        graph = graph.connect(up.id, down.id)
    execution = plan.physical(plan.optimize(graph, {}).graph, 1, GROUPS)
    splits = {"rows": connectors.source(source).splits()}
    return pa.Table.from_batches(run_local(execution, splits, Config()))


def _read_parquet() -> None:
    import pyarrow.parquet as pq

    target = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": [1]}), target)
    list(pq.ParquetFile(pa.BufferReader(target.getvalue())).iter_batches(use_threads=False))
