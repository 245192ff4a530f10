"""Windows as users write them: results against DuckDB, and what is refused."""

import re
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import DuplicateColumn, GraphError, InvalidUse, SchemaError, TypeMismatch

START = datetime(2024, 3, 30, 22)
ROWS = [
    {"t": START + timedelta(seconds=7 * i % 3600, minutes=i // 10), "k": "abc"[i % 3], "v": (i * 37) % 101}
    for i in range(600)
]
TABLE = pa.Table.from_pylist(ROWS)


def stream() -> sb.Stream:
    return sb.Stream.from_rows(ROWS).with_event_time("t", max_delay="1d")


def sorted_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return sorted(tuple(row.values()) for row in table.to_pylist())


def oracle(sql: str) -> list[tuple[Any, ...]]:
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.register("rows", TABLE)
    return sorted(connection.execute(sql).fetchall())


def test_tumbling_windows_of_keys() -> None:
    found = (
        stream().group_by("k").window(sb.tumbling("10m")).agg(n=sb.count(), total=col("v").sum(), top=col("v").max())
    )
    assert sorted_rows(found.to_arrow()) == oracle(
        """
        select time_bucket(interval 10 minute, t) s, s + interval 10 minute, k, count(*), sum(v), max(v) from rows
        group by all
        """
    )


def test_windows_move_by_their_offset() -> None:
    found = stream().window(sb.tumbling("1h", offset="15m")).agg(n=sb.count()).select("window_start", "n")
    assert sorted_rows(found.to_arrow()) == oracle(
        "select time_bucket(interval 1 hour, t, interval 15 minute) s, count(*) from rows group by all"
    )


def test_sliding_windows() -> None:
    found = stream().group_by("k").window(sb.sliding("15m", every="5m")).agg(n=sb.count(), mean=col("v").mean())
    assert sorted_rows(found.to_arrow()) == oracle(
        """
        select s, s + interval 15 minute, k, count(*), avg(v)
        from (
          select *, unnest([0, 1, 2]) as i, time_bucket(interval 5 minute, t) - i * interval 5 minute as s from rows
        )
        group by all
        """
    )


def test_days_of_a_zone_have_23_hours_when_clocks_change() -> None:
    found = stream().window(sb.tumbling("1d", tz="Europe/Paris")).agg(n=sb.count()).to_rows()
    hours = [(row["window_end"] - row["window_start"]) for row in found]
    assert [row["window_start"].isoformat() for row in found] == [
        "2024-03-30T00:00:00+01:00",
        "2024-03-31T00:00:00+01:00",
    ]
    assert [row["window_end"].astimezone(row["window_start"].tzinfo).isoformat() for row in found] == [
        "2024-03-31T00:00:00+01:00",
        "2024-04-01T00:00:00+02:00",
    ]
    assert sum(row["n"] for row in found) == len(ROWS)
    assert len(hours) == 2


def test_months() -> None:
    rows = [{"t": datetime(2024, month, 15), "v": month} for month in range(1, 13)]
    found = sb.Stream.from_rows(rows).with_event_time("t").window(sb.tumbling("3mo")).agg(n=col("v").sum()).to_rows()
    quarters = [
        (datetime(2024, 1, 1), 6),
        (datetime(2024, 4, 1), 15),
        (datetime(2024, 7, 1), 24),
        (datetime(2024, 10, 1), 33),
    ]
    assert [(row["window_start"], row["n"]) for row in found] == quarters
    assert found[-1]["window_end"] == datetime(2025, 1, 1)


@pytest.mark.parametrize("weeks", [1, 2])
@pytest.mark.parametrize("tz", ["UTC", "Europe/Paris"])
def test_weeks_begin_on_mondays(weeks: int, tz: str) -> None:
    rows = [{"t": datetime(2024, 3, 1, 12) + timedelta(days=day), "day": day} for day in range(60)]
    windows = sb.tumbling(f"{weeks}w", tz=tz)
    found = sb.Stream.from_rows(rows).with_event_time("t").window(windows).agg(n=sb.count(), first=col("day").min())
    bucket = f"time_bucket(interval {7 * weeks} day, t at time zone 'UTC' at time zone '{tz}', timestamp '1970-01-05')"
    with duckdb.connect() as connection:
        connection.register("days", pa.Table.from_pylist(rows))
        wanted = connection.sql(f"select {bucket} s, count(*), min(day) from days group by 1 order by 1").fetchall()
        mondays = connection.sql("select distinct date_trunc('week', t) from days order by 1").fetchall()
    local = [(row["window_start"].replace(tzinfo=None), row["n"], row["first"]) for row in found.to_rows()]
    assert sorted(local) == wanted
    assert weeks > 1 or [row[:1] for row in wanted] == mondays


def test_sliding_weeks_begin_on_mondays() -> None:
    rows = [{"t": datetime(2024, 3, 6)}]
    found = sb.Stream.from_rows(rows).with_event_time("t").window(sb.sliding("2w", every="1w")).agg(n=sb.count())
    assert sorted(row["window_start"] for row in found.to_rows()) == [datetime(2024, 2, 26), datetime(2024, 3, 4)]


def test_sessions() -> None:
    rows = [{"t": START + timedelta(seconds=s), "k": k} for k, s in [("a", 0), ("a", 5), ("a", 60), ("b", 7)]]
    stream = sb.Stream.from_rows(rows).with_event_time("t", max_delay="1d")
    found = stream.group_by("k").window(sb.session("10s")).agg(n=sb.count()).to_rows()
    assert sorted((row["k"], row["n"], (row["window_end"] - row["window_start"]).seconds) for row in found) == [
        ("a", 1, 10),
        ("a", 2, 15),
        ("b", 1, 10),
    ]


def test_a_window_that_is_null_is_an_error() -> None:
    known = sb.when(col("v") > 3).then(col("t")).otherwise(None)
    for windows in (
        stream().with_columns(end=known).window(sb.until("end")),
        stream().with_columns(window_start=col("t"), window_end=known).window(sb.same_window()),
    ):
        with pytest.raises(TypeMismatch, match="is_not_null"):
            windows.agg(n=sb.count()).to_rows()


def test_hours_begin_at_the_midnight_of_their_zone() -> None:
    found = stream().window(sb.tumbling("1h", tz="Asia/Kolkata")).agg(n=sb.count()).to_rows()
    assert {(row["window_start"].minute, row["window_start"].utcoffset()) for row in found} == {
        (0, timedelta(hours=5, minutes=30))
    }
    assert sum(row["n"] for row in found) == len(ROWS)


def test_count_windows() -> None:
    found = sb.Stream.from_rows(ROWS).group_by("k").window(sb.count_window(30)).agg(n=sb.count(), total=col("v").sum())
    assert sorted_rows(found.to_arrow()) == oracle(
        """
        with numbered as (select *, row_number() over (partition by k) - 1 as number from rows)
        select k, count(*), sum(v) from numbered group by k, number // 30
        """
    )


def test_the_window_that_rows_have() -> None:
    counts = stream().group_by("k").window(sb.tumbling("10m")).agg(n=sb.count())
    best = counts.window(sb.same_window()).top(1, by="n", ties=True)
    assert best.schema.names == ["window_start", "window_end", "k", "n"]
    assert sorted_rows(best.to_arrow()) == oracle(
        """
        with c as (
          select time_bucket(interval 10 minute, t) s, s + interval 10 minute e, k, count(*) n from rows group by all
        )
        select s, e, k, n from c qualify rank() over (partition by s order by n desc) = 1
        """
    )


def test_windows_follow_each_other() -> None:
    """A result's event time is the last instant of its window, so it falls into the window around that."""
    hourly = stream().window(sb.tumbling("10m")).agg(n=sb.count()).window(sb.tumbling("1h")).agg(n=col("n").sum())
    assert sorted_rows(hourly.select("window_start", "n").to_arrow()) == oracle(
        "select time_bucket(interval 1 hour, t) s, count(*) from rows group by all"
    )


def test_until_a_time_in_the_row() -> None:
    rows = [{"t": START, "end": START + timedelta(minutes=m), "k": m} for m in (5, 5, 9)]
    stream = sb.Stream.from_rows([*rows, {"t": START, "end": START - timedelta(days=1), "k": 0}]).with_event_time("t")
    found = stream.group_by("k").window(sb.until("end")).agg(n=sb.count()).to_rows()
    ends = sorted(((row["window_end"] - START) // timedelta(microseconds=1), row["k"], row["n"]) for row in found)
    assert ends == [(1, 0, 1), (300_000_000, 5, 2), (540_000_000, 9, 1)]


@pytest.mark.parametrize("zoned", ["t", "end"])
def test_the_end_of_a_window_has_a_zone_where_event_time_has_one(zoned: str) -> None:
    times = {"t": datetime(2024, 1, 1), "end": datetime(2024, 1, 2)}
    types = {name: pa.timestamp("us", "UTC" if name == zoned else None) for name in times}
    table = pa.table({name: pa.array([time], types[name]) for name, time in times.items()})
    rows = sb.Stream.from_arrow(table, event_time="t")
    with pytest.raises(SchemaError, match="one has a time zone and the other has none") as caught:
        rows.window(sb.until("end"))
    advice = str(caught.value).split("Make them equal: ")[1].split("\n")[0]
    made = eval(f"rows{advice}", {"rows": rows, "col": col}).window(sb.until("end")).agg(n=sb.count())
    assert made.to_rows()[0]["n"] == 1


def test_latest_and_reduce_of_each_window() -> None:
    windows = stream().group_by("k").window(sb.tumbling("1h"))
    latest = windows.latest("v").select("window_start", "k", "v")
    assert sorted_rows(latest.to_arrow()) == oracle(
        "select time_bucket(interval 1 hour, t) s, k, arg_max(v, t) from rows group by all"
    )
    summed = windows.reduce(lambda left, right: {**left, "v": left["v"] + right["v"]}).select("window_start", "k", "v")
    assert sorted_rows(summed.to_arrow()) == oracle(
        "select time_bucket(interval 1 hour, t) s, k, sum(v) from rows group by all"
    )


def test_calculations_with_aggregates_keep_the_window() -> None:
    found = stream().group_by("k").window(sb.tumbling("1h")).agg(share=col("v").sum() / sb.count())
    assert found.schema.names == ["window_start", "window_end", "k", "share"]


def test_every_row_is_in_a_result_or_late() -> None:
    windowed = sb.Stream.from_rows(ROWS).with_event_time("t").group_by("k").window(sb.tumbling("1m")).agg(n=sb.count())
    on_time, late = windowed.agg(n=col("n").sum()).to_rows(), windowed.side("late").to_rows()
    assert on_time[0]["n"] + len(late) == len(ROWS)
    assert late
    assert set(late[0]) == {"t", "k", "v", "late_by"}


@pytest.mark.parametrize(
    "verb",
    [
        lambda windows: windows.agg(share=col("v").sum() / sb.count()),
        lambda windows: windows.agg(n=(col("t").dt.hour() * 2).max()),
        lambda windows: windows.latest("v"),
        lambda windows: windows.top(1, by=col("v") * 2),
        lambda windows: windows.agg(n=sb.count()).select("n"),
    ],
    ids=["calculation", "expression", "latest", "top", "select"],
)
def test_late_rows_of_windows_whose_columns_are_chosen(verb: Any) -> None:
    windows = sb.Stream.from_rows(ROWS, event_time="t").group_by("k").window(sb.tumbling("1m"))
    late = sorted_rows(windows.agg(n=sb.count()).side("late").select("t", "k", "v", "late_by").to_arrow())
    assert late
    assert sorted_rows(verb(windows).side("late").select("t", "k", "v", "late_by").to_arrow()) == late


def test_windows_without_time_take_delayed_rows() -> None:
    rows = sb.Stream.from_rows(ROWS, event_time="t")
    assert rows.window(sb.global_window()).top(1, by="v").to_rows() == rows.top(1, by="v").to_rows()


def test_sessions_of_ordered_keys() -> None:
    table = TABLE.set_column(1, "k", TABLE["k"].cast(pa.dictionary(pa.int32(), pa.string())).combine_chunks())
    codes = table["k"].combine_chunks()
    ordered = pa.DictionaryArray.from_arrays(codes.indices, codes.dictionary, ordered=True)
    stream = sb.Stream.from_arrow(table.set_column(1, "k", ordered), event_time="t", max_delay="1d")
    found = stream.group_by("k").window(sb.session("1d")).agg(n=sb.count()).select("k", "n")
    assert sorted_rows(found.to_arrow()) == oracle("select k, count(*) from rows group by all")


def test_quarters_are_three_months() -> None:
    assert sb.tumbling("2q", tz="Europe/Paris") == sb.tumbling("6mo", tz="Europe/Paris")


@pytest.mark.parametrize("values", [[datetime(2024, 1, 1, 0, 0, 0, 500_000)], [1_704_067_200]])
def test_an_event_time_in_a_dictionary_keeps_its_fractions(values: list[Any]) -> None:
    table = pa.table({"t": pa.array(values).dictionary_encode()})
    with pytest.raises(TypeMismatch) as caught:
        sb.Stream.from_arrow(table, event_time="t")
    advice = re.search(r"\.with_columns\(.*\)", str(caught.value))
    assert advice is not None
    made = eval(f"stream{advice[0]}", {"stream": sb.Stream.from_arrow(table), "col": col}).to_rows()
    assert made[0]["t"].replace(microsecond=0) == datetime(2024, 1, 1)
    assert isinstance(values[0], int) or made[0]["t"] == values[0]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: sb.Stream.from_rows(ROWS).window(sb.tumbling("1h")), SchemaError, "event_time='column'"),
        (lambda: stream().window("1h"), InvalidUse, "sb.tumbling"),
        (lambda: stream().window(sb.same_window()), SchemaError, "put .window"),
        (lambda: stream().window(sb.until("v")), TypeMismatch, "needs a column of timestamps; the stream has: t"),
        (lambda: sb.sliding("5s", every="10s"), TypeMismatch, "longer than the window"),
        (lambda: sb.tumbling("0s"), TypeMismatch, "longer than nothing"),
        (lambda: sb.tumbling("1x"), TypeMismatch, "units are us, .* and mo, q, y of tumbling windows"),
        (lambda: sb.sliding("1q", every="1d"), TypeMismatch, "a quarter has no fixed length"),
        (lambda: sb.tumbling("1h", tz="Mars/Base"), TypeMismatch, "not a time zone"),
        (lambda: stream().window(sb.session("1s"), lateness="1s"), InvalidUse, "leave out lateness="),
        (lambda: sb.tumbling("300000000d"), TypeMismatch, "longer than event time"),
        (lambda: sb.sliding("1h", every="1m", offset="300000000d"), TypeMismatch, "longer than event time"),
        (lambda: stream().window(sb.tumbling("1h"), lateness="300000000d"), TypeMismatch, "longer than event time"),
        (
            lambda: stream().with_columns(window_start=col("v"), window_end=col("t")).window(sb.same_window()),
            TypeMismatch,
            "'window_start', which is int64",
        ),
        (lambda: stream().group_by("k").agg(n=sb.count()).side("late"), GraphError, "windows of event time"),
        (
            lambda: stream().window(sb.tumbling("1h"), early="1s").agg(n=sb.count()).sink_parquet("out"),
            GraphError,
            "leave out early= and lateness=",
        ),
        (lambda: stream().window(sb.global_window(), lateness="1s"), InvalidUse, "no late rows"),
        (lambda: stream().window(sb.count_window(5), early="1s"), InvalidUse, "after every 5 rows"),
        (
            lambda: (
                stream()
                .rename({"k": "window_start"})
                .group_by("window_start")
                .window(sb.tumbling("1h"))
                .agg(n=sb.count())
            ),
            DuplicateColumn,
            "rename",
        ),
        (lambda: stream().map_batches(lambda batch: batch).window(sb.tumbling("1h")), SchemaError, "with_event_time"),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_updates_are_refused_where_rows_must_be_final() -> None:
    updates = sb.Stream.from_rate(10).group_by("value").agg(n=sb.count())
    with pytest.raises(GraphError, match="gives updates"):
        updates.group_by("n").agg(m=sb.count())
    with pytest.raises(GraphError, match="cannot replace rows"):
        updates.sink_parquet("out")
    with pytest.raises(GraphError, match="without value nothing tells"):
        updates.select("n")
    with pytest.raises(SchemaError, match="rank='rank'"):
        sb.Stream.from_rate(10).top(3, by="value")


def test_rows_are_aggregated_before_they_travel() -> None:
    """Late rows leave in front of the exchange, where rows are first assigned to windows."""
    counts = stream().group_by("k").window(sb.tumbling("10m")).agg(n=sb.count())
    plan = counts.explain()
    assert "two phases" in plan
    late = sb.Stream.from_rows(ROWS).with_event_time("t").group_by("k").window(sb.tumbling("1m")).agg(n=sb.count())
    assert late.side("late").agg(n=sb.count()).to_rows() == [{"n": len(late.side("late").to_rows())}]
