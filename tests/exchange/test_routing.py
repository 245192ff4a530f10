"""Each type of edge splits rows like a list comprehension."""

import json
import math
from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from exchanges import SCHEMA, edge_graph, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.blobs import capture
from sabotnb.errors import ProtocolError, TypeMismatch, UserFunctionError
from sabotnb.eventtime import clocks, with_clock, without_clock
from sabotnb.exchange.routing import splitter
from sabotnb.graph.dataclass_codec import JsonDecoder, JsonEncoder
from sabotnb.graph.job_graph import Edge, EdgeHint, EdgeType
from sabotnb.native import hash_rows, key_groups


def split(batch, kind, tasks, bounds=(), **edge):
    literals = EdgeHint(kind, bounds=bounds).bounds
    graph = edge_graph(kind, 1, tasks, schema=batch.schema, bounds=literals, **edge)
    slices = splitter(graph.edges[0], graph)(batch)
    return [rows.column(0).to_pylist() if rows is not None else [] for rows in slices]


@pytest.mark.parametrize("kind", [EdgeType.FORWARD, EdgeType.BROADCAST, EdgeType.REBALANCE, EdgeType.GATHER])
def test_some_edges_send_whole_batches(kind):
    graph = edge_graph(kind, 2, 2)
    assert splitter(graph.edges[0], graph) is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), st.integers(1, 9))
def test_hash_follows_the_table_of_key_groups(values, tasks):
    column = pa.array(values, pa.int64())
    owners = [group * tasks // 128 for group in key_groups(hash_rows([column]), 128).to_pylist()]
    by_task = split(pa.record_batch([column], names=["k"]), EdgeType.HASH, tasks)
    assert by_task == [[v for v, owner in zip(values, owners, strict=True) if owner == task] for task in range(tasks)]


def test_hash_needs_a_table():
    graph = edge_graph(EdgeType.HASH, 1, 2, domain=None)
    with pytest.raises(ProtocolError, match="no table"):
        splitter(graph.edges[0], graph)


@pytest.mark.parametrize(
    ("column", "bounds", "expected"),
    [
        (pa.array([3, None, 1, 2, 9]), (2, 5), [[1], [3, 2], [None, 9]]),
        (pa.array([3, 1]), (), [[3, 1], [], []]),
        (pa.array([3, 1, 7]), (1, 3, 5, 7), [[], [1], [3, 7]]),
        (pa.array(["b", "a", None, "c"]).dictionary_encode(), ("b",), [["a"], ["b", None, "c"], []]),
        (pa.array(["b", "a", None], pa.string_view()), ("b",), [["a"], ["b", None], []]),
        (pa.array([Decimal("1.5"), Decimal("-1.5")]), (0,), [[Decimal("-1.5")], [Decimal("1.5")], []]),
    ],
    ids=["ints", "no bounds", "more bounds than tasks", "dictionary", "view", "decimals"],
)
def test_range_puts_nulls_last(column, bounds, expected):
    assert split(pa.record_batch([column], names=["k"]), EdgeType.RANGE, 3, bounds=bounds) == expected


def test_range_of_ordered_dictionaries_of_several_lengths():
    ordered = pa.dictionary(pa.int8(), pa.string(), ordered=True)

    def batch(codes, known):
        return pa.record_batch(
            {"k": pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(known), ordered=True)}
        )

    graph = edge_graph(
        EdgeType.RANGE,
        1,
        3,
        schema=pa.schema({"k": ordered}),
        bounds=EdgeHint(EdgeType.RANGE, bounds=("M", "L")).bounds,
    )
    cut = splitter(graph.edges[0], graph)
    found = [[piece and piece.column(0).to_pylist() for piece in cut(batch([0, None], ["S"]))]]
    found.append([piece and piece.column(0).to_pylist() for piece in cut(batch([2, 0, 1], ["S", "M", "L"]))])
    assert found == [[["S"], None, [None]], [["S"], ["M"], ["L"]]]
    with pytest.raises(TypeMismatch, match="two orders"):
        cut(batch([0], ["L", "M", "S"]))
    other = splitter(graph.edges[0], graph)
    with pytest.raises(TypeMismatch, match="'k' meets two orders of categories: M, L in a sample"):
        other(batch([0], ["L", "M", "S"]))


def test_range_puts_nan_last():
    batch = pa.record_batch([pa.array([math.nan, -1.0, math.inf])], names=["k"])
    first, second = split(batch, EdgeType.RANGE, 2, bounds=(0.0,))
    assert first == [-1.0]
    assert str(second) == "[nan, inf]"


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("bound", ["2010-01-01T00:00:00", datetime(2010, 1, 1)])
def test_range_takes_bounds_as_values_and_as_text(bound, zone):
    column = pa.array([10**15, 2 * 10**15], pa.timestamp("us", zone))
    first, second = split(pa.record_batch([column], names=["k"]), EdgeType.RANGE, 2, bounds=(bound,))
    assert [len(first), len(second)] == [1, 1]


COUNTED = [
    pa.bool_(),
    pa.float32(),
    pa.date64(),
    pa.time64("us"),
    pa.duration("ms"),
    pa.timestamp("ns"),
    pa.timestamp("ms", "Europe/Berlin"),
    pa.decimal128(21, 2),
    pa.string(),
    pa.large_string(),
    pa.binary(),
]


@pytest.mark.parametrize("data_type", COUNTED, ids=str)
def test_range_takes_a_value_of_the_column_as_a_bound_also_through_json(data_type):
    text_first = pa.string() if data_type == pa.binary() else data_type
    column = pa.array([86_400_000, 0, None]).cast(text_first, safe=False).cast(data_type)
    edge = Edge("up", "down", hint=EdgeHint(EdgeType.RANGE, ("k",), (column[0],)))
    again = JsonDecoder({}, {}, {}).read(Edge, json.loads(json.dumps(JsonEncoder().write(edge))))
    assert again == edge
    split_values = split(pa.record_batch([column], names=["k"]), EdgeType.RANGE, 2, bounds=again.hint.bounds)
    assert split_values == [[column[1].as_py()], [column[0].as_py(), None]]


def by(function, tasks=3):
    return split(rows(0, 5).data, EdgeType.CUSTOM, tasks, function=capture(function, "partition_by"))


@pytest.mark.parametrize(
    "function",
    [
        lambda batch, n: [k % n for k in batch.column("k").to_pylist()],
        lambda batch, n: batch.column("k").to_numpy() % n,
        lambda batch, n: pa.array(np.arange(5) % n, pa.int8()),
        lambda batch, n: pa.chunked_array([pa.array([0, 1]), pa.array([2, 0, 1])]),
    ],
    ids=["list", "numpy", "arrow", "chunked"],
)
def test_custom_follows_the_function(function):
    assert by(function) == [[0, 3], [1, 4], [2]]


def test_custom_functions_see_no_dictionaries_and_rows_keep_theirs():
    column = pa.array(["a", "b", "a"]).dictionary_encode()
    function = capture(upper, "partition_by")
    graph = edge_graph(EdgeType.CUSTOM, 1, 2, schema=pa.schema({"k": column.type}), function=function)
    slices = splitter(graph.edges[0], graph)(pa.record_batch({"k": column}))
    assert [rows.column(0).type for rows in slices] == [column.type] * 2
    assert [rows.column(0).to_pylist() for rows in slices] == [["a", "a"], ["b"]]


def test_custom_functions_do_not_see_the_clock_of_delayed_rows():
    def position(batch, n):
        assert batch.schema.names == ["k"]
        return [k % n for k in batch["k"].to_pylist()]

    graph = edge_graph(EdgeType.CUSTOM, 1, 2, schema=SCHEMA, function=capture(position, "partition_by"))
    delayed = with_clock(pa.record_batch({"k": [1, 2, 3]}), pa.array([7, 8, 9]))
    slices = splitter(graph.edges[0], graph)(delayed)
    assert [(rows["k"].to_pylist(), clocks(rows).to_pylist()) for rows in slices] == [([2], [8]), ([1, 3], [7, 9])]


@pytest.mark.parametrize(
    ("kind", "edge"), [(EdgeType.HASH, {}), (EdgeType.RANGE, {"bounds": EdgeHint(EdgeType.RANGE, bounds=(5,)).bounds})]
)
def test_delayed_rows_go_where_the_others_go_and_keep_their_clock(kind, edge):
    graph = edge_graph(kind, 1, 2, **edge)
    split_rows, batch = splitter(graph.edges[0], graph), rows(0, 10).data
    delayed = split_rows(with_clock(batch, pc.add(batch["k"], 100)))
    assert [without_clock(slice_) for slice_ in delayed] == split_rows(batch)
    assert all(clocks(slice_).equals(pc.add(slice_["k"], 100)) for slice_ in delayed)


def upper(batch, n):
    return [(ord(letter) - ord("A")) % n for letter in pc.utf8_upper(batch.column("k")).to_pylist()]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda batch, n: [0, 1, 2, 3, 0], "task index 3; there are 3 tasks"),
        (lambda batch, n: [0, -1, 2, 1, 0], "task index -1"),
        (lambda batch, n: [0, 1], "2 indexes for a batch of 5 rows"),
        (lambda batch, n: [0, 1, None, 1, 0], "int64 with 1 nulls"),
        (lambda batch, n: [0.5] * 5, "double with 0 nulls instead of integers"),
        (lambda batch, n: "abc", "string with 0 nulls instead of integers"),
        (lambda batch, n: None, "NoneType, which is not an array"),
        (lambda batch, n: batch.column("price"), "price"),
    ],
)
def test_custom_rejects_invalid_results_of_the_function(function, message):
    with pytest.raises(UserFunctionError, match=message) as caught:
        by(function)
    assert caught.value.operator == "up"
    assert "test_routing.py" in caught.value.origin


def test_custom_needs_a_function():
    graph = edge_graph(EdgeType.CUSTOM, 1, 2, schema=SCHEMA)
    with pytest.raises(ProtocolError, match="no function"):
        splitter(graph.edges[0], graph)
