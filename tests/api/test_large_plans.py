"""Streams as loops write them: thousands of verbs, unions and sinks."""

import copy
import json
import pickle
import sys

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.api.running.sampled_run import collected
from sabotnb.errors import GraphError
from sabotnb.graph import JobGraph
from sabotnb.plan import optimize, physical
from sabotnb.plan.rules.push_filters import FARTHEST

VERBS = 2000
TABLE = pa.table({"a": list(range(20)), "b": [number % 3 for number in range(20)]})


def repeated(step, times=VERBS):
    stream = sb.Stream.from_arrow(TABLE)
    for number in range(times):
        stream = step(stream, number)
    return stream


def rows(stream):
    return sorted(tuple(row.values()) for row in stream.to_rows())


CHAINS = {
    "filter": (lambda s, n: s.filter(col("a") != n + 7), [(a, a % 3) for a in range(7)]),
    "filter of a function": (
        lambda s, n: s.filter(lambda batch: pa.array([True] * batch.num_rows)) if n < 300 else s,
        [(a, a % 3) for a in range(20)],
    ),
    "with_columns": (lambda s, _: s.with_columns(a=col("a") + 1), [(a + VERBS, a % 3) for a in range(20)]),
    "with_columns that reads twice": (
        lambda s, _: s.with_columns(a=(col("a") + col("a")) % 7),
        sorted((pow(2, VERBS, 7) * a % 7, a % 3) for a in range(20)),
    ),
    "select": (lambda s, _: s.select("b", a=col("a") - 1).select("a", "b"), [(a - VERBS, a % 3) for a in range(20)]),
    "rename": (lambda s, n: s.rename({"a": "x"} if n % 2 == 0 else {"x": "a"}), [(a, a % 3) for a in range(20)]),
    "map_batches": (
        lambda s, _: s.map_batches(lambda batch: batch, schema=TABLE.schema),
        [(a, a % 3) for a in range(20)],
    ),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_long_chain_gives_its_rows(chain):
    step, expected = CHAINS[chain]
    assert rows(repeated(step)) == expected


def test_a_long_chain_gives_its_rows_again():
    stream = repeated(lambda s, _: s.with_columns(a=col("a") + 1), 300)
    assert rows(stream) == rows(stream) == [(a + 300, a % 3) for a in range(20)]


def test_a_long_chain_shows_itself_and_is_data():
    stream = repeated(lambda s, n: s.filter(col("a") != n + 7), VERBS)
    assert len(stream.head(3, timeout=60)) == 3
    assert stream.schema == TABLE.schema
    assert "bounded" in repr(stream)
    assert "<svg" in stream._repr_html_()
    assert "merge filters" in stream.explain()
    graph = stream.with_columns(a=col("a") + 1).to_job_graph()
    assert len(graph.to_graphviz().source.splitlines()) > VERBS
    again = JobGraph.from_dict(json.loads(json.dumps(graph.to_dict())), graph.blobs())
    assert again.to_dict() == graph.to_dict()
    assert again.fingerprint() == graph.fingerprint()
    for copied in (copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        assert copied.to_job_graph().to_dict() == stream.to_job_graph().to_dict()


def filters_between_with_columns(stream, n):
    return stream.with_columns(c=col("c") * 2).filter((col("a") != n + 7) & (col("c") < 1e9 + n))


def group_bys(stream, _):
    return stream.group_by("b").agg(a=col("a").sum(), c=col("c").max()).select("a", "b", "c")


def unions_of_filters(stream, n):
    return stream.union(three_columns().filter(col("a") != n)).filter(col("a") != n + 7)


def joins(stream, _):
    return stream.join(three_columns().select("a"), on="a")


def mixed(stream, n):
    return filters_between_with_columns(stream, n).distinct("a", "b").sort("a").filter(col("b") != n + 7)


def named(stream, n):
    return stream.with_columns(c=col("c") + 1).named(f"n{n}").filter(col("a") != n + 7).select("a", "b", "c")


def branches(count):
    return sb.union(*[b.group_by("a").agg(n=sb.count()).select("n") for b in filtered(count)])


def filtered(count):
    base = three_columns().with_columns(c=col("c") + 1)
    return [base.filter(col("a") > number) for number in range(count)]


def renamed_and_filtered(stream, n):
    here, there = ("a", "x") if n % 2 == 0 else ("x", "a")
    return stream.rename({here: there}).filter(col(there) != n + 7)


def three_columns():
    return sb.Stream.from_arrow(TABLE.append_column("c", pa.array([1.0] * 20)))


LOOPS = {
    "filters between with_columns": filters_between_with_columns,
    "group_by": group_bys,
    "union": lambda stream, _: stream.union(stream),
    "unions of filters": unions_of_filters,
    "joins": joins,
    "mixed": mixed,
    "named": named,
    "renamed and filtered": renamed_and_filtered,
}


def calls(function, counted=("call",)):
    """How many Python functions ``function`` calls, itself included; with "c_call" also those written in C."""
    made = 0

    def count(_, event, __):
        nonlocal made
        made += event in counted

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return made


def planned(stream):
    graph = collected(stream.flow)
    graph.validate()
    physical(optimize(graph).graph, 2)
    graph.fingerprint()


def looped(step, count):
    stream = three_columns()
    for number in range(count):
        stream = step(stream, number)
    planned(stream)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_cost_of_planning_grows_with_the_number_of_verbs(loop):
    looped(LOOPS[loop], 5)  # imports and caches
    few, many = (calls(lambda n=count: looped(LOOPS[loop], n)) for count in (20, 80))
    assert many < 4.6 * few


def test_the_cost_of_planning_grows_with_the_number_of_branches():
    planned(branches(5))
    few, many = (calls(lambda n=count: planned(branches(n))) for count in (20, 80))
    assert many < 4.6 * few


def test_the_cost_of_validation_grows_with_the_number_of_endless_sources():
    def validated(count):
        clocks = [sb.Stream.from_rate(1).filter(col("value") > number) for number in range(count)]
        collected(sb.union(*clocks).flow).validate()

    validated(5)
    few, many = (calls(lambda n=count: validated(n), ("call", "c_call")) for count in (20, 80))
    assert many < 4.6 * few


@pytest.mark.parametrize(("sorts", "above_first"), [(FARTHEST, "source_0"), (FARTHEST + 5, "sort_4")])
def test_filters_that_may_raise_pass_so_many_operators(sorts, above_first):
    """They stay in their order, as each relies on those before it."""
    stream = repeated(lambda s, _: s.sort("a"), sorts)
    for number in range(3):
        stream = stream.filter(col("a") // (col("b") + 1) != number + 30)
    graph = optimize(collected(stream.flow)).graph
    assert graph.inputs("filter_0")[0].up == above_first
    assert [graph.inputs(f"filter_{number}")[0].up for number in (1, 2)] == ["filter_0", "filter_1"]


def test_a_loop_of_unions_is_one_union_of_all():
    stream = repeated(lambda s, _: s.union(sb.Stream.from_arrow(TABLE)), 300)
    assert rows(stream) == sorted((a, a % 3) for a in range(20) for _ in range(301))
    many = sb.union(*[sb.Stream.from_arrow(TABLE) for _ in range(301)])
    assert rows(many) == rows(stream)


def test_an_event_time_is_found_below_a_long_chain():
    table = pa.table({"t": pa.array(range(5), pa.timestamp("us"))})
    stream = sb.Stream.from_arrow(table)
    for number in range(VERBS):
        stream = stream.rename({"t": "u"} if number % 2 == 0 else {"u": "t"})
    graph = stream.with_event_time("t").to_job_graph()
    assert graph.get_sources()[0].spec.event_time.column == "t"


def test_two_operators_of_one_name_are_refused_however_far_apart():
    stream = repeated(lambda s, _: s.filter(col("a") > 0), 500)
    named = repeated(lambda s, _: s.filter(col("a") > 0), 1).named("twice")
    with pytest.raises(GraphError, match=r"2 operators are named 'twice'"):
        stream.named("twice").union(named)
    with pytest.raises(GraphError, match=r"2 operators are named 'twice'"):
        stream.named("twice").filter(col("a") > 1).named("twice")


def test_a_loop_of_streams_combined_with_themselves_ends():
    stream = repeated(lambda s, _: s.union(s).distinct("a", "b"), 60)
    assert rows(stream) == [(a, a % 3) for a in range(20)]


def test_a_deep_aggregate_has_the_right_value():
    total = col("a")
    for _ in range(VERBS):
        total = total + 1
    made = sb.Stream.from_arrow(TABLE).group_by("b").agg(s=total.sum(), n=sb.count())
    sums = {b: sum(a + VERBS for a in range(20) if a % 3 == b) for b in range(3)}
    assert rows(made) == [(b, sums[b], sum(a % 3 == b for a in range(20))) for b in range(3)]
