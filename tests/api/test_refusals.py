"""What bad input gets: an error at the line that wrote it, which ends with what to do."""

import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb import col, errors

UNKNOWN = {
    "filter": lambda s: s.filter(col("dealy") > 15),
    "select": lambda s: s.select("carrier", "dealy"),
    "with_columns": lambda s: s.with_columns(x=col("dealy") * 2),
    "drop": lambda s: s.drop("dealy"),
    "rename": lambda s: s.rename({"dealy": "late"}),
    "distinct": lambda s: s.distinct("dealy"),
    "sort": lambda s: s.sort("dealy"),
    "group_by": lambda s: s.group_by("dealy"),
    "agg": lambda s: s.agg(col("dealy").max()),
    "agg by": lambda s: s.agg(x=col("carrier").arg_max(by="dealy")),
    "top": lambda s: s.top(3, by="dealy"),
    "join": lambda s: s.join(s, on="dealy"),
    "partition_by": lambda s: s.partition_by("dealy"),
    "range_partition": lambda s: s.range_partition("dealy"),
    "sink": lambda s: s.sink_parquet("out", partition_by="dealy"),
    "event time": lambda s: s.with_event_time("dealy"),
}


@pytest.mark.parametrize("verb", UNKNOWN)
def test_an_unknown_column_names_the_nearest_and_the_line(flights: sb.Stream, verb: str) -> None:
    with pytest.raises(errors.ColumnNotFound) as caught:
        UNKNOWN[verb](flights)
    message = str(caught.value)
    assert "did you mean 'delay' (double)?" in message
    assert "test_refusals.py:" in message
    assert "It has: carrier, origin, delay, minutes" in message


def large_integers(*values):
    """A frame with a column of Python's own integers."""
    return pd.DataFrame({"a": pd.Series(values, dtype=object)})


SPARSE = pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])})
SCHEMA_REFUSALS = [
    (lambda s: s.filter(col("carrier") > 15), errors.TypeMismatch, "string"),
    (lambda s: s.filter(col("delay")), errors.TypeMismatch, "boolean"),
    (lambda s: s.filter(), errors.SchemaError, "no condition"),
    (lambda s: s.select(), errors.SchemaError, "no column"),
    (lambda s: s.select("carrier", "carrier"), errors.DuplicateColumn, "'carrier'"),
    (lambda s: s.select(col("delay"), delay=col("minutes")), errors.DuplicateColumn, "'delay'"),
    (lambda s: s.select(sb.lit(1)), errors.SchemaError, "no name of its own"),
    (lambda s: s.select(5), errors.SchemaError, "not a column"),
    (lambda s: s.select(col("delay").max()), errors.TypeMismatch, r"agg\(\.\.\.\)"),
    (lambda s: s.with_columns(most=col("delay").max()), errors.TypeMismatch, r"agg\(\.\.\.\)"),
    (lambda s: s.drop("carrier", "origin", "delay", "minutes"), errors.SchemaError, "no column"),
    (lambda s: s.rename({"carrier": "origin"}), errors.DuplicateColumn, "'origin'"),
    (lambda s: s.reduce(min, init=0), errors.SchemaError, "init=0 is not a row; pass the dict"),
    (
        lambda s: s.reduce(min, init={"n": threading.Lock()}),
        errors.UnpicklableFunction,
        r"it uses 'n' \(_thread.lock\)",
    ),
    (lambda s: s.sort(), errors.SchemaError, "no column"),
    (lambda s: s.sort("carrier", descending=[True, False]), errors.SchemaError, "2 values for 1 columns"),
    (lambda s: s.sort(col("delay") + 1), errors.SchemaError, "not a column"),
    (lambda s: s.group_by(), errors.SchemaError, "no key"),
    (lambda s: s.group_by("carrier").agg(), errors.SchemaError, "no aggregate"),
    (lambda s: s.group_by("carrier").agg(n=col("delay")), errors.SchemaError, "not an aggregate"),
    (lambda s: s.group_by("carrier").agg(carrier=sb.count()), errors.DuplicateColumn, "'carrier'"),
    (lambda s: s.agg(col("delay").min(), col("delay").max()), errors.DuplicateColumn, "'delay'"),
    (lambda s: s.agg(col("carrier").mean()), errors.TypeMismatch, "numbers"),
    (lambda s: s.agg(col("delay").first()), errors.SchemaError, "by="),
    (lambda s: s.group_by(carrier=col("minutes") % 2).top(1, by="delay"), errors.DuplicateColumn, "hides"),
    (lambda s: s.top(0, by="delay"), errors.SchemaError, "at least 1"),
    (lambda s: s.top(1, by="delay", rank="carrier"), errors.DuplicateColumn, "'carrier'"),
    (lambda s: s.latest(), errors.SchemaError, "with_event_time"),
    (lambda s: s.join(s), errors.SchemaError, "on='key'"),
    (lambda s: s.join(s, left_on="carrier"), errors.SchemaError, "go together"),
    (lambda s: s.join(s, left_on="carrier", right_on=["carrier", "origin"]), errors.SchemaError, "1 keys"),
    (lambda s: s.join(s, left_on="carrier", right_on="minutes"), errors.TypeMismatch, "cast"),
    (lambda s: s.join(s, on="carrier", how="outer"), errors.GraphError, "'full'|full"),
    (lambda s: s.join(s, on="carrier", how="cross"), errors.GraphError, r"on a key that all rows have: \.with_columns"),
    (lambda s: s.join(s, on="carrier", strategy="merge"), errors.GraphError, "broadcast"),
    (
        lambda s: s.join(sb.Stream.from_rate(10), left_on="minutes", right_on="value", how="left"),
        errors.GraphError,
        "endless",
    ),
    (lambda s: s.side("late"), errors.GraphError, "no side output 'late'"),
    (lambda s: s.side("errors"), errors.GraphError, "on_error='side'"),
    (lambda s: s.map_batches(lambda b: b, format="numpy"), errors.GraphError, "'polars'"),
    (lambda s: s.map_batches(lambda b: b, on_error="skip"), errors.GraphError, "'side'"),
    (lambda s: s.map_batches(lambda b: b, schema=5), errors.SchemaError, "pyarrow.Schema"),
    (lambda s: s.map_batches(lambda b: b, schema={"a": "integer"}), errors.SchemaError, "'int64'"),
    (lambda s: s.map_batches("not a function"), errors.FunctionError, "takes a function"),
    (lambda s: s.map_batches(lambda b: 5), errors.UserFunctionError, "gave int; it must give a RecordBatch"),
    (lambda s: s.map_batches(lambda b: None), errors.SchemaError, "add the missing return, or declare"),
    (lambda s: s.map_batches(lambda b: 1 / 0), errors.UserFunctionError, "ZeroDivisionError"),
    (lambda s: s.map_rows(lambda row: None), errors.SchemaError, "no row"),
    (lambda s: s.map_rows(lambda row: row["nix"]), errors.UserFunctionError, "KeyError"),
    (lambda s: s.map_rows(lambda row: 5), errors.UserFunctionError, "must give a dict, None, or an iterable"),
    (lambda s: s.with_event_time("delay"), errors.TypeMismatch, "say what it counts"),
    (lambda s: s.sink_parquet("out", mode="replace"), errors.SinkError, "'overwrite'"),
    (
        lambda s: s.sink_parquet("out", partition_by=["carrier", "origin", "delay", "minutes"]),
        errors.SchemaError,
        "left",
    ),
    (lambda s: s.sink_parquet(5), errors.SinkError, "5 is not a path: give a folder"),
    (lambda s: s.agg(all=col("delay").collect_list()).sink_csv("out"), errors.SinkError, "csv files cannot hold"),
    (lambda s: s.sink_live(keep=0), errors.SinkError, "at least 1"),
    (lambda s: s.sink_callback("print"), errors.SinkError, "function"),
    (lambda s: s.named(parallelism=0), errors.GraphError, "1 to 128"),
    (lambda s: s.named(parallelism=500), errors.GraphError, "1 to 128"),
    (lambda s: sb.union(), errors.GraphError, "at least one"),
    (lambda s: sb.run(s.sink_live()), errors.GraphError, "name first"),
    (lambda s: sb.run("job"), errors.GraphError, "at least one sink"),
    (lambda s: sb.run("job", s), errors.GraphError, "sink_parquet"),
    (lambda s: sb.Stream.from_arrow([1, 2]), errors.SchemaError, "from_rows"),
    (lambda s: sb.Stream.from_arrow(pa.table({})), errors.SchemaError, "has no columns"),
    (lambda s: sb.Stream.from_pandas([1, 2]), errors.SchemaError, "pandas.DataFrame, not list; use from_rows"),
    (
        lambda s: sb.Stream.from_pandas(pl.DataFrame()),
        errors.SchemaError,
        "not polars.DataFrame; use from_arrow for that",
    ),
    (lambda s: sb.Stream.from_pandas(pd.Series([1])), errors.SchemaError, "pandas.Series is one column.*to_frame"),
    (lambda s: sb.Stream.from_pandas(SPARSE), errors.SchemaError, r"'a' is sparse.*\['a'\].sparse.to_dense\(\)"),
    (lambda s: sb.Stream.from_arrow(pa.array([1])), errors.SchemaError, "Int64Array is one column.*pa.table"),
    (lambda s: sb.Stream.from_arrow(pl.Series([1])), errors.SchemaError, "polars.Series is one column.*pa.table"),
    (lambda s: sb.Stream.from_pandas(large_integers(2**63, None)), errors.SchemaError, r"astype\(\{'a': 'UInt64'\}\)"),
    (lambda s: sb.Stream.from_pandas(large_integers(2**63, -1)), errors.SchemaError, r"astype\(\{'a': 'string'\}\)"),
    (lambda s: sb.Stream.from_pandas(pd.DataFrame({"a": [1, "x"]})), errors.SchemaError, "column a .*'x'.*astype"),
    (lambda s: sb.Stream.from_pandas(pd.DataFrame([[1, 2]], columns=["a", "a"])), errors.SchemaError, "rename"),
    (lambda s: sb.Stream.from_csv(sys.stdin), errors.SourceError, "is not a path: pass the path"),
    (lambda s: sb.Stream.from_parquet(5), errors.SourceError, "5 is not a path: pass the path"),
    (lambda s: s.union("other"), errors.GraphError, "str is not a stream.*from_rows"),
    (lambda s: sb.union(s, s.schema), errors.GraphError, "Schema is not a stream"),
    (lambda s: s.join({"carrier": ["AA"]}, on="carrier"), errors.GraphError, "dict is not a stream"),
    (lambda s: s.delay, AttributeError, r"write col\('delay'\)"),
    (lambda s: sb.local(workers=0), errors.EnvError, "workers=0.*at least 1"),
    (lambda s: sb.local(slots="2"), errors.EnvError, "slots='2'.*at least 1"),
    (lambda s: sb.connect("nonsense"), errors.EnvError, "tcp://host:8786"),
    (lambda s: sb.Stream.from_rows([{"a": 1}], event_time="a"), errors.TypeMismatch, "say what it counts"),
    (lambda s: sb.Stream.from_rows([{"a": "x"}], event_time="a"), errors.TypeMismatch, r"schema=\{'a': pa.timestamp"),
]


WRONG_ARGUMENTS = [
    (lambda s: s.head("5"), errors.SchemaError, r"head\('5'\): give a whole number of rows, 0 or more"),
    (lambda s: s.head(2.5), errors.SchemaError, "whole number"),
    (lambda s: s.head(-1), errors.SchemaError, "0 or more"),
    (lambda s: s.top(2.5, by="delay"), errors.SchemaError, r"top\(2.5\): give a whole number of rows, at least 1"),
    (lambda s: s.top(1, by="delay", rank=5), errors.SchemaError, "rank is 5; give the name"),
    (lambda s: s.named(5), errors.GraphError, "5 is not a valid operator name; pass a string"),
    (lambda s: s.named(""), errors.GraphError, "'' is not a valid operator name"),
    (lambda s: s.named(parallelism=1.5), errors.GraphError, "parallelism is 1.5; give a number of tasks, 1 to 128"),
    (lambda s: s.named(parallelism=True), errors.GraphError, "parallelism is True"),
    (lambda s: s.named(tags=[5]), errors.GraphError, "5 is not a valid name of a tag"),
    (lambda s: s.sink_live().named(slot_group=""), errors.GraphError, "'' is not a valid name of a slot group"),
    (lambda s: s.rename({"delay": 5}), errors.SchemaError, r"write .rename\({'old': 'new'}\)"),
    (lambda s: s.rename(str.upper), errors.SchemaError, "rename takes new names by the old ones"),
    (lambda s: s.sort("delay", descending=1), errors.SchemaError, "descending is 1; give True or False"),
    (lambda s: s.sort("delay", descending="yes"), errors.SchemaError, "descending is 'yes'"),
    (lambda s: s.join(s, on="carrier", how="full", strategy="broadcast"), errors.GraphError, "strategy='hash'"),
    (lambda s: s.sort("delay").named(parallelism=3), errors.GraphError, "sort must see all rows in one task"),
    (lambda s: s.agg(n=sb.count()).named(parallelism=2), errors.GraphError, "parallelism is 1, not 2; leave it out"),
    (lambda s: s.join(s, on="carrier", suffix=5), errors.GraphError, "suffix is 5; give text"),
    (lambda s: s.partition_by(5), errors.SchemaError, r"5 \(int\) is not a column"),
    (lambda s: s.sink_csv("out", partition_by=5), errors.SchemaError, r"5 \(int\) is not a column"),
    (lambda s: s.sink_live(keep=2.5), errors.SinkError, r"sink_live\(keep=2.5\): give a whole number"),
    (lambda s: s.select(col("delay").alias(1)), errors.TypeMismatch, r"write .alias\('name'\)"),
    (lambda s: s.select(col("delay").round("a")), errors.TypeMismatch, r"not 'a' \(str\); write .round\(2\)"),
    (lambda s: s.select(col("delay").round(1.5)), errors.TypeMismatch, "whole number for decimals"),
    (lambda s: s.agg(col("delay").std("a")), errors.TypeMismatch, "ddof is 'a'; give 1"),
    (lambda s: s.agg(col("delay").quantile("a")), errors.TypeMismatch, "between 0 and 1, not 'a'"),
    (lambda s: s.select(col("delay").cast([])), errors.TypeMismatch, r"there is no type \[\]"),
    (lambda s: s.select(col("carrier").str.split("")), errors.TypeMismatch, "split needs a text to split by"),
    (lambda s: s.select(x=sb.lit(0).cast("timestamp[us]").dt.strftime("%f")), errors.TypeMismatch, "write '%S.%f'"),
    (
        lambda s: s.select(x=sb.lit(0).cast("timestamp[us]").dt.strftime("%S.%f %T")),
        errors.TypeMismatch,
        "join two texts",
    ),
    (lambda s: s.select(x=sb.lit({"a": 1})), errors.TypeMismatch, r"\(dict\) cannot be a literal"),
    (
        lambda s: s.filter(col("delay").is_in(col("minutes"))),
        errors.TypeMismatch,
        r"col\('delay'\) == col\('minutes'\)",
    ),
    (lambda s: s.filter(col("delay").is_in([col("minutes")])), errors.TypeMismatch, "values, not expressions"),
    (lambda s: s.filter(col("delay").is_in(5)), errors.TypeMismatch, r"write is_in\(\[5\]\)"),
    (lambda s: s.filter(col("delay").is_in(s)), errors.TypeMismatch, r"\.join\(other, on=..., how='semi'\)"),
    (lambda s: sb.Stream.from_rate("10"), errors.SourceError, "per_second='10': give a number"),
    (lambda s: sb.Stream.from_rate(10, n=2.5), errors.SourceError, "n=2.5: give a number of rows"),
    (lambda s: sb.Stream.from_rows(5), errors.SourceError, r"rows are 5 \(int\): give a list of dicts"),
    (lambda s: sb.connect(5), errors.EnvError, "5 is not a cluster: pass sb.connect a distributed.Client, or"),
]


@pytest.mark.parametrize(("write", "error", "says"), WRONG_ARGUMENTS)
def test_arguments_of_another_kind_are_refused(flights: sb.Stream, write, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        write(flights)


def test_numbers_of_numpy_and_a_tag_by_itself_are_taken(flights: sb.Stream) -> None:
    assert len(flights.head(np.int64(2))) == 2
    placed = flights.named(parallelism=np.int64(2), tags="gpu").to_job_graph().operators["source_0"]
    assert (placed.parallelism, placed.tags) == (2, {"gpu"})


@pytest.mark.parametrize(("write", "error", "says"), SCHEMA_REFUSALS)
def test_refused_at_the_line_that_wrote_it(flights: sb.Stream, write, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        write(flights)


def test_a_union_of_different_schemas_lists_the_differences(flights: sb.Stream) -> None:
    other = flights.select("carrier", delay=col("delay").cast("int64"), gate=col("origin"), minutes=col("minutes"))
    with pytest.raises(errors.SchemaError) as caught:
        flights.union(other)
    message = str(caught.value)
    assert "'origin'" in message
    assert "'gate'" in message
    assert "'delay' is int64, not double" in message


def test_an_unpicklable_function_names_what_it_uses(flights: sb.Stream) -> None:
    lock = threading.Lock()

    def guarded(batch: pa.RecordBatch) -> pa.RecordBatch:
        with lock:
            return batch

    with pytest.raises(errors.UnpicklableFunction, match="'lock'"):
        flights.map_batches(guarded)


def test_rows_of_an_endless_stream_are_not_collected() -> None:
    with pytest.raises(errors.GraphError, match=r"\.head\(\).*sink_live"):
        sb.Stream.from_rate(10).to_arrow()


def test_an_endless_stream_is_not_sorted() -> None:
    with pytest.raises(errors.GraphError, match="endless"):
        sb.Stream.from_rate(10).sort("value").check()


@pytest.mark.parametrize("duration", ["5", "5M", 5])
def test_a_duration_needs_a_unit(duration: object) -> None:
    rows = pa.table({"at": pa.array([1], pa.timestamp("us"))})
    with pytest.raises(errors.TypeMismatch, match="'5s'"):
        sb.Stream.from_arrow(rows, event_time="at", max_delay=duration)  # type: ignore[arg-type]


def test_rows_are_not_late_by_less_than_nothing() -> None:
    rows = pa.table({"at": pa.array([1], pa.timestamp("us"))})
    with pytest.raises(errors.TypeMismatch, match=r"max_delay='-5s' is negative"):
        sb.Stream.from_arrow(rows, event_time="at", max_delay="-5s")


def test_a_missing_path_says_so(tmp_path: Path) -> None:
    with pytest.raises(errors.SourceError, match="nothing"):
        sb.Stream.from_parquet(tmp_path / "nothing.parquet")


def test_a_truncated_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(errors.SourceError, match="truncated"):
        sb.Stream.from_parquet(path)


def test_running_without_an_env_says_how_to_open_one(flights: sb.Stream, tmp_path: Path) -> None:
    with pytest.raises(errors.EnvError, match=r"sb\.local\(\)"):
        flights.sink_parquet(tmp_path / "out").run()


def test_event_time_comes_before_any_exchange(times: sb.Stream) -> None:
    with pytest.raises(errors.SchemaError, match=r"before distinct; call \.with_event_time\('at'\) before it"):
        times.distinct().with_event_time("at")
