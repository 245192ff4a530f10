"""Joins by time as users write them: refusals, event time behind them, and answers for any parallelism."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import DuplicateColumn, GraphError, SabotnbError, SchemaError, TypeMismatch
from sabotnb.graph import JobGraph, TimeColumn

START = datetime(2024, 1, 1, tzinfo=UTC)
STAMP = pa.timestamp("us", "UTC")
ORDERS = pa.table(
    {
        "id": [n % 7 for n in range(60)],
        "ts": pa.array([START + timedelta(seconds=n) for n in range(60)], STAMP),
        "expires": pa.array([START + timedelta(seconds=n + n % 5) for n in range(60)], STAMP),
    }
)
PAID = pa.table(
    {
        "order": pa.array([n % 9 for n in range(90)], pa.int32()),
        "ts": pa.array([START + timedelta(seconds=n, milliseconds=n % 3 * 500) for n in range(90)], STAMP),
        "sum": range(90),
    }
)


def orders():
    return sb.Stream.from_arrow(ORDERS).with_event_time("ts")


def paid():
    return sb.Stream.from_arrow(PAID).with_event_time("ts")


def interval(between=("0s", "10s"), left=None, right=None, on=None, **options):
    keys = {"on": on} if on else {"left_on": "id", "right_on": "order"}
    return (left or orders()).interval_join(right or paid(), **keys, between=between, **options)


def asof(left=None, right=None, **options):
    return (left or orders()).asof_join(right or paid(), left_on="id", right_on="order", **options)


def without_time():
    return sb.Stream.from_arrow(PAID)


REFUSALS = [
    (lambda: interval(between=("5s", "1s")), TypeMismatch, "swap them"),
    (lambda: interval(between="5s"), SchemaError, r"write between=\('0s', '10m'\)"),
    (lambda: interval(between=(0, 5)), TypeMismatch, "no unit"),
    (lambda: interval(between=("0s", col("id"))), TypeMismatch, "int64; a bound is a duration, '10m', or a timestamp"),
    (lambda: interval(between=("0s", col("expiry"))), SchemaError, "did you mean 'expires'"),
    (lambda: interval(right=without_time()), SchemaError, "the right stream has none"),
    (lambda: interval(left=without_time(), on="order"), SchemaError, "the left stream has none"),
    (lambda: interval(on="ts", how="outer"), GraphError, "write how='full'"),
    (lambda: interval(suffix=1), GraphError, "give text"),
    (lambda: interval(left=orders().with_columns(id=col("id").cast("string"))), TypeMismatch, "cast one side"),
    (lambda: orders().interval_join(paid(), between=("0s", "1s")), SchemaError, "interval_join takes on='key'"),
    (lambda: interval(("-1s", "1s"), left=orders().with_columns(join_time=1)), DuplicateColumn, "'join_time'"),
    (lambda: asof(tolerance="-5s"), TypeMismatch, "'0s' or more"),
    (lambda: asof(direction="up"), GraphError, "choose one of backward, forward, nearest"),
    (lambda: asof(right=without_time()), SchemaError, "the right stream has none"),
    (lambda: asof(left=orders().with_columns(id=col("id").cast("string"))), TypeMismatch, "cast one side"),
    (lambda: asof().side("errors"), GraphError, "it has 'late'"),
]


@pytest.mark.parametrize(("write", "error", "message"), REFUSALS)
def test_bad_input_is_refused_where_it_is_written(write, error, message):
    with pytest.raises(error, match=message):
        write()


def test_a_column_as_first_bound_needs_a_bounded_right_side():
    ticks = sb.Stream.from_rate(10).with_columns(time=col("time").cast(STAMP)).with_event_time("time")
    with pytest.raises(GraphError, match="no right row could ever be dropped"):
        orders().interval_join(ticks, left_on="id", right_on="value", between=(col("ts"), col("expires")))


@pytest.mark.parametrize(
    ("between", "how", "time"),
    [
        (("0s", "5s"), "inner", TimeColumn("ts_right")),
        (("0s", col("expires")), "inner", TimeColumn("ts_right")),
        (("0s", "5s"), "right", TimeColumn("ts_right")),
        (("0s", "5s"), "left", TimeColumn("join_time")),
        (("-5s", "0s"), "left", TimeColumn("ts")),
        (("-5s", "0s"), "right", TimeColumn("join_time")),
        (("-5s", "5s"), "inner", TimeColumn("join_time")),
        (("-5s", "5s"), "semi", TimeColumn("ts")),
        (("-5s", "5s"), "anti", TimeColumn("ts")),
    ],
)
def test_the_event_time_is_the_later_of_the_two(between, how, time):
    joined = interval(between, how=how)
    assert joined.flow.event_time == time
    assert time.column in joined.schema.names
    assert ("join_time" in joined.schema.names) == (time.column == "join_time")


def test_an_asof_join_keeps_the_event_time_of_the_left():
    assert asof(direction="forward").flow.event_time == TimeColumn("ts")


def answers(query):
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("orders", ORDERS)
        connection.register("paid", PAID)
        return Counter(connection.sql(query).fetchall())


def found(stream):
    return Counter(tuple(row.values()) for row in stream.to_rows())


@pytest.mark.parametrize("parallelism", [1, 2, 3])
def test_interval_joins_of_drawn_bounds_are_those_of_sql(parallelism):
    joined = interval(("-2s", col("expires") + timedelta(seconds=1)), how="left").named("j", parallelism=parallelism)
    query = """
        select o.*, p.ts, p.sum, greatest(o.ts, p.ts) from orders o left join paid p
        on o.id = p.order and p.ts between o.ts - interval 2 seconds and o.expires + interval 1 second
    """
    assert found(joined) == answers(query)


@pytest.mark.parametrize("parallelism", [1, 2, 3])
def test_asof_joins_are_those_of_sql(parallelism):
    joined = asof().named("j", parallelism=parallelism)
    assert found(joined) == answers(
        "select o.*, p.ts, p.sum from orders o asof left join paid p on o.id = p.order and o.ts >= p.ts"
    )


def test_a_stream_joins_itself():
    stream = paid()
    joined = stream.interval_join(stream, on="order", between=("1us", "20s"))
    query = """
        select l.*, r.ts, r.sum from paid l join paid r
        on l.order = r.order and r.ts > l.ts and r.ts <= l.ts + interval 20 seconds
    """
    assert found(joined) == answers(query)


def test_unread_columns_do_not_enter_the_join_but_its_late_rows_have_all():
    joined = interval(("-1s", "1s"))
    narrow = joined.select("id")
    assert len(narrow.to_rows()) == len(joined.to_rows())
    late = interval(("-1s", col("expires") + timedelta(seconds=1))).side("late")
    assert {"id", "ts", "expires", "order", "ts_right", "sum", "late_by"} <= set(late.schema.names)


def test_the_graph_is_read_back_from_json():
    for stream in (interval(("-1s", col("expires"))), asof(tolerance="2s", direction="nearest")):
        graph = stream.to_job_graph()
        assert JobGraph.from_dict(json.loads(json.dumps(graph.to_dict())), graph.blobs()) == graph
        assert "on id = order" in str(stream.explain())


def ticks(n=None):
    return sb.Stream.from_rate(1000, n=n, event_time="time")


DIM = pa.table({"value": pa.array([1, 3, 3, None], pa.int32()), "name": ["a", "b", "c", "d"], "time": [1, 2, 3, 4]})


@pytest.mark.parametrize("how", ["inner", "left", "semi", "anti"])
def test_an_endless_stream_joins_a_bounded_one_and_keeps_its_event_time(how):
    joined = ticks().join(sb.Stream.from_arrow(DIM), on="value", how=how)
    assert joined.flow.event_time == TimeColumn("time")
    joined.check()


@pytest.mark.parametrize("how", ["inner", "right"])
def test_the_bounded_side_may_be_on_the_left(how):
    dim = sb.Stream.from_arrow(DIM)
    joined = dim.join(ticks(), on="value", how=how)
    assert joined.flow.event_time == TimeColumn("time_right")
    joined.check()
    whole = dim.join(ticks(5), on="value", how=how)
    assert joined.schema.names == whole.schema.names == ["value", "name", "time", "time_right"]
    rows = sorted(dim.join(ticks(5), on="value", how=how).to_rows(), key=str)
    assert [(row["value"], row["name"]) for row in rows if row["name"]] == [(1, "a"), (3, "b"), (3, "c")]


def test_rows_of_an_endless_stream_are_enriched():
    names = sb.Stream.from_arrow(DIM).select("value", "name")
    assert {row["name"] for row in ticks(5).join(names, on="value").to_rows()} == {"a", "b", "c"}


ENDLESS_REFUSALS = [
    (lambda: ticks().join(ticks(), on="value"), "window=sb.tumbling.*ttl='1h'.*interval_join"),
    (lambda: ticks().join(sb.Stream.from_arrow(DIM), on="value", how="full"), "the end of the left stream"),
    (lambda: ticks().join(sb.Stream.from_arrow(DIM), on="value", how="right"), "'inner' or 'left' or 'semi' or 'anti'"),
    (lambda: sb.Stream.from_arrow(DIM).join(ticks(), on="value", how="left"), "the end of the right stream"),
    (lambda: sb.Stream.from_arrow(DIM).join(ticks(), on="value", how="anti"), "'inner' or 'right'"),
    (lambda: ticks().join(ticks(), on="value", how="left", ttl="1h"), "interval_join"),
]


@pytest.mark.parametrize(("write", "message"), ENDLESS_REFUSALS)
def test_joins_that_would_wait_for_an_endless_stream_are_refused(write, message):
    with pytest.raises(GraphError, match=message):
        write()


def test_rows_older_than_the_ttl_do_not_meet():
    joined = orders().join(paid(), left_on="id", right_on="order", ttl="3s")
    query = """
        select o.*, p.ts, p.sum, greatest(o.ts, p.ts) from orders o join paid p
        on o.id = p.order and p.ts between o.ts - interval 3 seconds and o.ts + interval 3 seconds
    """
    assert found(joined) == answers(query)
    with pytest.raises(TypeMismatch, match="more than '0s'"):
        orders().join(paid(), left_on="id", right_on="order", ttl="0s")


def test_without_event_time_the_ttl_counts_from_the_arrival():
    joined = ticks(5).join(sb.Stream.from_arrow(DIM), on="value", ttl="1h")
    assert joined.flow.event_time is None
    assert {row["name"] for row in joined.to_rows()} == {"a", "b", "c"}


WINDOW_REFUSALS = [
    (lambda: orders().join(without_time(), left_on="id", right_on="order", window=sb.tumbling("5s")), "event time"),
    (lambda: orders().join(paid(), left_on="id", right_on="order", window=sb.session("5s")), "sb.tumbling"),
    (
        lambda: orders().join(paid(), left_on="id", right_on="order", window=sb.tumbling("5s", time="processing")),
        "sb.tum",
    ),
    (lambda: orders().join(paid(), left_on="id", right_on="order", window="5s"), "sb.tumbling"),
    (lambda: orders().join(paid(), left_on="id", right_on="order", window=sb.same_window()), "has made"),
    (lambda: orders().join(paid(), left_on="id", right_on="order", window=sb.tumbling("5s"), ttl="1h"), "one of them"),
    (
        lambda: (
            orders().with_columns(window_end=1).join(paid(), left_on="id", right_on="order", window=sb.tumbling("5s"))
        ),
        "rename yours",
    ),
]


@pytest.mark.parametrize(("write", "message"), WINDOW_REFUSALS)
def test_windows_that_a_join_cannot_have_are_refused(write, message):
    with pytest.raises(SabotnbError, match=message):
        write()


@pytest.mark.parametrize("parallelism", [1, 2, 3])
@pytest.mark.parametrize("how", ["inner", "full"])
def test_window_joins_are_those_of_sql(how, parallelism):
    joined = orders().join(paid(), left_on="id", right_on="order", how=how, window=sb.tumbling("10s"))
    assert joined.flow.event_time == TimeColumn("window_end", -1)
    query = f"""
        with o as (select time_bucket(interval 10 seconds, ts) as w, * from orders),
             p as (select time_bucket(interval 10 seconds, ts) as w, * from paid)
        select coalesce(o.w, p.w), coalesce(o.w, p.w) + interval 10 seconds, coalesce(o.id, p.order), o.ts, o.expires,
               p.ts, p.sum
        from o {how} join p on o.id = p.order and o.w = p.w
    """
    assert found(joined.named("j", parallelism=parallelism)) == answers(query)


def test_results_of_windows_join_in_their_windows():
    sums = paid().group_by("order").window(sb.tumbling("10s")).agg(total=col("sum").sum())
    counts = orders().group_by(order=col("id")).window(sb.tumbling("10s")).agg(n=sb.count())
    joined = counts.join(sums, on="order", window=sb.same_window())
    assert joined.schema.names == ["window_start", "window_end", "order", "n", "total"]
    assert len(joined.to_rows()) == 6 * 7
