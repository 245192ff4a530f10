"""Results depend on the rows alone: not on how they are cut into batches, nor on how many tasks there are."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sabotnb as sb
from sabotnb import col
from sabotnb.api.running.compiling import compile_graph
from sabotnb.api.running.lowering import lower
from sabotnb.graph import Sink

SCHEMA = pa.schema({"k": pa.string(), "g": pa.int64(), "v": pa.int64(), "x": pa.float64()})
COLUMNS = {
    "k": st.sampled_from(["a", "b", "c", "", None]),
    "g": st.one_of(st.none(), st.integers(-3, 3)),
    "v": st.one_of(st.none(), st.integers(-(2**40), 2**40)),
    "x": st.one_of(st.none(), st.integers(-1000, 1000).map(lambda quarter: quarter / 4)),  # sums are exact
}
ROWS = st.lists(st.fixed_dictionaries(COLUMNS), max_size=60)
QUERIES = {
    "filter and compute": (
        lambda t, _: t.filter((col("v") > 0) | col("k").is_null()).select("k", twice=col("x") * 2, more=col("g") + 1),
        "select k, x * 2, g + 1 from t where v > 0 or k is null",
    ),
    "aggregate": (
        lambda t, _: t.group_by("k", "g").agg(
            n=sb.count(),
            known=col("v").count(),
            s=col("v").sum(),
            low=col("x").min(),
            high=col("x").max(),
            mean=col("x").mean(),
        ),
        "select k, g, count(*), count(v), sum(v)::bigint, min(x), max(x), avg(x) from t group by all",
    ),
    "global aggregate": (
        lambda t, _: t.agg(n=sb.count(), s=col("v").sum(), kinds=col("k").n_unique()),
        "select count(*), sum(v)::bigint, count(distinct k) from t",
    ),
    "aggregate twice": (
        lambda t, _: t.group_by("k", "g").agg(s=col("x").sum()).group_by("k").agg(n=sb.count(), most=col("s").max()),
        "select k, count(*), max(s) from (select k, g, sum(x) s from t group by all) group by all",
    ),
    "distinct": (lambda t, _: t.select("k", "g").distinct(), "select distinct k, g from t"),
    "union": (
        lambda t, u: t.select("k", "v").union(u.select("k", "v")),
        "select k, v from t union all select k, v from u",
    ),
    "inner join": (
        lambda t, u: t.select("k", "v").join(u.select("k", "x"), on="k"),
        "select t.k, t.v, u.x from t join u using (k)",
    ),
    "left join on two keys": (
        lambda t, u: t.select("k", "g", "v").join(u.select("k", "g", "x"), on=["k", "g"], how="left", strategy="hash"),
        "select t.k, t.g, t.v, u.x from t left join u using (k, g)",
    ),
    "full join": (
        lambda t, u: t.select("g", "v").join(u.select("g", "x"), on="g", how="full"),
        "select coalesce(t.g, u.g), t.v, u.x from t full join u using (g)",
    ),
    "semi join": (
        lambda t, u: t.select("k", "g").join(u, on="g", how="semi"),
        "select k, g from t where g in (select g from u where g is not null)",
    ),
    "anti join": (
        lambda t, u: t.select("k", "g").join(u, on="g", how="anti"),
        "select k, g from t where not exists (select 1 from u where u.g = t.g)",
    ),
    "self join of a diamond": (
        lambda t, _: t.select("k", "v").join(t.group_by("k").agg(n=sb.count()), on="k"),
        "select t.k, t.v, s.n from t join (select k, count(*) n from t group by k) s using (k)",
    ),
    "top per key": (
        lambda t, _: t.filter(col("v").is_not_null()).select("k", "v").distinct().group_by("k").top(2, by="v"),
        """select k, v from (select distinct k, v from t where v is not null)
           qualify row_number() over (partition by k order by v desc) <= 2""",
    ),
}


def cut(rows: list[dict[str, Any]], sizes: list[int]) -> Iterator[pa.RecordBatch]:
    """The rows in batches of these sizes, over and over."""
    start, turn = 0, 0
    while start < len(rows):
        size = sizes[turn % len(sizes)]
        yield pa.RecordBatch.from_pylist(rows[start : start + size], schema=SCHEMA)
        start, turn = start + size, turn + 1


def stream_of(rows: list[dict[str, Any]], sizes: list[int]) -> sb.Stream:
    return sb.Stream.from_generator(lambda: cut(rows, sizes), SCHEMA, replayable=True).rebalance()


def collected(stream: sb.Stream, parallelism: int) -> list[tuple[Any, ...]]:
    compiled = compile_graph(lower([stream.flow.then(Sink("collect"))]).graph, parallelism)
    return [tuple(row.values()) for batch in compiled.run_here() for row in batch.to_pylist()]


def unordered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda row: [(value is not None, str(value)) for value in row])


@pytest.mark.parametrize("query", QUERIES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    left=ROWS,
    right=ROWS,
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    parallelism=st.integers(1, 4),
)
def test_equal_to_duckdb(query: str, left: Any, right: Any, sizes: list[int], parallelism: int) -> None:
    write, sql = QUERIES[query]
    t, u = (pa.Table.from_pylist(rows, schema=SCHEMA) for rows in (left, right))
    with duckdb.connect() as oracle:
        oracle.register("t", t)
        oracle.register("u", u)
        expected = oracle.sql(sql).fetchall()
    result = collected(write(stream_of(left, sizes), stream_of(right, sizes)), parallelism)
    assert unordered(result) == unordered(expected)


@settings(max_examples=12, deadline=None)
@given(rows=ROWS, sizes=st.lists(st.integers(1, 20), min_size=1, max_size=4), parallelism=st.integers(1, 4))
def test_a_sort_is_a_sort(rows: Any, sizes: list[int], parallelism: int) -> None:
    """Nulls last, as in the API; DuckDB's default is the same for ascending, polars would put them first."""
    ordered = collected(stream_of(rows, sizes).select("v", "k").sort("v", "k"), parallelism)
    with duckdb.connect() as oracle:
        oracle.register("t", pa.Table.from_pylist(rows, schema=SCHEMA))
        expected = oracle.sql("select v, k from t order by v nulls last, k nulls last").fetchall()
    assert ordered == expected
