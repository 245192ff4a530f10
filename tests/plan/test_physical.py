import json

import pyarrow as pa
import pytest

from sabotnb.blobs import Function, Origin
from sabotnb.errors import GraphError
from sabotnb.expr import col
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    Distinct,
    EventTime,
    Filter,
    Join,
    MapBatches,
    OnError,
    Operator,
    Project,
    Resources,
    Sink,
    Source,
    Union,
)
from sabotnb.plan import channels, downstreams, edge_id, execution_graph_codec, physical, tasks, upstreams
from sabotnb.protocol import RunId

SCHEMA = pa.schema([("k", pa.int64()), ("x", pa.float64())])
FUNCTION = Function("ab" * 32, "parse", "parse", Origin("cell [2], line 3"), b"pickled")


def at(parallelism, spec, **placed):
    return Operator("", spec, parallelism=parallelism, **placed)


def orphans(graph):
    """Return tasks that no row can reach, and tasks whose output is not read."""
    for vertex, index in tasks(graph):
        inputs = [upstreams(edge, graph, index) for edge in graph.edges if edge.down == vertex]
        outputs = [downstreams(edge, graph, index) for edge in graph.edges if edge.up == vertex]
        if (inputs and not any(inputs)) or (outputs and not any(outputs)):
            yield vertex, index


@pytest.fixture
def fraud(job):
    """Ten tasks parse transactions, five watch accounts, two write."""
    return job(
        {
            "transactions": at(10, Source("rate", SCHEMA)),
            "parse": at(10, MapBatches(FUNCTION, SCHEMA)),
            "detect": at(5, Distinct(("k",))),
            "alerts": at(2, Sink("collect")),
        },
        "transactions > parse > detect > alerts",
    )


@pytest.fixture
def ingest(job):
    return job(
        {
            "kafka": at(2, Source("rate", SCHEMA)),
            "filter": at(4, Filter(col("x") > 0)),
            "map": at(4, MapBatches(FUNCTION, SCHEMA)),
            "sink": at(2, Sink("collect")),
        },
        "kafka > filter > map > sink",
    )


def test_the_fraud_pipeline_has_27_tasks_10_forward_and_50_hash_connections(fraud):
    graph = fraud.to_execution_graph()
    assert len(tasks(graph)) == 27
    assert [(edge.type.value, len(channels(edge, graph))) for edge in graph.edges] == [
        ("forward", 10),
        ("hash", 50),
        ("rebalance", 10),
    ]
    assert not list(orphans(graph))
    assert set(graph.tables["detect"]) == set(range(5))


def test_chained_the_fraud_pipeline_forwards_inside_its_tasks(fraud):
    graph = physical(fraud, 1)
    assert {name: [op.id for op in vertex.operators] for name, vertex in graph.vertices.items()} == {
        "transactions": ["transactions", "parse"],
        "detect": ["detect"],
        "alerts": ["alerts"],
    }
    assert len(tasks(graph)) == 17


def test_two_four_four_two_are_12_tasks_and_none_is_orphaned(ingest):
    graph = ingest.to_execution_graph()
    assert len(tasks(graph)) == 12
    assert not list(orphans(graph))


def test_two_sources_feed_all_eight_filters(job):
    graph = job(
        {"s": at(2, Source("rate", SCHEMA)), "f": at(8, Filter(col("x") > 0)), "sink": at(8, Sink("collect"))},
        "s > f > sink",
    ).to_execution_graph()
    assert {down for _, down in channels(graph.edges[0], graph)} == set(range(8))
    assert list(upstreams(graph.edges[0], graph, 7)) == [0, 1]


def test_keyed_four_to_four_is_hash(job):
    graph = job(
        {"s": at(4, Source("rate", SCHEMA)), "d": at(4, Distinct(("k",))), "sink": at(4, Sink("collect"))},
        "s > d > sink",
    ).to_execution_graph()
    assert [edge.type.value for edge in graph.edges] == ["hash", "forward"]
    assert len(channels(graph.edges[0], graph)) == 16


def test_both_ends_of_an_edge_agree_on_its_channels(fraud, ingest):
    for graph in (fraud.to_execution_graph(), ingest.to_execution_graph()):
        for edge in graph.edges:
            sent = {
                (up, to) for up in range(graph.vertices[edge.up].parallelism) for to in downstreams(edge, graph, up)
            }
            assert sent == set(channels(edge, graph))


@pytest.mark.parametrize("placed", [{"slot_group": "slow"}, {"tags": frozenset({"gpu"})}], ids=["slot group", "tags"])
def test_operators_of_other_slot_groups_or_tags_are_not_chained(job, placed):
    graph = physical(
        job(
            {"s": Source("rate", SCHEMA), "f": at(None, Filter(col("x") > 0), **placed), "sink": Sink("collect")},
            "s > f > sink",
        ),
        3,
    )
    assert list(graph.vertices) == ["s", "f", "sink"]
    assert (graph.vertices["f"].slot_group, graph.vertices["f"].tags) == (
        placed.get("slot_group", "default"),
        placed.get("tags", frozenset()),
    )


def test_a_fork_ends_a_chain_and_a_join_begins_one(job):
    graph = physical(
        job(
            {
                "s": Source("rate", SCHEMA),
                "f": Filter(col("x") > 0),
                "a": Project((("k", col("k")),)),
                "b": Project((("k", col("k")),)),
                "u": Union(2),
                "sink": Sink("collect"),
            },
            "s > f > a > u > sink",
            "f > b > u:1",
        ),
        2,
    )
    assert {name: len(vertex.operators) for name, vertex in graph.vertices.items()} == {"s": 2, "a": 1, "b": 1, "u": 2}
    assert [(edge.up, edge.operator, edge.down, edge.port) for edge in graph.edges] == [
        ("s", "f", "a", 0),
        ("s", "f", "b", 0),
        ("a", "a", "u", 0),
        ("b", "b", "u", 1),
    ]


def test_a_side_output_leaves_a_chain_in_its_middle(job):
    graph = job(
        {
            "s": Source("rate", SCHEMA),
            "parse": MapBatches(FUNCTION, SCHEMA, on_error=OnError.SIDE),
            "sink": Sink("collect"),
            "bad": Sink("collect"),
        },
        "s > parse > sink",
    ).connect("parse", "bad", side="errors")
    execution = physical(graph, 2)
    assert {name: len(vertex.operators) for name, vertex in execution.vertices.items()} == {"s": 3, "bad": 1}
    (edge,) = execution.edges
    assert (edge.up, edge.operator, edge.side, edge.type.value) == ("s", "parse", "errors", "forward")
    assert edge.schema.names == ["k", "x", "error"]


def test_a_chain_has_the_resources_of_its_largest_operator(job):
    graph = job(
        {
            "s": at(1, Source("rate", SCHEMA), resources=Resources(0.25, 100)),
            "f": at(1, Filter(col("x") > 0), resources=Resources(1.0, 50)),
            "sink": at(1, Sink("collect"), resources=Resources(0.1, 10)),
        },
        "s > f > sink",
    )
    assert physical(graph, 1).vertices["s"].resources == Resources(1.0, 100)


def test_the_jobs_parallelism_is_for_operators_without_one(job):
    graph = physical(
        job(
            {"s": Source("rate", SCHEMA), "d": at(2, Distinct(("k",))), "sink": Sink("collect")},
            "s > d > sink",
        ),
        3,
    )
    assert {name: vertex.parallelism for name, vertex in graph.vertices.items()} == {"s": 3, "d": 2, "sink": 3}
    assert graph.vertices["d"].domain == "d"


@pytest.mark.parametrize(("parallelism", "groups"), [(0, 128), (9, 8)])
def test_impossible_parallelism_is_refused(job, parallelism, groups):
    graph = job({"s": Source("rate", SCHEMA), "d": Distinct(("k",)), "sink": Sink("collect")}, "s > d > sink")
    with pytest.raises(GraphError, match=r"choose at least 1|set a parallelism"):
        physical(graph, parallelism, groups)


def test_edges_are_named_by_run_ends_and_port(fraud):
    graph = fraud.to_execution_graph()
    assert edge_id(RunId("fraud", 3), graph.edges[1]) == "fraud@3:parse->detect:0"


def test_an_execution_graph_survives_json(job, fraud):
    joined = job(
        {
            "a": Source("rate", SCHEMA),
            "b": Source("rate", SCHEMA),
            "j": Join(("k",), ("k",), how="left", strategy="hash"),
            "agg": Aggregate(("k",), (AggregateColumn("n", "count"),), SCHEMA),
            "sink": Sink("parquet", {"path": "out"}),
        },
        "a > j > agg > sink",
        "b > j:1",
    )
    for graph in (physical(fraud, 2), physical(joined, 3)):
        data, blobs = execution_graph_codec.dump(graph)
        again = execution_graph_codec.load(json.loads(json.dumps(data)), blobs)
        assert execution_graph_codec.dump(again) == (data, blobs)
        assert (again.tables, again.groups, list(again.vertices)) == (graph.tables, graph.groups, list(graph.vertices))
        assert [edge.schema for edge in again.edges] == [edge.schema for edge in graph.edges]


def test_a_missing_blob_is_named(fraud):
    data, _ = execution_graph_codec.dump(physical(fraud, 1))
    with pytest.raises(GraphError, match=FUNCTION.sha256):
        execution_graph_codec.load(data, {})


def test_a_dump_does_not_grow_with_tasks(fraud):
    few, many = (len(json.dumps(execution_graph_codec.dump(physical(fraud, 1, groups))[0])) for groups in (32, 1024))
    assert many < few + 8 * 1024  # the table of the one key domain, nothing per task or channel


def test_it_is_known_which_inputs_end(job):
    graph = job(
        {
            "endless": at(1, Source("rate", SCHEMA, bounded=False)),
            "file": at(1, Source("parquet", SCHEMA)),
            "kept": at(1, Filter(col("k") > 0)),
            "joined": at(1, Join(("k",), ("k",))),
            "out": at(1, Sink("collect")),
        },
        "endless > joined > out",
        "file > kept > joined:1",
    )
    built = physical(graph, 1)
    assert {name for vertex in built.vertices.values() for name in vertex.bounded} == {"file", "kept"}
    assert execution_graph_codec.load(*execution_graph_codec.dump(built)) == built


def test_it_is_known_where_rows_have_event_time(job):
    timed = Source("rate", SCHEMA, event_time=EventTime("x"))
    graph = job(
        {
            "a": at(2, timed),
            "kept": at(2, Filter(col("k") > 0)),
            "b": at(1, Source("rate", SCHEMA)),
            "joined": at(1, Join(("k",), ("k",))),
            "mapped": at(1, MapBatches(FUNCTION, SCHEMA, on_error=OnError.SIDE)),
            "out": at(1, Sink("collect")),
        },
        "a > kept > joined > mapped > out",
        "b > joined:1",
    )
    built = physical(graph, 1)
    assert {name for vertex in built.vertices.values() for name in vertex.untimed} == {"b", "mapped", "out"}
    assert {(edge.operator, edge.timed) for edge in built.edges} == {("kept", True), ("b", False)}
    assert execution_graph_codec.load(*execution_graph_codec.dump(built)) == built
