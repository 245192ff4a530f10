"""Whatever the optimizer does, results stay the same: random pipelines over Parquet files, run both ways."""

import json
import math
from collections import Counter
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sabotnb import connectors
from sabotnb.expr import col
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    Distinct,
    EdgeHint,
    EdgeType,
    Filter,
    JobGraph,
    Join,
    Operator,
    Project,
    Sink,
    Source,
    Union,
    output_schema,
)
from sabotnb.plan import optimize, physical
from sabotnb.task import run_local

FACTS = pa.table(
    {
        "k": [0, 1, 2, 3, None, 1, 2, 0, 5, 5, None, 3],
        "x": [0.5, -1.0, None, 4.0, 2.5, math.nan, 0.0, 7.5, 1.0, 1.0, -2.0, None],
        "s": ["a", "b", "a", None, "c", "b", "a", "c", "a", "a", None, "b"],
        "n": list(range(12)),
    }
)
DIMENSION = pa.table({"j": [0, 1, 1, 3, None, 9], "s": ["u", "v", "w", "a", "b", "c"], "y": [1, 2, 3, 4, 5, 6]})


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    described = {}
    for name, table in (("facts", FACTS), ("dimension", DIMENSION)):
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=5)
        source = connectors.parquet(str(folder / f"{name}.parquet"))
        described[name] = replace(source, options={**source.options, "dictionaries": ["s"]})
    return described


@dataclass
class Pipeline:
    """A graph under construction, the operator that ends it, and what leaves that."""

    graph: JobGraph
    end: str
    schema: pa.Schema

    def then(self, spec, *others):
        name = self.graph.unique_id(spec.kind)
        graph = self.graph.add_operator(Operator(name, spec)).connect(self.end, name)
        for port, other in enumerate(others, start=1):
            graph = graph.connect(other.end, name, port)
        return Pipeline(graph, name, output_schema(spec, [self.schema, *(other.schema for other in others)]))

    def beside(self, spec):
        """Another source in the same graph."""
        name = self.graph.unique_id(spec.kind)
        self.graph = self.graph.add_operator(Operator(name, spec))
        return Pipeline(self.graph, name, spec.schema)


def named(pipeline, *kinds):
    return [field.name for field in pipeline.schema if any(is_kind(field.type) for is_kind in kinds)]


def numbers(pipeline):
    return named(pipeline, pa.types.is_integer, pa.types.is_floating)


def filtered(draw, pipeline):
    column = draw(st.sampled_from(pipeline.schema.names))
    if column in numbers(pipeline):
        limit = draw(st.integers(-1, 6))
        predicate = draw(st.sampled_from([col(column) > limit, col(column) != limit, col(column).is_null()]))
    else:
        predicate = draw(st.sampled_from([col(column) == "a", col(column) < "c", col(column).is_not_null()]))
    if draw(st.booleans()):
        other = draw(st.sampled_from(pipeline.schema.names))
        predicate = predicate & col(other).is_not_null()
    return pipeline.then(Filter(predicate))


def projected(draw, pipeline):
    kept = draw(st.lists(st.sampled_from(pipeline.schema.names), min_size=1, unique=True))
    columns = [(name, col(name)) for name in kept]
    if numbers(pipeline) and draw(st.booleans()):
        read = draw(st.sampled_from(numbers(pipeline)))
        columns.append((f"c{len(pipeline.graph.operators)}", col(read) * 2.0 + 1))
    return pipeline.then(Project(tuple(columns)))


def renamed(draw, pipeline):
    old = draw(st.sampled_from(pipeline.schema.names))
    new = f"r{len(pipeline.graph.operators)}"
    return pipeline.then(Project(tuple((new if name == old else name, col(name)) for name in pipeline.schema.names)))


def united(draw, pipeline):
    other = filtered(draw, pipeline)
    this = Pipeline(other.graph, pipeline.end, pipeline.schema)
    return this.then(Union(2), other)


def aggregated(draw, pipeline):
    keys = tuple(draw(st.lists(st.sampled_from(pipeline.schema.names), max_size=2, unique=True)))
    columns = [AggregateColumn("rows", "count")]
    for name in numbers(pipeline):
        fn = draw(st.sampled_from(["sum", "min", "max", "count", "n_unique"]))
        columns.append(AggregateColumn(f"{name}_{fn}", fn, name))
    names = {*keys, "rows"}
    columns = [column for column in columns if column.name not in names or column.name == "rows"]
    if "rows" in keys:
        return pipeline
    return pipeline.then(Aggregate(keys, tuple(columns), pipeline.schema))


def distinct(draw, pipeline):
    return pipeline.then(Distinct(tuple(pipeline.schema.names)))


def joined(draw, pipeline, dimension):
    keys = [name for name in pipeline.schema.names if pipeline.schema.field(name).type == pa.int64()]
    taken = [name for name in pipeline.schema.names if name.endswith("_right")]
    if not keys or taken:
        return pipeline
    how = draw(st.sampled_from(["inner", "left", "right", "full", "semi", "anti"]))
    other = pipeline.beside(dimension)
    pipeline = Pipeline(other.graph, pipeline.end, pipeline.schema)
    return pipeline.then(Join((draw(st.sampled_from(keys)),), ("j",), how), other)


@st.composite
def pipelines(draw, facts: Source, dimension: Source):
    pipeline = Pipeline(JobGraph().add_operator(Operator("facts", facts)), "facts", facts.schema)
    for _ in range(draw(st.integers(1, 6))):
        step = draw(st.sampled_from([filtered, projected, renamed, united, aggregated, distinct, joined]))
        pipeline = joined(draw, pipeline, dimension) if step is joined else step(draw, pipeline)
    return spread(draw, pipeline.then(Sink("collect")).graph)


def spread(draw, graph):
    """Some edges get a hint, which must not change what comes out."""
    edges = []
    for edge in graph.edges:
        keys = (draw(st.sampled_from(graph.schemas()[edge.up].names)),)
        hints = [EdgeHint(EdgeType.REBALANCE), EdgeHint(EdgeType.HASH, keys), EdgeHint(EdgeType.GATHER)]
        edges.append(replace(edge, hint=draw(st.sampled_from([None, None, None, *hints]))))
    return JobGraph(graph.operators, tuple(edges))


def results(graph, parallelism):
    execution = physical(graph, parallelism, groups=16)
    splits = {
        vertex.id: tuple(connectors.source(vertex.operators[0].spec).splits())
        for vertex in execution.vertices.values()
        if isinstance(vertex.operators[0].spec, Source)
    }
    rows = [row for batch in run_local(execution, splits) for row in batch.to_pylist()]
    return Counter(tuple((name, repr(value)) for name, value in row.items()) for row in rows)


def test_a_reloaded_graph_gives_the_same_rows(sources):
    pipeline = Pipeline(JobGraph().add_operator(Operator("facts", sources["facts"])), "facts", sources["facts"].schema)
    counted = Aggregate(("s",), (AggregateColumn("rows", "count"), AggregateColumn("most", "max", "x")), FACTS.schema)
    memory = pipeline.beside(connectors.table(DIMENSION))
    pipeline = Pipeline(memory.graph, pipeline.end, pipeline.schema)
    graph = pipeline.then(Join(("k",), ("j",), "left"), memory).then(counted).then(Sink("collect")).graph
    again = JobGraph.from_dict(json.loads(json.dumps(graph.to_dict())), graph.blobs())
    assert results(again, 2) == results(graph, 2)
    assert len(results(graph, 2)) == 4


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_optimized_plan_gives_the_same_rows(sources, data):
    graph = data.draw(pipelines(sources["facts"], sources["dimension"]))
    graph.validate()
    estimates = {operator.id: connectors.estimate(operator.spec) for operator in graph.get_sources()}
    optimized = optimize(graph, estimates).graph
    optimized.validate()
    assert optimized.schemas()[graph.get_sinks()[0].id] == graph.schemas()[graph.get_sinks()[0].id]
    assert results(optimized, data.draw(st.integers(1, 3))) == results(graph, 2)
