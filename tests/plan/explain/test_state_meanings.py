"""What the state of an operator depends on, in the words of ``explain()``, and what may change around it."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.graph import JobGraph, Operator, Source
from sabotnb.plan import state_details, state_meanings
from sabotnb.protocol import changed_meaning

ROWS = sb.Stream.from_rows([{"a": 1, "b": 2, "x": 3, "t": datetime(2020, 1, 1)}])
TIMED = ROWS.with_event_time("t")
HOURS = TIMED.group_by("a").window(sb.tumbling("1h"))
OTHER = sb.Stream.from_rows([{"a": 1, "c": 2, "u": datetime(2020, 1, 1)}]).with_event_time("u")


def grouped(**aggregates: Any) -> sb.Stream:
    return ROWS.group_by("a").agg(**aggregates)


def windows(shape: Any, **options: Any) -> sb.Stream:
    return TIMED.group_by("a").window(shape, **options).agg(n=sb.count())


class Sums(sb.KeyedProcess):
    output = {"a": "int64"}

    def on_row(self, row, ctx):
        return None


def graph_of(stream: sb.Stream) -> Any:
    return stream.sink_live().to_job_graph()


def change(saved: sb.Stream, now: sb.Stream) -> str:
    meanings = [state_meanings(graph_of(stream.named("g")))["g"] for stream in (saved, now)]
    return changed_meaning(*meanings)


X = col("x")
CHANGED = [
    (
        ROWS.group_by("a", "b").agg(n=sb.count()),
        ROWS.group_by("b", "a").agg(n=sb.count()),
        "keys from 'a, b' to 'b, a'",
    ),
    (
        ROWS.group_by(k=X % 2).agg(n=sb.count()),
        ROWS.group_by(k=X % 3).agg(n=sb.count()),
        """keys from "k = col('x') % 2" to "k = col('x') % 3\"""",
    ),
    (grouped(n=X.min()), grouped(n=X.max()), "aggregates from 'n = min(x)' to 'n = max(x)'"),
    (grouped(n=X.sum()), grouped(n=col("b").sum()), "aggregates from 'n = sum(x)' to 'n = sum(b)'"),
    (
        grouped(n=(X * 2).sum()),
        grouped(n=(X * 3).sum()),
        """aggregates from "n = sum(col('x') * 2)" to "n = sum(col('x') * 3)\"""",
    ),
    (
        grouped(n=X.quantile(0.5)),
        grouped(n=X.quantile(0.9)),
        "aggregates from 'n = quantile(x, q=0.5)' to 'n = quantile(x, q=0.9)'",
    ),
    (
        grouped(n=X.first(by="a")),
        grouped(n=X.first(by="b")),
        "aggregates from 'n = first(x, by=a)' to 'n = first(x, by=b)'",
    ),
    (grouped(n=sb.count()), grouped(m=sb.count()), "aggregates from 'n = count()' to 'm = count()'"),
    (
        grouped(n=sb.count()),
        grouped(n=sb.count(), m=X.max()),
        "aggregates from 'n = count()' to 'm = max(x), n = count()'",
    ),
    (windows(sb.tumbling("1m")), windows(sb.tumbling("90s")), "window from 'tumbling 1m' to 'tumbling 90s'"),
    (
        windows(sb.tumbling("1m")),
        windows(sb.sliding("1m", "30s")),
        "window from 'tumbling 1m' to 'sliding 1m every 30s'",
    ),
    (windows(sb.session("10s")), windows(sb.session("3s")), "window from 'session 10s' to 'session 3s'"),
    (
        windows(sb.tumbling("1h")),
        windows(sb.tumbling("1h", offset="5m")),
        "window from 'tumbling 1h' to 'tumbling 1h, offset 5m'",
    ),
    (
        windows(sb.tumbling("1d")),
        windows(sb.tumbling("1d", tz="America/New_York")),
        "window from 'tumbling 1d' to 'tumbling 1d, tz America/New_York'",
    ),
    (
        windows(sb.tumbling("1h"), lateness="1m"),
        windows(sb.tumbling("1h"), lateness="5m"),
        "lateness from '1m' to '5m' (windows that had ended are gone)",
    ),
    (HOURS.agg(n=X.min()), HOURS.agg(n=X.max()), "aggregates from 'n = min(x)' to 'n = max(x)'"),
    (HOURS.top(3, by="x"), HOURS.top(3, by="b"), "order from '3 largest x' to '3 largest b'"),
    (ROWS.group_by("a").top(3, by="x"), ROWS.group_by("a").top(2, by="x"), "order from '3 largest x' to '2 largest x'"),
    (
        ROWS.group_by("a").top(3, by="x"),
        ROWS.group_by("a").top(3, by="x", reverse=True),
        "order from '3 largest x' to '3 smallest x'",
    ),
    (ROWS.distinct("a"), ROWS.distinct("a", "b"), "keys from 'a' to 'a, b'"),
    (ROWS.sort("a"), ROWS.sort("a", descending=True), "order from 'a' to 'a desc'"),
    (ROWS.join(OTHER, on="a"), ROWS.join(OTHER, left_on="b", right_on="a"), "keys from 'a' to 'b = a'"),
    (ROWS.join(OTHER, on="a"), ROWS.join(OTHER, on="a", how="left"), "type from 'inner' to 'left'"),
    (
        TIMED.interval_join(OTHER, on="a", between=("-1m", "0s")),
        TIMED.interval_join(OTHER, on="a", between=("-1m", "1m")),
        "bounds from 'from -1m to 0d' to 'from -1m to 1m'",
    ),
    (
        TIMED.asof_join(OTHER, on="a"),
        TIMED.asof_join(OTHER, on="a", direction="forward"),
        "direction from 'backward' to 'forward'",
    ),
    (
        TIMED.join(OTHER, on="a", window=sb.tumbling("1m")),
        TIMED.join(OTHER, on="a", window=sb.tumbling("2m")),
        "window from 'tumbling 1m' to 'tumbling 2m'",
    ),
    (
        ROWS.group_by("a").process(Sums),
        ROWS.group_by("b").process(Sums),
        "keys from 'a' to 'b'",
    ),
]


@pytest.mark.parametrize(("saved", "now", "words"), CHANGED)
def test_state_that_means_something_else_is_described(saved, now, words):
    assert change(saved, now) == f"has changed its {words}"


def test_other_rows_of_a_table_and_another_kind_of_operator_are_described():
    assert change(ROWS, ROWS) == ""
    assert change(ROWS, sb.Stream.from_rows([{"a": 2}])) == "has changed details of its input 'table'"
    assert change(ROWS.distinct("a"), ROWS.sort("a")) == "was of kind 'distinct', and is of kind 'sort' now"


MINUTES = windows(sb.tumbling("1m"))
SAME = [
    (grouped(n=sb.count(), m=X.max()), grouped(m=X.max(), n=sb.count())),
    (grouped(n=sb.count()), ROWS.filter(X > 1).with_columns(y=X * 2).group_by("a").agg(n=sb.count())),
    (grouped(n=X.sum()), ROWS.with_columns(x=X * 2).group_by("a").agg(n=X.sum())),
    (grouped(n=X.sum()), ROWS.map(lambda row: row).group_by("a").agg(n=X.sum())),
    (ROWS.group_by("a").top(1, by="x"), ROWS.group_by("a").top(1, by="x", rank="rank")),
    (MINUTES, windows(sb.tumbling("60s"))),
    (windows(sb.tumbling("1m"), lateness="5m"), windows(sb.tumbling("1m"), lateness="1m")),
    (MINUTES, windows(sb.tumbling("1m"), early="1s")),
    (ROWS.join(OTHER, on="a"), ROWS.join(OTHER, on="a", suffix="_other")),
]


@pytest.mark.parametrize(("saved", "now"), SAME)
def test_state_that_means_the_same_fits(saved, now):
    assert change(saved, now) == ""


def keyed_by(function: Any) -> Any:
    return graph_of(ROWS.group_by(k=sb.udf("int64", engine="row")(function)(X)).agg(n=sb.count()))


def test_the_code_of_functions_is_a_detail():
    def key(value):
        return value % 2

    saved = keyed_by(key)

    def key(value):
        return value % 3

    now = keyed_by(key)
    assert state_meanings(saved)["aggregate_0"] == state_meanings(now)["aggregate_0"]
    details = [state_details(graph.operators["aggregate_0"], graph) for graph in (saved, now)]
    assert details[0] != details[1]


def test_the_paths_of_a_source_are_a_detail():
    files = Source("parquet", pa.schema({"a": pa.int64()}), {"paths": ["a"]})
    graphs = [JobGraph({"s": Operator("s", spec)}, ()) for spec in (files, replace(files, options={"paths": ["b"]}))]
    assert state_meanings(graphs[0]) == state_meanings(graphs[1])
    details = [state_details(graph.operators["s"], graph) for graph in graphs]
    assert details[0] != details[1]
