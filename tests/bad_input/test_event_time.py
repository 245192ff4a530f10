"""What bad input of time, windows, joins and process functions gets: the message, and that it can be acted on."""

import logging
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import (
    ColumnNotFound,
    DuplicateColumn,
    ExpressionError,
    FunctionError,
    JobFailed,
    SchemaError,
    SourceError,
    TypeMismatch,
    UserFunctionError,
)

START = datetime(2024, 1, 1)
NANOSECONDS = pa.table({"t": pa.array([1_000_000_500, 1_000_000_700], pa.timestamp("ns")), "k": [1, 1]})
ROWS = [{"t": START + timedelta(seconds=i), "k": i % 3, "s": "a", "x": i} for i in range(100)]
HOURS = sb.tumbling("1h")


def rows(*more):
    return sb.Stream.from_rows([*ROWS, *more])


def timed(*more):
    return rows(*more).with_event_time("t")


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda: sb.Stream.from_rows(ROWS, event_time="tt"), ColumnNotFound, "did you mean 't'"),
        (lambda: rows().with_event_time("time"), ColumnNotFound, "It has: t, k, s, x"),
        (
            lambda: rows().with_event_time("x"),
            TypeMismatch,
            r"'x' is int64.*say what it counts.*\.with_columns\(x=col\('x'\)\.cast\('timestamp\[s\]'\)\)\.with_",
        ),
        (
            lambda: rows().with_event_time("s"),
            TypeMismatch,
            r"'s' is string, not a timestamp.*\.with_event_time\(col\('s'\)\.str\.to_datetime\(\)\)",
        ),
        (lambda: rows().window(HOURS), SchemaError, "event time, and the stream has none.*with_event_time"),
        (lambda: rows().group_by("k").window(sb.session("1m")), SchemaError, "the stream has none"),
        (lambda: timed().map(lambda batch: batch).window(HOURS), SchemaError, "the stream has none"),
        (lambda: rows().group_by("k").agg(q=col("s").quantile(0.5)), TypeMismatch, "takes numbers, not string"),
        (lambda: timed().window(HOURS).agg(q=col("s").approx_quantile(0.5)), TypeMismatch, "takes numbers, not string"),
    ],
)
def test_what_is_refused_when_it_is_written(write, error, message):
    with pytest.raises(error, match=message):
        write()


SECONDS = 1_700_000_000
UNITS = {
    "int64": (pa.array([SECONDS]), "[s]", "[s]"),
    "milliseconds": (pa.array([SECONDS * 1000]), "[s]", "[ms]"),
    "uint32": (pa.array([SECONDS], pa.uint32()), "[s]", "[s]"),
    "double": (pa.array([SECONDS + 0.0]), "1_000_000", "1_000_000"),
    "double milliseconds": (pa.array([SECONDS * 1e3]), "1_000_000", "1_000"),
}


@pytest.mark.parametrize("read", ["table", "csv"])
@pytest.mark.parametrize("name", ["t", "event time"])
@pytest.mark.parametrize("unit", UNITS)
def test_the_line_for_a_number_runs_with_the_unit_of_the_number(tmp_path, unit, name, read):
    column, said, meant = UNITS[unit]
    table = pa.table({name: column})
    csv.write_csv(table, tmp_path / "a.csv")
    stream = sb.Stream.from_arrow(table) if read == "table" else sb.Stream.from_csv(tmp_path / "a.csv")
    with pytest.raises(TypeMismatch, match="say what it counts") as raised:
        stream.with_event_time(name)
    line = str(raised.value).partition("as in ")[2].replace(said, meant)
    (row,) = eval(f"stream{line}", {"stream": stream, "col": col}).to_rows()
    assert row[name] == datetime(2023, 11, 14, 22, 13, 20)


OTHERS = [{"k": "a", "t": START}]
JOINS = {
    "join": lambda left, right: left.join(right, on="k"),
    "window": lambda left, right: left.join(right, on="k", window=HOURS),
    "interval": lambda left, right: left.interval_join(right, on="k", between=("0s", "1s")),
    "asof": lambda left, right: left.asof_join(right, on="k"),
    "lookup": lambda left, right: left.lookup_join(right.to_arrow(), on="k"),
}


@pytest.mark.parametrize("kind", JOINS)
def test_join_keys_of_different_types(kind):
    right = sb.Stream.from_rows(OTHERS, event_time="t")
    with pytest.raises(TypeMismatch, match=r"'k' \(int64\) with 'k' \(string\): cast one side, as in \.with_columns\("):
        JOINS[kind](timed(), right)


BY_TIME = {kind: JOINS[kind] for kind in ("window", "interval", "asof")}


@pytest.mark.parametrize("on", [{"on": "t"}, {"on": ["k", "t"]}, {"left_on": "k", "right_on": "t"}])
@pytest.mark.parametrize("verb", ["asof", "interval", "window"])
def test_event_time_is_not_a_key_of_a_join_by_time(verb, on):
    write = {
        "asof": lambda **keys: timed().asof_join(timed(), **keys),
        "interval": lambda **keys: timed().interval_join(timed(), between=("0s", "1s"), **keys),
        "window": lambda **keys: timed().join(timed(), window=HOURS, **keys),
    }[verb]
    with pytest.raises(SchemaError, match=r"event time 't' already.*write on='k'$"):
        write(**on)
    assert write(on="k").to_rows()


def test_a_join_by_time_alone_gets_a_key_that_all_rows_have():
    left, right = (timed().select("t", **{name: col("x")}) for name in ("a", "b"))
    with pytest.raises(SchemaError, match=r"write \.with_columns\(every=1\) behind both sides, and on='every'"):
        left.asof_join(right, on="t")
    joined = left.with_columns(every=1).asof_join(right.with_columns(every=1), on="every")
    assert all(row["a"] == row["b"] for row in joined.to_rows())


def test_the_end_of_a_window_is_a_key_like_its_beginning():
    counts = timed().group_by("k").window(sb.tumbling("10s")).agg(n=sb.count())
    joined = counts.interval_join(counts, on=["k", "window_end"], between=("0s", "0s"))
    assert {row["n"] for row in joined.to_rows()} == {3, 4}


def zoned():
    return timed().with_columns(t=col("t").cast("timestamp[us, tz=UTC]")).with_event_time("t")


@pytest.mark.parametrize("verb", [*BY_TIME, "ttl"])
@pytest.mark.parametrize("swapped", [False, True])
def test_times_with_and_without_a_zone_do_not_meet(verb, swapped):
    write = {**JOINS, "ttl": lambda left, right: left.join(right, on="k", ttl="1h")}[verb]
    sides = (zoned, timed) if swapped else (timed, zoned)
    with pytest.raises(SchemaError, match=rf"'t' on the {'right' if swapped else 'left'} is timestamp\[us\]") as raised:
        write(*(side() for side in sides))
    line = str(raised.value).partition("Make them equal there: ")[2]
    equal = eval(f"timed(){line}", {"timed": timed, "col": col})
    assert write(equal, zoned()).to_rows()


def test_a_bound_has_a_zone_like_event_time():
    left = zoned().with_columns(until=col("t").cast("timestamp[us]") + sb.duration("1s"))
    with pytest.raises(SchemaError, match=r"cast col\('until'\) to 'timestamp\[us, tz=UTC\]'"):
        left.interval_join(zoned(), on="k", between=("0s", col("until")))


BEHIND = r": write \.with_event_time\('t'\) behind it"
DROPPED = {
    "a function": (lambda: timed().map(lambda batch: batch), "map_0", BEHIND),
    "the first of two": (lambda: timed().map(lambda batch: batch).map(lambda batch: batch), "map_0", BEHIND),
    "a name": (lambda: timed().map(lambda batch: batch).named("mine").filter(col("x") > 0), "mine", BEHIND),
    "another column": (lambda: timed().with_columns(t=col("t") + sb.duration("1s")), "select_0", BEHIND),
    "rows": (lambda: timed().map_rows(lambda row: {"k": row["k"]}), "map_rows_0", ": return 't' as a timestamp there"),
    "another type": (lambda: timed().with_columns(t=1), "select_0", ": return 't' as a timestamp there"),
    "drop": (lambda: timed().drop("t"), "select_0", ": keep 't' there"),
    "select": (lambda: timed().select("k"), "select_0", ": keep 't' there"),
    "one input": (lambda: timed().union(timed().map(lambda batch: batch)), "map_0", BEHIND),
    "groups": (lambda: timed().group_by("k").agg(n=sb.count()), "aggregate_0", r": call .* before it"),
    "a side": (lambda: timed().map(lambda batch: batch, on_error="side").side("errors"), "map_0", ": call .* before"),
}


@pytest.mark.parametrize("how", DROPPED)
def test_the_operator_that_dropped_event_time_is_named(how):
    write, name, advice = DROPPED[how]
    message = f"stream has none, as {name} dropped event time 't'{advice}"
    with pytest.raises(SchemaError, match=message):
        write().window(HOURS)
    with pytest.raises(SchemaError, match=message):
        timed().join(write(), on="k", window=HOURS)
    with pytest.raises(SchemaError, match=message):
        write().asof_join(timed(), on="k")


def test_the_options_of_a_dropped_event_time_are_kept():
    dropped = rows().with_event_time("t", max_delay="1s", idle="2m").filter(col("x") > 0).map(lambda batch: batch)
    with pytest.raises(SchemaError, match=r"write \.with_event_time\('t', max_delay='1s', idle='2m'\) behind it"):
        dropped.window(HOURS)


def test_inputs_with_different_event_times_are_named():
    other = rows().with_columns(u=col("t"))
    both = other.with_event_time("t").union(other.with_event_time("u"))
    with pytest.raises(SchemaError, match=r"the inputs of union_0 have different ones \('t', 'u'\)"):
        both.window(HOURS)


def test_a_null_event_time_names_its_row_and_what_drops_it():
    null = {"t": None, "k": 0, "s": "a", "x": 1}
    with pytest.raises(
        SourceError, match=r"'t' is null in row 101 of table\..*\.filter\(col\('t'\)\.is_not_null\(\)\)"
    ):
        timed(null).window(HOURS).agg(n=sb.count()).to_rows()
    dropped = rows(null).filter(col("t").is_not_null()).with_event_time("t").window(HOURS).agg(n=sb.count())
    assert [row["n"] for row in dropped.to_rows()] == [100]


@pytest.mark.parametrize("computed", [False, True])
def test_a_time_in_the_far_future_does_not_make_other_rows_late(caplog, computed):
    more = [{"t": at, "k": 0, "s": "a", "x": 1} for at in (datetime(2999, 1, 1), START + timedelta(seconds=200))]
    stream = rows(*more)
    if computed:
        stream = stream.with_columns(u=col("t") + sb.duration("0s")).with_event_time("u")
    else:
        stream = stream.with_event_time("t")
    with caplog.at_level(logging.WARNING):
        found = stream.window(HOURS).agg(n=sb.count()).to_rows()
    assert {row["window_start"].year: row["n"] for row in found} == {2024: 101, 2999: 1}
    assert "has times more than a day ahead of their arrival in table" in caplog.text
    assert "drop them with a filter before .with_event_time" in caplog.text


def test_a_file_of_a_minute_that_runs_backwards_is_said(tmp_path, caplog):
    us = pa.array([(n + 180_000) % 200_000 * 300 for n in range(200_000)])
    pq.write_table(pa.table({"t": us.cast(pa.timestamp("us"))}), tmp_path / "a.parquet")
    stream = sb.Stream.from_parquet(tmp_path / "a.parquet", event_time="t")
    found = stream.window(sb.tumbling("1s")).agg(n=sb.count()).to_pandas()
    assert found["n"].sum() < 21_000
    (record,) = caplog.records
    assert "t runs backwards by up to 59.9997 s in a.parquet; with max_delay='0s' 90 % of rows" in record.getMessage()


class Divides(sb.KeyedProcess):
    output = {"y": "int64"}

    def on_row(self, row, ctx):
        yield {"y": 1 // (row["x"] - 50)}


class RaisesLater(sb.KeyedProcess):
    output = {"y": "int64"}

    def on_row(self, row, ctx):
        ctx.timer("1s")

    def on_timer(self, at, ctx):
        raise ValueError("no such account")


class WantsEventTime(sb.KeyedProcess):
    output = {"y": "int64"}

    def on_row(self, row, ctx):
        ctx.timer("1s")

    def on_timer(self, at, ctx):
        yield {"y": 1}


@pytest.mark.parametrize(
    ("cls", "stream", "message"),
    [
        (Divides, rows, r"Divides .*raised ZeroDivisionError: .*test_event_time\.py:\d+: yield \{\"y\": 1 // "),
        (RaisesLater, timed, "RaisesLater .*raised ValueError: no such account"),
        (WantsEventTime, rows, r"timers go by event time, and the stream has none.*time='processing'"),
    ],
)
def test_a_process_function_that_raises_names_its_line_and_the_row(cls, stream, message):
    with pytest.raises(UserFunctionError, match=message) as raised:
        stream().group_by("k").process(cls).to_rows()
    assert raised.value.sample


class Past(sb.KeyedProcess):
    output = {"k": "int64", "at": pa.timestamp("us")}

    def on_row(self, row, ctx):
        if row["x"] == 50:
            ctx.timer(START - timedelta(days=1))
            ctx.timer("-5s")

    def on_timer(self, at, ctx):
        yield {"k": ctx.key, "at": at}


def test_a_timer_in_the_past_fires_at_the_next_watermark():
    found = timed().group_by("k").process(Past).to_rows()
    assert [row["at"] for row in found] == [START - timedelta(days=1), START + timedelta(seconds=45)]


def ends():
    yield {"a": 1}


def raises():
    yield {"a": 1}
    raise ConnectionError("socket closed")


def another_column():
    yield {"a": 1}
    yield {"b": "x"}


def another_type():
    yield {"a": 1}
    yield {"a": "x"}


def no_row():
    yield 5


def test_an_endless_generator_that_ends_ends_its_stream():
    assert sb.Stream.from_generator(ends, {"a": "int64"}, bounded=False).head().to_pandas()["a"].to_list() == [1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (raises, r"source_0: raises \(.*\) raised ConnectionError: socket closed"),
        (another_column, r"another_column .*row 1 has 'b', but the columns are a: add it to the schema"),
        (another_type, r"another_type .*row 1: 'x' \(str\) is not of type int64 for column 'a'"),
        (no_row, r"no_row .*yielded 5 \(int\) after 0 rows: yield dicts"),
    ],
)
def test_a_generator_that_raises_or_yields_another_schema(function, message):
    with pytest.raises(UserFunctionError, match=message):
        sb.Stream.from_generator(function, {"a": "int64"}).to_rows()


def test_a_generator_that_is_called_already():
    with pytest.raises(FunctionError, match="from_generator takes a function, not"):
        sb.Stream.from_generator(ends(), {"a": "int64"})


def test_the_same_on_a_cluster(env):
    job = sb.Stream.from_generator(raises, {"a": "int64"}).sink_live().run("broken feed")
    with pytest.raises(JobFailed, match="raised ConnectionError: socket closed"):
        job.wait(timeout=60)
    job = timed().group_by("k").process(RaisesLater).sink_live().run("broken timer")
    with pytest.raises(JobFailed, match="raised ValueError: no such account"):
        job.wait(timeout=60)


class Counts(sb.KeyedProcess):
    n = sb.value("int64", default=0)
    output = {"n": "int64"}

    def on_row(self, row, ctx):
        self.n.set(self.n.get() + 1)
        yield {"n": self.n.get()}


@pytest.mark.parametrize(
    ("stream", "note"),
    [
        (lambda s: s.group_by("value").agg(n=sb.count()), "group_by(value): state grows with every new value: add a "),
        (
            lambda s: s.distinct("value"),
            "distinct(value): state grows with every new value: count them in windows, as ",
        ),
        (lambda s: s.group_by("value").process(Counts), "Counts: state grows with every new value whose state is not "),
    ],
)
def test_state_that_grows_without_bound_is_named_with_what_bounds_it(stream, note):
    assert note in str(stream(sb.Stream.from_rate(10)))


@pytest.mark.parametrize(
    "write",
    [
        lambda windows: windows.agg(window_start=sb.count()),
        lambda windows: windows.top(1, by="x"),
        lambda windows: windows.latest(),
    ],
)
def test_a_column_that_is_called_window_start(write):
    stream = timed().rename({"k": "window_start"})
    assert stream.window(HOURS).agg(n=sb.count()).to_rows()[0]["n"] == 100
    with pytest.raises(DuplicateColumn, match=r"rename yours first, \.rename\(\{'window_start': 'start'\}\)"):
        write(stream.window(HOURS))
    with pytest.raises(DuplicateColumn, match="rename yours first"):
        stream.group_by("window_start").window(HOURS).agg(n=sb.count())


@pytest.mark.parametrize(
    "join",
    [
        lambda left, right: left.asof_join(right, on="k"),
        lambda left, right: left.interval_join(right, on="k", between=("0s", "0s")),
    ],
)
def test_joins_by_time_do_not_compare_rounded_nanoseconds(join):
    exact, other = (sb.Stream.from_arrow(NANOSECONDS, event_time="t") for _ in range(2))
    with pytest.raises((ExpressionError, JobFailed), match="'t' has nanoseconds") as caught:
        join(exact, other).to_rows()
    advice = str(caught.value).split("round it first, ")[1].split("\n")[0]
    left, right = (eval(f"stream{advice}", {"stream": stream, "col": col}) for stream in (exact, other))
    assert join(left, right).to_arrow().num_rows > 0
    whole = NANOSECONDS.set_column(0, "t", pa.array([1_000, 2_000], pa.timestamp("ns")))
    assert join(*(sb.Stream.from_arrow(whole, event_time="t") for _ in range(2))).to_arrow().num_rows == 2


def with_infinity(name):
    """Two rows of 1970, and one with the infinity of PostgreSQL and DuckDB in column ``name``."""
    columns = {"t": [0, 1, 5], "until": [10, 10, 10], "k": [1, 1, 1]}
    columns[name][1] = 2**63 - 1
    times = {key: pa.array(columns[key]).view(pa.timestamp("us")) for key in ("t", "until")}
    return pa.table({**times, "k": columns["k"]})


def test_infinity_as_event_time_is_refused_with_a_line_that_runs():
    table = with_infinity("t")
    window = sb.tumbling("1s")
    with pytest.raises(
        (SourceError, JobFailed), match=r"event time 't' in row 2 of table: .* a database's infinity"
    ) as caught:
        sb.Stream.from_arrow(table, event_time="t").window(window).agg(n=sb.count()).to_rows()
    advice = str(caught.value).split("behind a filter: ")[1].split("\n")[0]
    stream = eval(f"stream{advice}", {"stream": sb.Stream.from_arrow(table), "col": col})
    assert [row["n"] for row in stream.window(window).agg(n=sb.count()).to_rows()] == [2]


def test_infinity_as_the_end_of_a_window_is_refused_with_a_line_that_runs():
    def counted(stream):
        return stream.group_by("k").window(sb.until("until")).agg(n=sb.count()).to_rows()

    stream = sb.Stream.from_arrow(with_infinity("until"), event_time="t")
    with pytest.raises(
        (TypeMismatch, JobFailed), match=r"'until' says which window a row is in: .* infinity"
    ) as caught:
        counted(stream)
    advice = str(caught.value).split("before the window: ")[1].split("\n")[0]
    assert [row["n"] for row in counted(eval(f"stream{advice}", {"stream": stream, "col": col}))] == [2]


def test_infinity_as_the_bound_of_a_join_has_no_end():
    left = sb.Stream.from_arrow(with_infinity("until"), event_time="t")
    right = sb.Stream.from_rows([{"u": START, "k": 1}], event_time="u")
    pairs = left.interval_join(right, on="k", between=("0s", col("until")))
    assert [row["t"] for row in pairs.select("t").to_rows()] == [datetime(1970, 1, 1, 0, 0, 0, 1)]
