"""The optimizer does not change results: random pipelines over files and tables, run as written and optimized."""

import json
import math
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sabotnb import Stream, connectors, tumbling
from sabotnb.blobs import capture, capture_value
from sabotnb.errors import ExpressionError, SchemaError, SourceError, UserFunctionError
from sabotnb.expr import bind, coalesce, col, lit, udf, when
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    AsofJoin,
    Distinct,
    EdgeHint,
    EdgeType,
    Filter,
    FilterBatches,
    JobGraph,
    Join,
    MapBatches,
    MapRows,
    Operator,
    Project,
    Reduce,
    Sink,
    Sort,
    Source,
    Top,
    Union,
    output_schema,
)
from sabotnb.plan import optimize, physical
from sabotnb.task import run_local

NAN = math.nan
YEAR_3000 = datetime(3000, 1, 1)
FACTS = pa.table(
    {
        "k": [0, 1, 2, 3, None, 1, 2, 0, 5, 5, None, 3],
        "x": [0.5, -1.0, None, 4.0, 2.5, NAN, 0.0, 7.5, 1.0, 1.0, -2.0, None],
        "s": ["a", "b", "a", None, "c", "b", "a", "c", "a", "a", None, "b"],
        "n": list(range(12)),
        "i8": pa.array([100, -100, 1, 2, None, 0, 3, 1, 120, 2, None, -1], pa.int8()),
        "u": pa.array([0, 1, 2**63, 3, None, 1, 2, 0, 5, 5, None, 3], pa.uint64()),
        "f32": pa.array([0.1, 0.5, None, -2.0, 0.1, 3.5, 0.0, 1.5, 0.1, None, 2.0, 0.25], pa.float32()),
        "t": pa.array([datetime(2020, 1, day) for day in range(1, 12)] + [None], pa.timestamp("us")),
        "far": pa.array([datetime(2020, 1, 1), YEAR_3000, None] * 4, pa.timestamp("s")),
        "ns": pa.array([None, 0, 10**9, 1_577_836_800_000_000_001] * 3, pa.timestamp("ns")),
        "d": [date(2020, 1, 1), None, date(2021, 6, 1)] * 4,
        "b": [True, False, None, True] * 3,
        "text": ["1", "22", "three", None, "2020-01-01", ""] * 2,
        "part": [{"y": 1}, {"y": None}, None] * 4,
    }
)
DIMENSION = pa.table(
    {
        "j": [0, 1, 1, 3, None, 9],
        "s": ["u", "v", "w", "a", "b", "c"],
        "y": [1, 2, 3, 4, 5, 6],
        "j8": pa.array([100, 1, 2, 0, None, 3], pa.int8()),
        "j32": pa.array([0.1, 0.5, 2.0, 1.0, None, 4.0], pa.float32()),
        "jx": [
            pa.scalar(0.1, pa.float32()).as_py(),
            0.5,
            1.0,
            4.0,
            None,
            NAN,
        ],  # float 0.1 is not double 0.1
        "jt": pa.array([datetime(2020, 1, day) for day in range(1, 7)], pa.timestamp("us")),
    }
)
OTHER_TYPES = {
    "f32": pa.float64(),
    "x": pa.float32(),
    "n": pa.string(),
    "k": pa.int32(),
    "s": pa.large_string(),
    "t": pa.timestamp("s"),
    "d": pa.timestamp("us"),
    "far": pa.timestamp("ms"),
}
"""Schema with which a second source reads the same file; every value fits."""


@udf("double")
def doubled(values: pa.Array) -> pa.Array:
    return pc.multiply(values.cast("double"), 2.0)


@udf("int64", engine="row")
def not_three(value: int | None) -> int | None:
    if value == 3:
        raise ValueError("three")
    return value


SAME_BATCH = capture(lambda batch: batch, "map_batches")
SAME_ROW = capture(lambda row: row, "map_rows")
LAST_KNOWN = capture(lambda batch: batch.column(batch.num_columns - 1).is_valid(), "filter")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    described = {}
    for name, table, schema in (
        ("facts", FACTS, None),
        ("dimension", DIMENSION, None),
        ("other types", FACTS, OTHER_TYPES),
    ):
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=5)
        source = connectors.parquet(str(folder / f"{name}.parquet"), schema=schema)
        described[name] = replace(source, options={**source.options, "dictionaries": ["s"]})
    return described


@dataclass
class Pipeline:
    """A graph under construction, its last operator, and the schema of its output."""

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
        """Add another source to the same graph."""
        name = self.graph.unique_id(spec.kind)
        self.graph = self.graph.add_operator(Operator(name, spec))
        return Pipeline(self.graph, name, spec.schema)


def is_kind(data_type):
    """Return the kind of a type, by which constants and functions are chosen."""
    types = pa.types
    kinds = {
        "integer": types.is_integer,
        "float": types.is_floating,
        "text": lambda t: types.is_string(t) or types.is_large_string(t),
        "date": types.is_date,
        "time": types.is_timestamp,
        "truth": types.is_boolean,
        "struct": types.is_struct,
    }
    plain = data_type.value_type if types.is_dictionary(data_type) else data_type
    return next((kind for kind, matches in kinds.items() if matches(plain)), "")


CONSTANTS = {
    "integer": [0, 1, 3, -1, 100, 200, 0.5, 2**40],
    "float": [0.1, 0.1, 0.1, 0.5, 1e300, NAN],
    "text": ["a", "", "22", "c"],
    "date": [date(2020, 1, 1), date(2020, 6, 1), datetime(2020, 1, 1, 12), "2020-06-01"],
    "time": [datetime(2020, 1, 3), datetime(2020, 1, 3, 0, 0, 0, 1), YEAR_3000, "2020-01-05", date(2020, 1, 4)],
    "truth": [True, False],
}
CASTS = ["int8", "int64", "double", "float32", "string", "timestamp[s]", "timestamp[ns]", "date", "bool"]
OF_ONE = {
    "integer": [lambda c: c.abs(), lambda c: -c, lambda c: c.sqrt(), lambda c: c.round(-1), doubled, not_three],
    "float": [lambda c: c.floor(), lambda c: c.round(1), lambda c: c.is_nan(), lambda c: -c, doubled],
    "text": [
        lambda c: c.str.len(),
        lambda c: c.str.upper(),
        lambda c: c.str.split("2").list.len(),
        lambda c: c.str.slice(0, 1),
        lambda c: c.str.to_datetime(),
    ],
    "date": [lambda c: c.dt.year(), lambda c: c.dt.truncate("1w")],
    "time": [lambda c: c.dt.date(), lambda c: c.dt.hour(), lambda c: c.dt.truncate("1d"), lambda c: c.dt.epoch("ns")],
    "truth": [lambda c: ~c],
    "struct": [lambda c: c.struct.field("y")],
}
OF_TWO = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / y,
    lambda x, y: x // y,
    lambda x, y: x % y,
    lambda x, y: x**y,
    coalesce,
    lambda x, y: when(x.is_null()).then(y).otherwise(x),
    lambda x, y: x.clip(y),
]
COMPARISONS = [
    lambda x, y: x > y,
    lambda x, y: x <= y,
    lambda x, y: x == y,
    lambda x, y: x != y,
    lambda x, y: y < x,
    lambda x, y: x.is_between(y, y),
    lambda x, y: x.is_between(y, x, closed="none"),
]


def can_be_written(expr, schema):
    try:
        bind(expr, schema)
    except SchemaError:
        return False
    return True


def column_of(draw, schema):
    """Draw a column, more often one of the last, and its kind."""
    name = draw(st.sampled_from([*schema.names, *schema.names[-2:] * 2]))
    return col(name), is_kind(schema.field(name).type)


def value(draw, schema, depth=1):
    """Draw an expression of any type."""
    column, kind = column_of(draw, schema)
    match draw(st.sampled_from(["two", "two", "constant", "one", "cast", "when"] if depth else ["column", "constant"])):
        case "two":
            drawn = draw(st.sampled_from(OF_TWO))(column, value(draw, schema, depth - 1))
        case "constant" if kind in CONSTANTS:
            drawn = draw(st.sampled_from(OF_TWO))(column, draw(st.sampled_from(CONSTANTS[kind])))
        case "one" if kind in OF_ONE:
            drawn = draw(st.sampled_from(OF_ONE[kind]))(column)
        case "cast":
            drawn = value(draw, schema, depth - 1).cast(draw(st.sampled_from(CASTS)))
        case "when":
            drawn = when(condition(draw, schema, 0)).then(column).otherwise(value(draw, schema, depth - 1))
        case _:
            drawn = column
    return drawn if can_be_written(drawn, schema) else column


def condition(draw, schema, depth=2):
    """Draw a boolean expression."""
    column, kind = column_of(draw, schema)
    match draw(st.sampled_from(["constant", "two", "in", "null", *(["and", "or", "not"] if depth else [])])):
        case "constant" if kind in CONSTANTS:
            drawn = about(draw, column, kind)
        case "two":
            drawn = draw(st.sampled_from(COMPARISONS))(value(draw, schema), value(draw, schema, 0))
        case "in" if kind in CONSTANTS:
            drawn = column.is_in([constant for constant in CONSTANTS[kind][:2] if constant is not NAN])
        case "and":
            drawn = condition(draw, schema, depth - 1) & condition(draw, schema, depth - 1)
        case "or":
            drawn = condition(draw, schema, depth - 1) | condition(draw, schema, depth - 1)
        case "not":
            drawn = ~condition(draw, schema, depth - 1)
        case _:
            drawn = draw(st.sampled_from([column.is_null(), column.is_not_null()]))
    return drawn if can_be_written(drawn, schema) else column.is_not_null()


def about(draw, column, kind):
    return draw(st.sampled_from(COMPARISONS))(column, draw(st.sampled_from(CONSTANTS[kind])))


def filtered(draw, pipeline):
    return pipeline.then(Filter(condition(draw, pipeline.schema)))


def projected(draw, pipeline):
    kept = draw(st.lists(st.sampled_from(pipeline.schema.names), min_size=1, unique=True))
    columns = [(name, col(name)) for name in kept]
    computed = [value(draw, pipeline.schema, 2) for _ in range(draw(st.integers(0, 2)))]
    columns += [(f"c{len(pipeline.graph.operators)}_{number}", expr) for number, expr in enumerate(computed)]
    return pipeline.then(Project(tuple(columns)))


def renamed(draw, pipeline):
    old = draw(st.sampled_from(pipeline.schema.names))
    new = f"r{len(pipeline.graph.operators)}"
    return pipeline.then(Project(tuple((new if name == old else name, col(name)) for name in pipeline.schema.names)))


def united(draw, pipeline):
    other = filtered(draw, pipeline)
    this = Pipeline(other.graph, pipeline.end, pipeline.schema)
    return this.then(Union(2), other)


def orderable(pipeline):
    return [field.name for field in pipeline.schema if not pa.types.is_nested(field.type)]


def aggregated(draw, pipeline):
    names = orderable(pipeline)
    keys = tuple(draw(st.lists(st.sampled_from(names), max_size=2, unique=True))) if names else ()
    columns = [AggregateColumn("rows", "count")]
    for name in names:
        fns = ["min", "max", "count", "n_unique"]
        if is_kind(pipeline.schema.field(name).type) == "integer":
            fns.append("sum")
        fn = draw(st.sampled_from(fns))
        columns.append(AggregateColumn(f"{name}_{fn}", fn, name))
    taken = {*keys, "rows"}
    columns = [column for column in columns if column.name not in taken or column.name == "rows"]
    spec = Aggregate(keys, tuple(columns), pipeline.schema)
    return pipeline if "rows" in keys or not fits(spec, pipeline) else pipeline.then(spec)


def fits(spec, pipeline):
    try:
        output_schema(spec, [pipeline.schema])
    except SchemaError:
        return False
    return True


def distinct(draw, pipeline):
    return pipeline.then(Distinct(tuple(pipeline.schema.names))) if everything_orders(pipeline) else pipeline


def everything_orders(pipeline):
    return len(orderable(pipeline)) == len(pipeline.schema)


def topped(draw, pipeline):
    if not everything_orders(pipeline):
        return pipeline
    names = st.sampled_from(pipeline.schema.names)
    keys = tuple(draw(st.lists(names, max_size=1)))
    rank = f"place{len(pipeline.graph.operators)}" if draw(st.booleans()) else None
    ways = {"reverse": draw(st.booleans()), "ties": draw(st.booleans()), "rank": rank}
    return pipeline.then(Top(keys, draw(st.integers(1, 3)), draw(names), **ways))


def ordered(draw, pipeline):
    names = orderable(pipeline)
    return pipeline.then(Sort((draw(st.sampled_from(names)),), (draw(st.booleans()),))) if names else pipeline


def reduced(draw, pipeline):
    integers = [field for field in pipeline.schema if is_kind(field.type) == "integer"]
    keys = [name for name in orderable(pipeline) if name not in {field.name for field in integers}]
    if not integers or not keys:
        return pipeline
    key = draw(st.sampled_from(keys))
    wide = tuple((field.name, col(field.name).cast("int64")) for field in integers)
    rows = pipeline.then(Project(((key, col(key)), *wide)))
    zeros = dict.fromkeys([field.name for field in integers], 0)
    init = capture_value(zeros, "init") if draw(st.booleans()) else None
    function = capture(partial(folded, key), "reduce")
    return rows.then(Reduce((key,), function, rows.schema, init))


def folded(key, left, right):
    return {name: (left.get(name) or 0) + (right.get(name) or 0) for name in right if name != key}


def mapped(draw, pipeline):
    schema = pa.schema(
        [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in pipeline.schema]
    )
    specs = [MapBatches(SAME_BATCH, schema), MapRows(SAME_ROW, schema), FilterBatches(LAST_KNOWN)]
    return pipeline.then(draw(st.sampled_from(specs)))


JOINABLE = {"integer": ["j", "y", "j8"], "float": ["j32", "jx"], "text": ["s"]}


def joined(draw, pipeline, dimension):
    taken = [name for name in pipeline.schema.names if name.endswith("_right")]
    keys = [field.name for field in pipeline.schema if is_kind(field.type) in JOINABLE]
    if not keys or taken:
        return pipeline
    key = draw(st.sampled_from(keys))
    other = pipeline.beside(dimension)
    pipeline = Pipeline(other.graph, pipeline.end, pipeline.schema)
    if draw(st.booleans()):
        other = filtered(draw, other)
        pipeline = Pipeline(other.graph, pipeline.end, pipeline.schema)
    on = draw(st.sampled_from(JOINABLE[is_kind(pipeline.schema.field(key).type)]))
    how = draw(st.sampled_from(["inner", "left", "right", "full", "semi", "anti"]))
    strategy = draw(st.sampled_from(["auto", "hash"]))
    spec = Join((key,), (on,), how, strategy=strategy)
    try:
        output_schema(spec, [pipeline.schema, other.schema])
    except SchemaError:  # right and full joins need one type
        spec = replace(spec, how="inner")
    kind = is_kind(pipeline.schema.field(key).type)
    pipeline = pipeline.then(spec, other)
    return pipeline.then(Filter(about(draw, col(key), kind))) if draw(st.booleans()) else pipeline


def with_column(pipeline, expr):
    name = f"k{len(pipeline.graph.operators)}"
    return pipeline.then(Project((*((column, col(column)) for column in pipeline.schema.names), (name, expr))))


def with_constant(draw, pipeline):
    """Add a constant column, and an expression that reads it."""
    other, kind = column_of(draw, pipeline.schema)
    pipeline = with_column(pipeline, lit(draw(st.sampled_from(CONSTANTS.get(kind, ["a"])))))
    drawn = draw(st.sampled_from([*OF_TWO, *COMPARISONS]))(col(pipeline.schema.names[-1]), other)
    if not can_be_written(drawn, pipeline.schema):
        return pipeline
    truth = bind(drawn, pipeline.schema) == pa.bool_()
    return pipeline.then(Filter(drawn)) if truth else with_column(pipeline, drawn)


COMMON = [filtered, filtered, filtered, projected, projected, with_constant, joined, joined]
RARE = [renamed, united, aggregated, distinct, topped, ordered, reduced, mapped]
THEMES = [["k", "i8", "u", "n"], ["f32", "x"], ["t", "far", "ns", "d"], ["s", "text", "k"], FACTS.schema.names]
"""With few columns, expressions combine the same ones more often."""


@st.composite
def pipelines(draw, sources):
    facts, dimension = draw(st.sampled_from([sources["facts"], sources["other types"]])), sources["dimension"]
    if draw(st.booleans()):
        facts = connectors.table(FACTS)
    pipeline = Pipeline(JobGraph().add_operator(Operator("facts", facts)), "facts", facts.schema)
    theme = draw(st.sampled_from(THEMES))
    pipeline = pipeline.then(Project(tuple((name, col(name)) for name in theme)))
    for _ in range(draw(st.integers(1, 6))):
        step = draw(st.sampled_from([*COMMON, *RARE]))
        pipeline = joined(draw, pipeline, dimension) if step is joined else step(draw, pipeline)
    return spread(draw, pipeline.then(Sink("collect")).graph)


def spread(draw, graph):
    """Add hints to some edges: they must not change results, but keep most rules from being applied."""
    if draw(st.integers(0, 3)):
        return graph
    edges = []
    for edge in graph.edges:
        plain = [field.name for field in graph.schemas()[edge.up] if not pa.types.is_nested(field.type)]
        hints = [EdgeHint(EdgeType.REBALANCE), EdgeHint(EdgeType.GATHER)]
        hints += [EdgeHint(EdgeType.HASH, (draw(st.sampled_from(plain)),))] if plain else []
        edges.append(replace(edge, hint=draw(st.sampled_from([None, None, None, *hints]))))
    return JobGraph(graph.operators, tuple(edges))


def results(graph, parallelism):
    """Return the rows of a run, or its error."""
    execution = physical(graph, parallelism, groups=16)
    splits = {
        vertex.id: tuple(connectors.source(vertex.operators[0].spec).splits())
        for vertex in execution.vertices.values()
        if isinstance(vertex.operators[0].spec, Source)
    }
    try:
        rows = [row for batch in run_local(execution, splits) for row in batch.to_pylist()]
    except (ExpressionError, UserFunctionError, SourceError) as error:
        return error
    return Counter(tuple((name, shown(value)) for name, value in row.items()) for row in rows)


def shown(value):
    return repr(value + 0.0 if isinstance(value, float) else value)  # 0.0 and -0.0 are one key


def test_a_reloaded_graph_has_the_same_rows(sources):
    pipeline = Pipeline(JobGraph().add_operator(Operator("facts", sources["facts"])), "facts", sources["facts"].schema)
    counted = Aggregate(("s",), (AggregateColumn("rows", "count"), AggregateColumn("most", "max", "x")), FACTS.schema)
    memory = pipeline.beside(connectors.table(DIMENSION))
    pipeline = Pipeline(memory.graph, pipeline.end, pipeline.schema)
    graph = pipeline.then(Join(("k",), ("j",), "left"), memory).then(counted).then(Sink("collect")).graph
    again = JobGraph.from_dict(json.loads(json.dumps(graph.to_dict())), graph.blobs())
    assert results(again, 2) == results(graph, 2)
    assert len(results(graph, 2)) == 4


@settings(max_examples=80, deadline=None, suppress_health_check=[*HealthCheck])
@given(data=st.data())
def test_an_optimized_plan_has_the_same_rows(sources, data):
    """It may fail only if the plan as written fails; it may succeed where that fails, as it drops unread columns."""
    graph = data.draw(pipelines(sources))
    graph.validate()
    estimates = {operator.id: connectors.estimate(operator.spec) for operator in graph.get_sources()}
    optimized = optimize(graph, estimates).graph
    optimized.validate()
    assert optimized.schemas()[graph.get_sinks()[0].id] == graph.schemas()[graph.get_sinks()[0].id]
    expected, actual = results(graph, 2), results(optimized, data.draw(st.integers(1, 3)))
    if isinstance(expected, Counter):
        assert actual == expected


EVENTS = pa.table(
    {
        "id": [row % 4 for row in range(24)],
        "a": [(row * 7) % 5 - 1 for row in range(24)],
        "t": pa.array([(row // 3) * 2 + (3 if row % 7 == 0 else 0) for row in range(24)], pa.timestamp("us")),
        "x": [None if row % 5 == 0 else row % 3 / 2 for row in range(24)],
        "e": pa.array([None if row % 8 == 0 else row + 3 for row in range(24)], pa.timestamp("us")),
    }
)
"""Out of order in one of seven rows; several rows of a key have one time."""

HOWS = ["inner", "left", "right", "full", "semi", "anti"]


def timed(rows):
    """A stream of every third or so of the rows; those that are more than 3 us behind are late."""
    return Stream.from_arrow(EVENTS.take(rows)).with_event_time("t", max_delay="3us")


@st.composite
def joins_by_time(draw):
    """A join by time, also of a stream with itself, filters on its columns, and some of the columns."""
    chosen = st.lists(st.integers(0, 23), min_size=1, max_size=16).map(sorted)
    left = timed(draw(chosen))
    right = left if draw(st.booleans()) else timed(draw(chosen))
    how = draw(st.sampled_from(HOWS))
    kind = draw(st.sampled_from(["interval", "until", "window", "asof"]))
    if kind == "window":
        joined = left.join(right, on="id", how=how, window=tumbling("5us"))
    elif kind == "asof":
        joined = left.asof_join(right, on="id", direction=draw(st.sampled_from(["backward", "forward", "nearest"])))
    else:
        bounds = ("-2us", "4us") if kind == "interval" else ("0us", col("e"))
        joined = left.interval_join(right, on="id", between=bounds, how=how)
    parts = [col("id") > 1, col("a") > 0, col("x").is_null(), col("t") > datetime(1970, 1, 1, 0, 0, 0, 7)]
    if "a_right" in joined.schema.names:
        parts += [col("a_right") > 0, col("x_right") < 0.75, col("a") < col("a_right"), 4 // (col("a_right") + 5) > 0]
    for _ in range(draw(st.integers(0, 2))):
        condition = draw(st.sampled_from(parts))
        joined = joined.filter(condition & draw(st.sampled_from(parts)) if draw(st.booleans()) else condition)
    return joined.select(*draw(st.sampled_from([joined.schema.names, joined.schema.names[-2:], ["id"]])))


def collected(stream):
    graph = stream.to_job_graph()
    (last,) = (name for name in graph.operators if not graph.outputs(name))
    return graph.add_operator(Operator("out", Sink("collect"))).connect(last, "out")


@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(stream=joins_by_time(), parallelism=st.integers(1, 4))
def test_an_optimized_join_by_time_has_the_same_rows(stream, parallelism):
    graph = collected(stream)
    optimized = optimize(graph).graph
    assert results(optimized, parallelism) == results(graph, 1)


def test_an_asof_join_finds_the_same_row_whatever_is_read_of_it():
    at = pa.array([5, 5], pa.timestamp("us"))
    right = Stream.from_arrow(pa.table({"id": [1, 1], "a": [1, 2], "m": [9, 5], "t": at, "n": [1, 2]}))
    left = Stream.from_arrow(pa.table({"id": [1], "t": at[:1]})).with_event_time("t")
    graph = collected(left.asof_join(right.with_event_time("t"), on="id").select("m"))
    optimized = optimize(graph).graph
    assert results(optimized, 1) == results(graph, 1) == Counter([(("m", "9"),)])
    (join,) = (name for name, operator in optimized.operators.items() if isinstance(operator.spec, AsofJoin))
    assert optimized.schemas()[optimized.inputs(join)[1].up].names == ["id", "a", "m", "t"]
