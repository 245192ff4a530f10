"""Descriptions become job graphs with readable, deterministic ids; what is shared is one operator."""

from datetime import UTC, datetime

import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import GraphError


def edges(graph: sb.JobGraph) -> list[tuple[str, str]]:
    return [(edge.up, edge.down) for edge in graph.edges]


def test_operators_are_numbered_by_kind(flights: sb.Stream) -> None:
    graph = flights.filter(col("delay") > 15).filter(col("minutes") > 30).select("carrier").to_job_graph()
    assert list(graph.operators) == ["source_0", "filter_0", "filter_1", "select_0"]
    assert edges(graph) == [("source_0", "filter_0"), ("filter_0", "filter_1"), ("filter_1", "select_0")]


def test_a_name_given_is_the_id(flights: sb.Stream) -> None:
    graph = (
        flights.filter(col("delay") > 15).named("late", parallelism=3, tags=["gpu"], slot_group="own").to_job_graph()
    )
    late = graph.operators["late"]
    assert (late.name, late.parallelism, late.tags, late.slot_group) == ("late", 3, frozenset({"gpu"}), "own")


def test_a_given_name_is_left_free_by_numbering(flights: sb.Stream) -> None:
    graph = flights.filter(col("delay") > 15).filter(col("minutes") > 30).named("filter_0").to_job_graph()
    assert list(graph.operators) == ["source_0", "filter_1", "filter_0"]


def test_two_operators_of_one_name_are_refused(flights: sb.Stream) -> None:
    late = flights.filter(col("delay") > 15).named("late")
    with pytest.raises(GraphError, match="2 operators are named 'late'"):
        late.filter(col("minutes") > 30).named("late")
    with pytest.raises(GraphError, match="2 operators are named 'late'"):
        late.union(flights.filter(col("minutes") > 30).named("late"))
    assert late.union(late.filter(col("minutes") > 30)).to_job_graph().operators.keys() >= {"late"}


def test_timed_copies_of_a_named_operator_are_two_operators() -> None:
    times = sb.Stream.from_rows([{"t": datetime(2024, 1, 1, tzinfo=UTC), "carrier": "AA", "n": 1}])
    late = times.filter(col("n") > 0).named("late").filter(col("n") < 9)
    one, other = late.with_event_time("t"), late.with_event_time("t")
    for second in (other, late):
        with pytest.raises(GraphError, match="2 operators are named 'late'"):
            one.select("carrier").named("q").union(second.select("carrier"))
    assert one.select("carrier").union(one.select("carrier")).to_job_graph().operators.keys() >= {"late"}


def test_naming_again_keeps_what_was_said_before(flights: sb.Stream) -> None:
    stream = flights.filter(col("delay") > 15).named("late", parallelism=3).named(slot_group="own")
    late = stream.to_job_graph().operators["late"]
    assert (late.parallelism, late.slot_group) == (3, "own")


def test_the_same_description_gives_the_same_graph(flights: sb.Stream) -> None:
    def described() -> sb.Stream:
        return flights.filter(col("delay") > 15).group_by("carrier").agg(n=sb.count())

    one, other = described().to_job_graph(), described().to_job_graph()
    assert one.fingerprint() == other.fingerprint()
    assert list(one.operators) == list(other.operators)


def test_a_diamond_reads_its_source_once(flights: sb.Stream) -> None:
    late = flights.filter(col("delay") > 15)
    diamond = late.select("carrier").join(late.group_by("carrier").agg(n=sb.count()), on="carrier")
    graph = diamond.to_job_graph()
    assert sorted(graph.operators) == ["aggregate_0", "filter_0", "join_0", "select_0", "source_0"]


def test_a_self_join_feeds_both_ports_from_one_operator(flights: sb.Stream) -> None:
    graph = flights.join(flights, on="carrier").to_job_graph()
    assert [(edge.up, edge.down, edge.port) for edge in graph.edges] == [
        ("source_0", "join_0", 0),
        ("source_0", "join_0", 1),
    ]


def test_streams_are_immutable(flights: sb.Stream) -> None:
    before = flights.schema
    flights.select("carrier")
    flights.named("input")
    assert flights.schema == before
    assert list(flights.to_job_graph().operators) == ["source_0"]


def test_a_reloaded_graph_is_the_same(flights: sb.Stream) -> None:
    graph = flights.map_batches(lambda batch: batch.slice(0, 1)).group_by("carrier").agg(n=sb.count()).to_job_graph()
    assert sb.JobGraph.from_dict(graph.to_dict(), graph.blobs()).fingerprint() == graph.fingerprint()


def test_a_long_chain_needs_no_recursion(flights: sb.Stream) -> None:
    stream = flights
    for _ in range(1500):
        stream = stream.filter(col("delay") > 0)
    assert len(stream.flow.node.inputs) == 1
    assert len(sb_nodes(stream)) == 1501


def sb_nodes(stream: sb.Stream) -> list[object]:
    from sabotnb.api.stream_node import nodes_of

    return list(nodes_of((stream.flow,)))
