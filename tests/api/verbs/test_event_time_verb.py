"""Event time that verbs compute: the same rows are late as if the source had the column."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv, feather

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import GraphError, SchemaError, SourceError
from sabotnb.graph import AssignTimes, Source

MICROS = pa.timestamp("us")
SECONDS = [10, 20, 5, 30, 8, 31]
LATE = {2, 4}
"""Numbers of the rows of SECONDS that are late for windows of 5 s, 10 s after the largest time."""


def table(seconds):
    numbers = pa.array(range(len(seconds)), pa.int64())
    micros = pa.array([second * 1_000_000 for second in seconds], pa.int64())
    return pa.table({"n": numbers, "s": pa.array(seconds, pa.int64()), "t": micros.cast(MICROS)})


def unchanged(batch):
    return batch


def timed_batch(batch):
    return batch.append_column("ts", pc.multiply(batch["s"], 1_000_000).cast(MICROS))


def timed_row(row):
    return {**row, "ts": datetime(1970, 1, 1) + timedelta(seconds=row["s"])}


def two_rows(row):
    """One row behind the row that is read, and that row."""
    return [{"n": row["n"], "ts": row["t"] - timedelta(seconds=1)}, {"n": row["n"], "ts": row["t"]}]


TS = (col("s") * 1_000_000).cast("timestamp[us]")
SCHEMA = {"n": "int64", "s": "int64", "t": MICROS, "ts": MICROS}
VERBS = {
    "with_columns": lambda s: s.with_columns(ts=TS),
    "select": lambda s: s.select("n", ts=TS),
    "filter": lambda s: s.with_columns(ts=TS).filter(col("ts") >= datetime(1970, 1, 1)),
    "mask": lambda s: s.with_columns(ts=TS).filter(lambda batch: pc.greater_equal(batch["s"], 0)),
    "map": lambda s: s.map(timed_batch),
    "map_batches": lambda s: s.with_columns(ts=TS).map_batches(unchanged),
    "map_rows": lambda s: s.map_rows(timed_row, schema=SCHEMA),
    "flat_map": lambda s: s.flat_map(timed_batch),
}


def windows(stream):
    return stream.window(sb.tumbling("5s")).agg(n=sb.count(), least=col("n").min())


def late(stream):
    return {row["n"] for row in windows(stream).side("late").to_rows()}


@pytest.mark.parametrize("verb", VERBS)
def test_event_time_may_be_computed_by_every_verb_that_keeps_the_order_of_rows(verb):
    stream = VERBS[verb](sb.Stream.from_arrow(table(SECONDS))).with_event_time("ts", max_delay="10s")
    assert late(stream) == LATE
    expected = windows(sb.Stream.from_arrow(table(SECONDS)).with_event_time("t", max_delay="10s"))
    assert windows(stream).sort("window_start").to_rows() == expected.sort("window_start").to_rows()


def test_a_function_may_return_several_rows_for_one():
    stream = sb.Stream.from_arrow(table(SECONDS)).map_rows(two_rows, schema={"n": "int64", "ts": MICROS})
    assert late(stream.with_event_time("ts", max_delay="10s")) == LATE


def test_event_time_may_be_an_expression():
    source = sb.Stream.from_arrow(table(SECONDS))
    stream = source.with_event_time(TS.alias("ts"), max_delay="10s")
    assert stream.schema.names == ["n", "s", "t", "ts"]
    assert late(stream) == LATE
    replaced = source.with_event_time(TS, max_delay="10s")  # an expression without a name keeps that of its column
    assert replaced.schema.field("s").type == MICROS
    assert late(replaced) == LATE


def test_a_column_of_the_source_stays_with_the_source():
    stream = sb.Stream.from_arrow(table(SECONDS)).filter(col("n") >= 0).rename({"t": "at"}).with_event_time("at")
    specs = [operator.spec for operator in stream.to_job_graph().operators.values()]
    assert not any(isinstance(spec, AssignTimes) for spec in specs)


def test_the_clock_runs_over_the_rows_that_the_filters_before_let_pass():
    stream = sb.Stream.from_arrow(table([10, 100, 12, 11])).with_columns(ts=TS)
    assert late(stream.filter(col("s") < 100).with_event_time("ts")) == set()
    assert late(stream.with_event_time("ts")) == {2, 3}
    assert late(stream.with_event_time("ts").filter(col("s") < 100)) == {2, 3}  # not pushed before the clock


def test_it_replaces_the_event_time_of_the_source_and_an_earlier_one():
    source = sb.Stream.from_arrow(table(SECONDS), event_time="t")
    stream = source.with_columns(ts=TS).with_event_time("ts").with_event_time("ts", max_delay="10s")
    specs = [operator.spec for operator in stream.to_job_graph().operators.values()]
    (read,) = [spec for spec in specs if isinstance(spec, Source)]
    assert read.event_time is None
    assert [spec for spec in specs if isinstance(spec, AssignTimes)] == [AssignTimes("ts", 10_000_000)]
    assert late(stream) == LATE
    assert late(stream.with_event_time("t", max_delay="10s")) == LATE


def written(kind, seconds, folder, files):
    """Files of these rows, with several parts each."""
    size = -(-len(seconds) // files)
    for number in range(files):
        rows = table(seconds).slice(number * size, size).select(["n", "s"])
        path = folder / f"{number}.{kind}"
        if kind == "parquet":
            pq.write_table(rows, path, row_group_size=3)
        elif kind == "csv":
            csv.write_csv(rows, path)
        else:
            feather.write_feather(rows, path, chunksize=3)
    return getattr(sb.Stream, f"from_{kind}")(folder / f"*.{kind}")


def late_by_definition(seconds, files, delay):
    size = -(-len(seconds) // files)
    found = set()
    for start in range(0, len(seconds), size):
        largest = None
        for number, second in enumerate(seconds[start : start + size], start):
            if largest is not None and second // 5 * 5 + 5 <= largest - delay:
                found.add(number)
            largest = second if largest is None else max(largest, second)
    return found


@pytest.mark.filterwarnings("ignore:.*does not say its earliest 'ts'")
@pytest.mark.parametrize("kind", ["parquet", "csv", "ipc"])
@given(seconds=st.lists(st.integers(0, 60), min_size=1, max_size=40), files=st.integers(1, 3), delay=st.integers(0, 20))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_file_has_a_clock_of_its_own_whatever_the_batches_and_tasks(tmp_path_factory, kind, seconds, files, delay):
    stream = written(kind, seconds, tmp_path_factory.mktemp("files"), files).with_columns(ts=TS)
    found = windows(stream.with_event_time("ts", max_delay=f"{delay}s"))
    expected = late_by_definition(seconds, files, delay)
    assert {row["n"] for row in found.side("late").to_rows()} == expected
    assert sum(row["n"] for row in found.to_rows()) == len(seconds) - len(expected)


def test_several_files_say_that_windows_wait_for_the_last_of_them(tmp_path):
    stream = written("parquet", SECONDS, tmp_path, 2).with_columns(ts=TS).with_event_time("ts")
    with pytest.warns(UserWarning, match="does not say its earliest 'ts'.*Write the times into Parquet files instead"):
        windows(stream).to_rows()


def test_batches_and_tasks_change_nothing():
    for verb in VERBS.values():
        windows(verb(sb.Stream.from_arrow(table(SECONDS * 20))).with_event_time("ts", max_delay="10s")).check(runs=3)


def test_side_outputs_of_the_maps_before_are_read_once():
    def checked(row):
        return {"n": 60 // (row["n"] - 3), "ts": row["t"]}

    mapped = sb.Stream.from_arrow(table(SECONDS)).map_rows(
        checked, schema={"n": "int64", "ts": MICROS}, on_error="side"
    )
    timed = mapped.with_event_time("ts", max_delay="10s")
    assert [row["n"] for row in timed.side("errors").to_rows()] == [3]
    assert windows(timed).agg(n=col("n").sum()).to_rows() == [{"n": 3}]


def test_a_null_event_time_says_how_to_drop_it():
    stream = sb.Stream.from_arrow(table(SECONDS)).with_columns(ts=sb.when(col("n") != 2).then(TS))
    with pytest.raises(
        SourceError, match=r"event time 'ts' is null in 1 of \d+ rows of a batch\. Drop them: \.filter\("
    ):
        stream.with_event_time("ts").to_rows()
    assert stream.filter(col("ts").is_not_null()).with_event_time("ts").agg(n=sb.count()).to_rows() == [{"n": 5}]


def test_it_comes_before_rows_leave_the_task_of_the_source():
    source = sb.Stream.from_arrow(table(SECONDS))
    computed = source.with_columns(ts=TS)
    sides = source.map_rows(timed_row, schema=SCHEMA, on_error="side").side("errors").with_columns(ts=TS)
    for stream, what in (
        (computed.distinct(), "distinct"),
        (computed.sort("n"), "sort"),
        (computed.union(computed), "union"),
        (computed.rebalance(), r"rows are sent to other tasks \(rebalance\)"),
        (computed.partition_by("n"), r"rows are sent to other tasks \(hash\)"),
        (sides, "the side output 'errors'"),
    ):
        with pytest.raises(SchemaError, match=rf"must be known before {what}; call \.with_event_time\('ts'\) before"):
            stream.with_event_time("ts")


def test_tasks_are_those_of_the_source():
    source = sb.Stream.from_arrow(table(SECONDS))
    with pytest.raises(SchemaError, match=r"'?parse'? has tasks of its own.*set the parallelism there"):
        source.map(timed_batch).named("parse", parallelism=3).with_event_time("ts")
    timed = source.map(timed_batch).with_event_time("ts")
    with pytest.raises(GraphError, match=r"'ts' is computed in the tasks of the source.*named\(parallelism=4\)"):
        timed.named(parallelism=3)
    assert timed.named("timed").to_job_graph().operators["timed"].parallelism is None
    several = source.named(parallelism=3).map(timed_batch).with_event_time("ts", max_delay="10s")
    assert {one.parallelism for one in several.to_job_graph().operators.values()} == {3}
    assert late(several) == LATE


def test_a_graph_by_hand_needs_a_source_with_a_clock():
    graph = sb.Stream.from_arrow(table(SECONDS)).sink_live().to_job_graph()
    built = sb.JobGraph().add_operator(graph.operators["source_0"])
    built = built.add_operator(sb.Operator("times", AssignTimes("t", 0))).add_operator(graph.operators["sink_0"])
    built = built.connect("source_0", "times").connect("times", "sink_0")
    with pytest.raises(GraphError, match="'times' assigns event time, but not in the task of a source"):
        built.validate()


def test_the_card_says_which_column_it_is():
    stream = sb.Stream.from_arrow(table(SECONDS)).with_columns(ts=TS).with_event_time("ts", max_delay="1h")
    assert "event time is ts, rows are expected up to 1h out of order" in str(stream)


def test_an_endless_source_closes_windows():
    ticks = sb.Stream.from_rate(200).with_columns(at=col("time") + sb.duration("1h")).with_event_time("at")
    found = ticks.window(sb.tumbling("250ms")).agg(n=sb.count(), least=col("at").min()).head(2).to_pandas()
    assert len(found) == 2
    assert (found["least"] >= found["window_start"]).all()
