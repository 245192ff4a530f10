"""The choice of edge types, row by row of the table in ``plan.edges``."""

import pyarrow as pa
import pytest

from sabotnb.blobs import Function, Origin
from sabotnb.errors import GraphError
from sabotnb.expr import col
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    Distinct,
    EdgeHint,
    EdgeType,
    Filter,
    Join,
    MapBatches,
    Operator,
    Phase,
    Project,
    Sink,
    Sort,
    Source,
    Top,
    Union,
)
from sabotnb.plan.edges import choose_routes

SCHEMA = pa.schema([("k", pa.int64()), ("j", pa.int64()), ("x", pa.float64())])
SOURCE = Source("rate", SCHEMA)
FILTER = Filter(col("x") > 0)
SINK = Sink("collect")
IDENTITY = Project((("k", col("k")), ("j", col("j")), ("x", col("x"))))
FUNCTION = Function("f" * 64, "f", "split", Origin("cell [1], line 1"), b"")


def by(*keys, phase=Phase.FULL):
    return Aggregate(keys, (AggregateColumn("n", "count"),), SCHEMA, phase)


def at(parallelism, spec):
    return Operator("", spec, parallelism=parallelism)


def routes(graph, default=4):
    routing = choose_routes(graph, default)
    return {
        f"{edge.up} > {edge.down}": (route.type.value, *route.keys)
        for edge, route in zip(graph.edges, routing.routes, strict=True)
    }


@pytest.mark.parametrize(
    ("up", "down", "chosen"),
    [
        (at(4, SOURCE), at(4, FILTER), ("forward",)),
        (at(2, SOURCE), at(4, FILTER), ("rebalance",)),
        (at(5, SOURCE), at(2, FILTER), ("rebalance",)),
        (at(4, SOURCE), at(4, by("k")), ("hash", "k")),
        (at(1, SOURCE), at(1, by("k")), ("hash", "k")),
        (at(4, SOURCE), at(2, by("k", "j")), ("hash", "k", "j")),
        (at(4, SOURCE), at(4, Distinct(("k",))), ("hash", "k")),
        (at(4, SOURCE), at(4, Top(("k",), 3, "x")), ("hash", "k")),
        (at(4, SOURCE), by(), ("gather",)),
        (at(4, SOURCE), Sort(("x",), (False,)), ("gather",)),
        (at(4, SOURCE), Top((), 3, "x"), ("gather",)),
        (at(4, SOURCE), at(4, by("k", phase=Phase.PARTIAL)), ("forward",)),
    ],
)
def test_without_a_hint(job, up, down, chosen):
    graph = job({"up": up, "down": down, "sink": SINK}, "up > down > sink")
    assert routes(graph)["up > down"] == chosen


@pytest.mark.parametrize(
    ("hint", "chosen"),
    [
        (EdgeHint(EdgeType.REBALANCE), ("rebalance",)),
        (EdgeHint(EdgeType.BROADCAST), ("broadcast",)),
        (EdgeHint(EdgeType.GATHER), ("gather",)),
        (EdgeHint(EdgeType.HASH, ("k",)), ("hash", "k")),
        (EdgeHint(EdgeType.RANGE, ("x",), (0.5,)), ("range", "x")),
        (EdgeHint(EdgeType.CUSTOM, function=FUNCTION), ("custom",)),
    ],
)
def test_a_hint_decides_for_row_operators(job, hint, chosen):
    graph = job({"up": SOURCE, "down": FILTER, "sink": SINK}, "up > down > sink", hints={"up > down": hint})
    assert routes(graph)["up > down"] == chosen


@pytest.mark.parametrize(("down", "chosen"), [(by("k"), ("hash", "k")), (Sort(("x",), (False,)), ("gather",))])
def test_a_hint_cannot_make_keyed_and_global_operators_wrong(job, down, chosen):
    hint = EdgeHint(EdgeType.REBALANCE)
    graph = job({"up": SOURCE, "down": down, "sink": SINK}, "up > down > sink", hints={"up > down": hint})
    assert routes(graph)["up > down"] == chosen


def test_a_forward_hint_needs_equal_parallelism(job):
    hint = EdgeHint(EdgeType.FORWARD)
    graph = job(
        {"up": at(2, SOURCE), "down": at(3, FILTER), "sink": SINK}, "up > down > sink", hints={"up > down": hint}
    )
    with pytest.raises(GraphError, match="2 tasks above and 3 below"):
        routes(graph)


def test_a_broadcast_join_hashes_nothing(job):
    join = Join(("k",), ("k",), strategy="broadcast")
    graph = job({"big": SOURCE, "small": SOURCE, "join": join, "sink": SINK}, "big > join > sink", "small > join:1")
    assert routes(graph) == {"big > join": ("forward",), "join > sink": ("forward",), "small > join": ("broadcast",)}


@pytest.mark.parametrize(("strategy", "chosen"), [("hash", ("forward",)), ("broadcast", ("hash", "k"))])
def test_rows_behind_a_broadcast_join_may_be_in_any_task_after_a_restore(job, strategy, chosen):
    join = Join(("k",), ("k",), strategy=strategy)
    graph = job(
        {"s": SOURCE, "small": SOURCE, "first": by("k"), "join": join, "second": Distinct(("k",)), "sink": SINK},
        "s > first > join > second > sink",
        "small > join:1",
    )
    assert routes(graph)["join > second"] == chosen


def test_a_hash_join_hashes_both_sides_with_one_table(job):
    join = Join(("k",), ("j",), strategy="hash")
    graph = job({"a": SOURCE, "b": SOURCE, "join": join, "sink": SINK}, "a > join > sink", "b > join:1")
    assert routes(graph) == {"a > join": ("hash", "k"), "join > sink": ("forward",), "b > join": ("hash", "j")}
    assert {route.domain for route in choose_routes(graph, 4).routes if route.domain} == {"join"}


@pytest.mark.parametrize(
    ("between", "chosen"),
    [
        (FILTER, ("forward",)),
        (IDENTITY, ("forward",)),
        (Project((("k", col("k")), ("n", col("x")))), ("forward",)),
        (Project((("k", col("k") + 1), ("x", col("x")))), ("hash", "k")),
        (Project((("k", col("j")), ("x", col("x")))), ("hash", "k")),
        (MapBatches(FUNCTION, SCHEMA), ("hash", "k")),
        (at(2, FILTER), ("hash", "k")),
    ],
    ids=["filter", "identity", "select", "computed key", "another column", "function", "other parallelism"],
)
def test_rows_stay_inside_a_key_domain_while_their_keys_are_unmodified(job, between, chosen):
    graph = job(
        {"s": SOURCE, "first": Distinct(("k",)), "between": between, "second": Distinct(("k",)), "sink": SINK},
        "s > first > between > second > sink",
    )
    assert routes(graph)["between > second"] == chosen


def test_a_renamed_key_is_followed(job):
    renamed = Project((("key", col("k")), ("x", col("x"))))
    graph = job(
        {"s": SOURCE, "first": Distinct(("k",)), "rename": renamed, "second": Distinct(("key",)), "sink": SINK},
        "s > first > rename > second > sink",
    )
    assert routes(graph)["rename > second"] == ("forward",)
    assert set(choose_routes(graph, 4).domains.values()) == {"first"}


def test_other_keys_or_another_order_of_keys_are_hashed_again(job):
    for keys in [("k", "j"), ("j", "k"), ("k",)]:
        graph = job(
            {"s": SOURCE, "first": Distinct(("k", "j")), "second": Distinct(keys), "sink": SINK},
            "s > first > second > sink",
        )
        expected = ("forward",) if keys == ("k", "j") else ("hash", *keys)
        assert routes(graph)["first > second"] == expected


def test_both_sides_of_a_join_may_be_in_their_domain_already(job):
    join = Join(("k",), ("k",), strategy="hash")
    graph = job(
        {"s": SOURCE, "a": by("k"), "b": by("k"), "join": join, "sink": SINK},
        "s > a > join > sink",
        "s > b > join:1",
    )
    routing = choose_routes(graph, 4)
    assert routes(graph)["a > join"] == routes(graph)["b > join"] == ("forward",)
    assert {route.domain for route in routing.routes if route.domain} == {routing.domains["join"]}


def test_the_other_side_is_hashed_into_the_domain_of_one_side(job):
    join = Join(("k",), ("j",), strategy="hash")
    graph = job({"s": SOURCE, "a": by("k"), "join": join, "sink": SINK}, "s > a > join > sink", "s > join:1")
    chosen = routes(graph)
    assert (chosen["a > join"], chosen["s > join"]) == (("forward",), ("hash", "j"))


def test_row_operators_behind_a_global_one_keep_its_single_task(job):
    graph = job(
        {"s": SOURCE, "sort": Sort(("x",), (False,)), "f": FILTER, "sink": SINK, "wide": at(3, SINK)},
        "s > sort > f > sink",
        "sort > wide",
    )
    assert choose_routes(graph, 4).parallelism == {"s": 4, "sort": 1, "f": 1, "sink": 1, "wide": 3}
    assert routes(graph)["sort > f"] == ("forward",)
    assert routes(graph)["sort > wide"] == ("rebalance",)


def test_a_union_in_one_domain_stays_in_it(job):
    union = Union(2)
    graph = job(
        {"s": SOURCE, "d": Distinct(("k",)), "f": FILTER, "g": FILTER, "u": union, "e": Distinct(("k",)), "sink": SINK},
        "s > d > f > u > e > sink",
        "d > g > u:1",
    )
    assert routes(graph)["u > e"] == ("forward",)
