"""What each verb makes of six flights, in this process."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import TypeMismatch

AA1 = {"carrier": "AA", "origin": "JFK", "delay": 4.0, "minutes": 120}
AA2 = {"carrier": "AA", "origin": "JFK", "delay": 30.0, "minutes": 60}
UA1 = {"carrier": "UA", "origin": "EWR", "delay": 20.0, "minutes": 90}
UA2 = {"carrier": "UA", "origin": "JFK", "delay": None, "minutes": 30}
NO1 = {"carrier": None, "origin": "EWR", "delay": 45.0, "minutes": 240}
DL1 = {"carrier": "DL", "origin": "EWR", "delay": 16.0, "minutes": None}

Row = dict[str, Any]
Verb = Callable[[sb.Stream], sb.Stream]


def only(row: Row, *names: str) -> Row:
    return {name: row[name] for name in names}


def double(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.set_column(2, "delay", pc.multiply(batch["delay"], 2))


def double_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(delay=frame.delay * 2)[["carrier", "delay"]]


def double_polars(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("carrier", pl.col("delay") * 2)


def halves(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    yield batch.slice(0, batch.num_rows // 2)
    yield batch.slice(batch.num_rows // 2)


def letters(row: Row) -> Iterator[Row]:
    for letter in row["carrier"] or "":
        yield {"letter": letter}


def longer(left: Row, right: Row) -> Row:
    return max(left, right, key=lambda row: row["minutes"] or 0)


@sb.udf("double", engine="row")
def hours(minutes: int | None) -> float | None:
    return None if minutes is None else minutes / 60


DOUBLED = [
    only(row, "carrier") | {"delay": row["delay"] and row["delay"] * 2} for row in (AA1, AA2, UA1, UA2, NO1, DL1)
]

ROW_VERBS: dict[str, tuple[Verb, list[Row]]] = {
    "filter drops null": (lambda s: s.filter(col("delay") > 15), [AA2, UA1, NO1, DL1]),
    "filter takes several": (lambda s: s.filter(col("delay") > 15, col("origin") == "EWR"), [UA1, NO1, DL1]),
    "filter takes a function": (lambda s: s.filter(lambda batch: pc.equal(batch["origin"], "EWR")), [UA1, NO1, DL1]),
    "filter takes both": (
        lambda s: s.filter(col("delay") > 15, lambda batch: pc.equal(batch["origin"], "JFK")),
        [AA2],
    ),
    "select": (
        lambda s: s.filter(col("minutes") > 100).select("origin", hours=col("minutes") / 60),
        [{"origin": "JFK", "hours": 2.0}, {"origin": "EWR", "hours": 4.0}],
    ),
    "select keeps root names": (lambda s: s.select(col("minutes") + 1).top(1, by="minutes"), [{"minutes": 241}]),
    "with_columns replaces and adds": (
        lambda s: s.filter(col("minutes") == 30).with_columns(col("minutes") * 2, more=col("origin")),
        [{"carrier": "UA", "origin": "JFK", "delay": None, "minutes": 60, "more": "JFK"}],
    ),
    "drop": (lambda s: s.filter(col("minutes") == 30).drop("delay", "minutes"), [{"carrier": "UA", "origin": "JFK"}]),
    "rename": (
        lambda s: s.filter(col("minutes") == 30).rename({"carrier": "by"}),
        [{"by": "UA", "origin": "JFK", "delay": None, "minutes": 30}],
    ),
    "rename swaps": (
        lambda s: (
            s.filter(col("minutes") == 30)
            .select("carrier", "origin")
            .rename({"carrier": "origin", "origin": "carrier"})
        ),
        [{"origin": "UA", "carrier": "JFK"}],
    ),
    "udf": (lambda s: s.select(hours=hours(col("minutes"))).filter(col("hours") > 2), [{"hours": 4.0}]),
    "map_batches": (lambda s: s.map_batches(double).select("carrier", "delay"), DOUBLED),
    "map_batches in pandas": (lambda s: s.map_batches(double_pandas, format="pandas"), DOUBLED),
    "map_batches in polars": (lambda s: s.map_batches(double_polars, format="polars"), DOUBLED),
    "map is map_batches": (lambda s: s.map(double).select("carrier", "delay"), DOUBLED),
    "flat_map may give many": (lambda s: s.flat_map(halves), [AA1, AA2, UA1, UA2, NO1, DL1]),
    "map_rows": (
        lambda s: s.map_rows(
            lambda row: {"name": row["carrier"]} if row["delay"] == 45 else None, schema={"name": str}
        ),
        [{"name": None}],
    ),
    "map_rows may give many": (lambda s: s.filter(col("minutes") > 200).map_rows(letters, {"letter": "string"}), []),
    "map_rows infers": (
        lambda s: s.map_rows(letters).distinct(),
        [{"letter": letter} for letter in "AUDL"],
    ),
    "union": (
        lambda s: s.filter(col("delay") == 4).union(s.filter(col("minutes") == 60), s.filter(col("minutes") == 60)),
        [AA1, AA2, AA2],
    ),
    "distinct": (
        lambda s: s.select("carrier", "origin").distinct(),
        [only(row, "carrier", "origin") for row in (AA1, UA1, UA2, NO1, DL1)],
    ),
    "distinct by columns": (lambda s: s.distinct("origin").select("origin"), [{"origin": "JFK"}, {"origin": "EWR"}]),
    "rebalance": (lambda s: s.rebalance().filter(col("delay") > 40), [NO1]),
    "partition_by columns": (lambda s: s.partition_by("origin").filter(col("delay") > 40), [NO1]),
    "partition_by a function": (
        lambda s: (
            s.partition_by(lambda batch, tasks: pc.fill_null(pc.cast(pc.less(batch["minutes"], 100), "int64"), 0))
            .filter(col("delay") > 40)
            .named("kept", parallelism=2)
        ),
        [NO1],
    ),
    "range_partition": (
        lambda s: s.range_partition("minutes").filter(col("delay") > 40).named("kept", parallelism=3),
        [NO1],
    ),
    "agg": (
        lambda s: s.group_by("origin").agg(n=sb.count(), worst=col("delay").max(), mean=(col("minutes") / 60).mean()),
        [
            {"origin": "JFK", "n": 3, "worst": 30.0, "mean": 210 / 180},
            {"origin": "EWR", "n": 3, "worst": 45.0, "mean": 330 / 120},
        ],
    ),
    "agg keeps root names": (
        lambda s: s.group_by("origin").agg(col("minutes").sum(), sb.count()),
        [{"origin": "JFK", "minutes": 210, "count": 3}, {"origin": "EWR", "minutes": 330, "count": 3}],
    ),
    "null keys form a group": (
        lambda s: s.group_by("carrier").agg(n=sb.count()),
        [{"carrier": "AA", "n": 2}, {"carrier": "UA", "n": 2}, {"carrier": None, "n": 1}, {"carrier": "DL", "n": 1}],
    ),
    "group_by an expression": (
        lambda s: s.group_by(long=col("minutes") > 100).agg(n=sb.count()),
        [{"long": True, "n": 2}, {"long": False, "n": 3}, {"long": None, "n": 1}],
    ),
    "a key may hide a column that is aggregated": (
        lambda s: s.filter(col("minutes") > 0).group_by(minutes=col("minutes") > 100).agg(most=col("minutes").max()),
        [{"minutes": True, "most": 240}, {"minutes": False, "most": 90}],
    ),
    "an aggregate may take the name of another's column": (
        lambda s: s.agg(minutes=col("delay").max(), delay=col("minutes").max()),
        [{"minutes": 45.0, "delay": 240}],
    ),
    "global agg": (lambda s: s.agg(n=sb.count(), total=col("minutes").sum()), [{"n": 6, "total": 540}]),
    "global agg of nothing": (
        lambda s: s.filter(col("delay") > 99).agg(n=sb.count(), total=col("minutes").sum()),
        [{"n": 0, "total": None}],
    ),
    "top": (lambda s: s.group_by("origin").top(1, by="delay"), [AA2, NO1]),
    "top by an expression": (
        lambda s: s.filter(col("delay") > 0, col("minutes") > 0).top(2, by=col("minutes") / col("delay")),
        [AA1, NO1],
    ),
    "top reversed with rank": (
        lambda s: s.top(2, by="minutes", reverse=True, rank="place"),
        [UA2 | {"place": 1}, AA2 | {"place": 2}],
    ),
    "reduce": (lambda s: s.group_by("origin").reduce(longer), [AA1, NO1]),
    "global reduce": (lambda s: s.reduce(longer), [NO1]),
    "group_by composes": (
        lambda s: (
            s.group_by("carrier", "origin").agg(n=sb.count()).group_by("origin").agg(pairs=sb.count(), n=col("n").sum())
        ),
        [{"origin": "JFK", "pairs": 2, "n": 3}, {"origin": "EWR", "pairs": 3, "n": 3}],
    ),
}


def unordered(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: [(value is not None, str(value)) for value in row.values()])


@pytest.mark.parametrize("case", ROW_VERBS)
def test_rows(flights: sb.Stream, case: str) -> None:
    verb, expected = ROW_VERBS[case]
    stream = verb(flights)
    table = stream.to_arrow()
    assert table.schema == stream.schema
    assert unordered(table.to_pylist()) == unordered(expected)


JOINS = {
    "inner": [("AA", 4.0, "American"), ("AA", 30.0, "American"), ("UA", 20.0, "United"), ("UA", None, "United")],
    "left": [
        ("AA", 4.0, "American"),
        ("AA", 30.0, "American"),
        ("UA", 20.0, "United"),
        ("UA", None, "United"),
        (None, 45.0, None),
        ("DL", 16.0, None),
    ],
    "right": [
        ("AA", 4.0, "American"),
        ("AA", 30.0, "American"),
        ("UA", 20.0, "United"),
        ("UA", None, "United"),
        ("WN", None, "Southwest"),
    ],
    "full": [
        ("AA", 4.0, "American"),
        ("AA", 30.0, "American"),
        ("UA", 20.0, "United"),
        ("UA", None, "United"),
        (None, 45.0, None),
        ("DL", 16.0, None),
        ("WN", None, "Southwest"),
    ],
    "semi": [("AA", 4.0), ("AA", 30.0), ("UA", 20.0), ("UA", None)],
    "anti": [(None, 45.0), ("DL", 16.0)],
}


@pytest.mark.parametrize("strategy", ["auto", "hash"])
@pytest.mark.parametrize("how", JOINS)
def test_joins(flights: sb.Stream, airlines: sb.Stream, how: str, strategy: str) -> None:
    joined = flights.select("carrier", "delay").join(airlines, on="carrier", how=how, strategy=strategy)
    rows = [dict(zip(joined.schema.names, row, strict=True)) for row in JOINS[how]]
    assert unordered(joined.to_rows()) == unordered(rows)


def test_a_join_puts_the_suffix_where_names_clash(flights: sb.Stream) -> None:
    longest = flights.group_by("origin").agg(minutes=col("minutes").max())
    joined = flights.select("origin", "minutes").join(longest, on="origin", suffix="_most")
    assert joined.schema.names == ["origin", "minutes", "minutes_most"]
    assert {row["minutes_most"] for row in joined.to_rows()} == {120, 240}


def test_a_self_join_finishes(flights: sb.Stream) -> None:
    pairs = flights.select("origin").join(flights.select("origin"), on="origin")
    assert pairs.agg(n=sb.count()).to_rows() == [{"n": 18}]


def test_a_diamond_finishes(flights: sb.Stream) -> None:
    late = flights.filter(col("delay") > 0)
    shares = late.join(late.group_by("origin").agg(total=sb.count()), on="origin").group_by("origin").agg(n=sb.count())
    assert unordered(shares.to_rows()) == [{"origin": "EWR", "n": 3}, {"origin": "JFK", "n": 2}]


def test_sort_orders_rows(flights: sb.Stream) -> None:
    ordered = flights.sort("origin", "delay", descending=[False, True])
    assert [row["delay"] for row in ordered.to_rows()] == [45.0, 20.0, 16.0, 30.0, 4.0, None]


def test_latest_goes_by_event_time(times: sb.Stream) -> None:
    assert unordered(times.group_by("who").latest("value").to_rows()) == [
        {"who": "a", "value": 3},
        {"who": "b", "value": 2},
    ]
    assert times.latest("value").to_rows() == [{"value": 3}]


def test_first_and_last_go_by_event_time(times: sb.Stream) -> None:
    assert times.agg(first=col("value").first(), last=col("value").last()).to_rows() == [{"first": 1, "last": 3}]


def test_errors_go_aside(flights: sb.Stream) -> None:
    def reciprocal(row: Row) -> Row:
        return {"share": 1 / (row["minutes"] - 90)}

    shares = flights.filter(col("minutes") > 60).map_rows(reciprocal, schema={"share": float}, on_error="side")
    assert len(shares.to_rows()) == 2
    (failed,) = shares.side("errors").to_rows()
    assert failed["minutes"] == 90
    assert "ZeroDivisionError" in failed["error"]


def test_an_error_of_a_function_names_it(flights: sb.Stream) -> None:
    def broken(batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.num_rows:
            raise ValueError("no such thing")
        return batch

    with pytest.raises(sb.errors.UserFunctionError, match=r"broken \(test_verbs.py:\d+.*no such thing") as caught:
        flights.map_batches(broken).to_arrow()
    assert isinstance(caught.value.__cause__, ValueError)


RESULTS = {
    "fewer columns": lambda batch: batch.select(["carrier"]),
    "another type": lambda batch: batch.set_column(2, "delay", pc.cast(batch["delay"], "string")),
    "no batch": lambda batch: 5,
}


@pytest.mark.parametrize("result", RESULTS)
def test_a_function_that_breaks_its_schema_fails(flights: sb.Stream, result: str) -> None:
    with pytest.raises(sb.errors.UserFunctionError):
        flights.map_batches(RESULTS[result], schema=flights.schema).to_arrow()


def test_a_mask_of_another_length_fails(flights: sb.Stream) -> None:
    with pytest.raises(sb.errors.UserFunctionError, match=r"length|rows"):
        flights.filter(lambda batch: pa.array([True])).to_arrow()


SOURCES: dict[str, Callable[[], sb.Stream]] = {
    "arrow": lambda: sb.Stream.from_arrow(pa.table({"a": [1, 2], "b": ["x", None]})),
    "record batch": lambda: sb.Stream.from_arrow(pa.record_batch({"a": [1, 2], "b": ["x", None]})),
    "polars": lambda: sb.Stream.from_arrow(pl.DataFrame({"a": [1, 2], "b": ["x", None]})).select(
        "a", b=col("b").cast("string")
    ),
    "pandas": lambda: sb.Stream.from_pandas(pd.DataFrame({"a": [1, 2], "b": ["x", None]})).select(
        "a", b=col("b").cast("string")
    ),
    "rows": lambda: sb.Stream.from_rows([{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
    "rows with a schema": lambda: sb.Stream.from_rows([{"a": 1, "b": "x"}, {"a": 2}], schema={"a": int, "b": str}),
    "generator": lambda: sb.Stream.from_generator(
        lambda: iter([{"a": 1, "b": "x"}, {"a": 2, "b": None}]), {"a": int, "b": str}
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_sources_in_memory(source: str) -> None:
    assert unordered(SOURCES[source]().to_rows()) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


def test_nan_of_pandas_is_null() -> None:
    assert sb.Stream.from_pandas(pd.DataFrame({"a": [1.0, float("nan")]})).agg(n=col("a").count()).to_rows() == [
        {"n": 1}
    ]


def test_the_results_come_in_any_shape(flights: sb.Stream) -> None:
    kept = flights.filter(col("delay") == 4)
    assert kept.collect().to_pylist() == [AA1]
    assert kept.to_pandas().to_dict("records") == [AA1]
    assert kept.to_polars().to_dicts() == [AA1]
    assert [batch.to_pylist() for batch in kept] == [[AA1]]


def test_rate_makes_numbered_rows() -> None:
    assert len(sb.Stream.from_rate(1_000_000, n=50).to_rows()) == 50


def test_the_event_time_follows_its_column(times: sb.Stream) -> None:
    assert times.rename({"at": "when"}).flow.event_time.column == "when"
    assert times.drop("at").flow.event_time is None
    assert times.filter(col("value") > 0).flow.event_time.column == "at"


def test_event_time_is_recorded_at_the_source(times: sb.Stream) -> None:
    plain = sb.Stream.from_arrow(pa.table({"at": pa.array([1], pa.timestamp("us"))}))
    stream = plain.rename({"at": "when"}).with_event_time("when", max_delay="5m", idle="1s")
    source = stream.to_job_graph().get_sources()[0].spec.event_time
    assert (source.column, source.max_delay, source.idle) == ("at", 300_000_000, 1_000_000)


def test_polars_frames_and_other_texts_go_together() -> None:
    frame = sb.Stream.from_arrow(pl.DataFrame({"k": ["a", "b", None], "n": [1, 2, 3]}))  # which comes as views
    rows = sb.Stream.from_rows([{"k": "a", "n": 4}, {"k": "c", "n": 5}])
    assert frame.filter(col("k") == "a").to_rows() == [{"k": "a", "n": 1}]
    assert sorted(rows.union(frame).select("n").to_rows(), key=str) == [{"n": n} for n in (1, 2, 3, 4, 5)]
    full = rows.join(frame, on="k", how="full").select("k", "n", "n_right").to_rows()
    assert sorted(full, key=str) == [
        {"k": "a", "n": 4, "n_right": 1},
        {"k": "b", "n": None, "n_right": 2},
        {"k": "c", "n": 5, "n_right": None},
        {"k": None, "n": None, "n_right": 3},
    ]
    assert rows.map_batches(lambda given: given, format="polars").filter(col("k") == "c").to_rows() == [
        {"k": "c", "n": 5}
    ]


def test_a_full_join_by_a_categorical_of_numbers() -> None:
    categories = sb.Stream.from_pandas(pd.DataFrame({"k": pd.Categorical([1, 2])}))
    joined = categories.join(sb.Stream.from_rows([{"k": 2}, {"k": 3}]), on="k", how="full").to_rows()
    assert sorted(row["k"] for row in joined) == [1, 2, 3]


def test_a_range_needs_a_column_with_an_order() -> None:
    lists = sb.Stream.from_arrow(pa.table({"x": [[1], [2]]}))
    with pytest.raises(TypeMismatch, match="has no order"):
        lists.range_partition("x")


RANGED = {
    "int64": pa.array([5, 1, None, 9, 7, 3]),
    "double": pa.array([0.5, float("nan"), None, -1.0, 2.0, 1.5]),
    "string": pa.array(["m", "a", None, "z", "q", "c"]),
    "timestamp": pa.array([50, 10, None, 90, 70, 30], pa.timestamp("us")),
    "timestamp in a zone": pa.array([50, 10, None, 90, 70, 30], pa.timestamp("ms", "Europe/Berlin")),
    "date": pa.array([50, 10, None, 90, 70, 30], pa.date32()),
    "decimal": pa.array([5, 1, None, 9, 7, 3], pa.int64()).cast(pa.decimal128(30, 2)),
    "boolean": pa.array([True, False, None, True, True, False]),
    "dictionary": pa.array(["m", "a", None, "z", "q", "c"]).dictionary_encode(),
    "string view": pa.array(["m", "a", None, "z", "q", "c"], pa.string_view()),
}


@pytest.mark.parametrize("kind", RANGED)
def test_ranges_of_any_ordered_type(kind: str) -> None:
    stream = sb.Stream.from_arrow(pa.table({"x": RANGED[kind]}))
    spread = stream.range_partition("x").map_batches(lambda batch: batch, schema=stream.schema).named(parallelism=3)
    assert spread.agg(n=sb.count(), known=col("x").count()).to_rows() == [{"n": 6, "known": 5}]


@pytest.mark.parametrize("data_type", [pa.decimal32(5, 2), pa.decimal64(12, 2), pa.decimal128(12, 2)], ids=str)
def test_decimals_of_every_width_have_their_order(data_type):
    numbers = [Decimal("3.25"), Decimal("-3.25"), None, Decimal("-9.50"), Decimal("-3.75")]
    stream = sb.Stream.from_arrow(pa.table({"x": pa.array(numbers, data_type), "k": [1] * 5}))
    ordered = [*sorted(filter(None, numbers)), None]
    assert [row["x"] for row in stream.sort("x").to_rows()] == ordered
    assert [row["x"] for row in stream.sort("k", "x").to_rows()] == ordered
    assert {row["x"] for row in stream.top(2, by="x").to_rows()} == {Decimal("3.25"), Decimal("-3.25")}
    assert stream.agg(least=col("x").arg_min("x"), most=col("x").max()).to_rows() == [
        {"least": Decimal("-9.50"), "most": Decimal("3.25")}
    ]


def test_event_time_may_be_declared_behind_filters() -> None:
    rows = [{"n": 1, "at": None}, {"n": 2, "at": datetime(2024, 1, 2)}, {"n": 3, "at": datetime(2024, 1, 1)}]
    stream = sb.Stream.from_rows(rows)
    with pytest.raises(sb.errors.SourceError, match="event time 'at' is null in row 1 of table"):
        stream.with_event_time("at").to_rows()
    timed = stream.rename({"at": "when"}).filter(col("when").is_not_null()).filter(col("n") > 0)
    assert sorted(row["n"] for row in timed.with_event_time("when").to_rows()) == [2, 3]
    source = timed.with_event_time("when").to_job_graph().get_sources()[0].spec.event_time
    assert str(source.predicate) == "col('at').is_not_null() & (col('n') > 0)"
