"""Whole jobs with windows over drawn files: every window and aggregate equals DuckDB, late rows are those defined."""

import math
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from window_definition import assigned

import sabotnb as sb
from sabotnb import col
from sabotnb.api.running.compiling import compile_graph
from sabotnb.api.running.sampled_run import collected
from sabotnb.config import Config
from sabotnb.task import run_local

NAN = math.nan
SECOND, DAY = 1_000_000, 86_400_000_000
TIMES = {
    pa.timestamp("us"): 1,
    pa.timestamp("us", "Europe/Paris"): SECOND,
    pa.timestamp("ns"): 1,
    pa.timestamp("ms"): 1_000,
    pa.timestamp("s"): SECOND,
    pa.date32(): DAY,
}
"""Types of event time, and the shortest time between two of them."""
WORDS = ["low", "mid", "high", None]
KEYS = {
    pa.int64(): [0, 1, None],
    pa.dictionary(pa.int32(), pa.string()): WORDS,
    pa.dictionary(pa.int32(), pa.string(), ordered=True): WORDS,
    pa.decimal128(12, 2): [Decimal("1.50"), Decimal("-0.25"), None],
    pa.large_string(): WORDS,
    pa.float64(): [0.5, NAN, None],
    pa.date32(): [date(1960, 1, 1), date(2024, 2, 29), None],
}


class Total:
    returns = "int64"

    def __init__(self):
        self.total = 0

    def update(self, values):
        self.total += pc.sum(values).as_py() or 0

    def merge(self, other):
        self.total += other.total

    def result(self):
        return self.total


AGGREGATES = {
    "count(*)": sb.count(),
    "count(x)": col("x").count(),
    "sum(n)": col("n").sum(),
    "sum(x)": col("x").sum(),
    "avg(n)": col("n").mean(),
    "min(x)": col("x").min(),
    "max(s)": col("s").max(),
    "var_samp(n)": col("n").var(),
    "stddev_samp(n)": col("n").std(),
    "arg_min_null(s, id)": col("s").first(by="id"),
    "arg_max_null(x, id)": col("x").last(by="id"),
    "arg_min(id, id)": col("id").arg_min("id"),
    "arg_max_null(s, -id)": col("s").arg_max(-col("id")),
    "count(distinct s)": col("s").n_unique(),
    "count(distinct n)": col("n").approx_n_unique(),
    "quantile_cont(n, 0.25)": col("n").quantile(0.25),
    "max(id)::double": col("id").approx_quantile(1.0),
    "list_sort(max(id, 2))": col("id").top_k(2),
    "list_sort(list(s))": col("s").collect_list(),
    "sum(n) / count(*)": col("n").sum() / sb.count(),
    "sum(id)": sb.aggregate(Total)(col("id")),
}


@dataclass(frozen=True)
class Job:
    shape: object
    time: pa.DataType
    key: pa.DataType | None
    max_delay: int
    files: list
    names: list
    row_group: int
    parallelism: int
    config: Config
    optimize: bool


def shapes(unit):
    size = st.integers(1, 9).map(lambda number: timedelta(microseconds=number * unit))
    offset = st.integers(-3, 3).map(lambda number: timedelta(microseconds=number * unit))
    zone = st.sampled_from(["Europe/Paris", "America/Sao_Paulo", "Asia/Kolkata"])
    return st.one_of(
        st.builds(sb.tumbling, size, offset),
        st.builds(
            sb.tumbling, st.sampled_from(["1d", "2d", "1w", "3w", "1mo", "5mo"]), st.sampled_from([None, "6h"]), zone
        ),
        st.tuples(size, size, offset).map(lambda drawn: sb.sliding(max(drawn[:2]), min(drawn[:2]), drawn[2])),
        st.builds(sb.sliding, st.just(timedelta(microseconds=8 * unit)), st.just(timedelta(microseconds=unit))),
        st.builds(sb.session, size),
        st.just(sb.until("end")),
        st.just(sb.global_window()),
    )


@st.composite
def jobs(draw):
    time, unit = draw(st.sampled_from(list(TIMES.items())))
    base = draw(st.sampled_from([0, 1_700_000_000 * SECOND, -1_000_000_000 * SECOND])) // unit * unit
    key = draw(st.sampled_from([None, *KEYS]))
    row = st.fixed_dictionaries(
        {
            "t": st.integers(-20, 40).map(lambda number: base + number * unit),
            "k": st.sampled_from(KEYS[key]) if key is not None else st.none(),
            "n": st.none() | st.integers(-3, 5),
            "x": st.sampled_from([None, NAN, 0.5, -1.25, 3.0]),
            "s": st.sampled_from([None, "x", "y", "zz"]),
            "end": st.integers(-20, 50).map(lambda number: base + number * unit),
        }
    )
    files = draw(st.lists(st.lists(row, min_size=1, max_size=25), min_size=1, max_size=3))
    for number, drawn in enumerate(one for rows in files for one in rows):
        drawn["id"] = number
    return Job(
        draw(shapes(unit)),
        time,
        key,
        draw(st.sampled_from([0, 1, 5, 1000])) * unit,
        files,
        draw(st.lists(st.sampled_from(list(AGGREGATES)), min_size=1, max_size=5, unique=True)),
        draw(st.sampled_from([1, 3, 1000])),
        draw(st.integers(1, 4)),
        Config(batch_rows=draw(st.sampled_from([1, 2, 16, 65_536])), coalesce_rows=draw(st.sampled_from([1, 7, 4096]))),
        draw(st.booleans()),
    )


def column(rows, name, data_type):
    values = [row[name] for row in rows]
    if not pa.types.is_dictionary(data_type):
        return pa.array(values, data_type)
    codes = pa.array([None if value is None else WORDS.index(value) for value in values], pa.int32())
    return pa.DictionaryArray.from_arrays(codes, pa.array(WORDS[:3]), ordered=data_type.ordered)


def table(rows, time, key):
    types = {"id": pa.int64(), "n": pa.int32(), "x": pa.float64(), "s": pa.string(), "k": key or pa.null()}
    micros = {name: pa.array([row[name] for row in rows], pa.timestamp("us")) for name in ("t", "end")}
    if getattr(time, "tz", None):
        micros["t"] = micros["t"].cast(pa.int64()).cast(time)
    columns = {name: column(rows, name, kind) for name, kind in types.items()}
    return pa.table({**columns, **micros, "t": micros["t"].cast(time)})


def results(job, stream):
    compiled = compile_graph(collected(stream.flow), job.parallelism, optimize=job.optimize)
    batches = run_local(compiled.execution, compiled.splits, job.config)
    return [row for batch in batches for row in microseconds(batch).to_pylist()]


def microseconds(batch):
    """Replace the bounds of windows by numbers."""
    for name in ("window_start", "window_end"):
        if name in batch.schema.names:
            place = batch.schema.get_field_index(name)
            batch = batch.set_column(place, name, batch[name].cast(pa.int64()))
    return batch


def plain(value):
    """The value in a form in which results of both engines are equal."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else round(value + 0.0, 6)
    return sorted(map(repr, value)) if isinstance(value, list) else value


def oracle(windows, names):
    keys = list(dict.fromkeys(windows))
    rows = [{**row, "pane": keys.index(key)} for key, members in windows.items() for row in members]
    types = {"pane": pa.int64(), "id": pa.int64(), "n": pa.int64(), "x": pa.float64(), "s": pa.string()}
    relation = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()})
    connection = duckdb.connect()
    connection.register("rows", relation)
    found = connection.execute(f"select pane, {', '.join(names)} from rows group by pane").fetchall()
    return Counter((*keys[row[0]][0], plain(keys[row[0]][1]), *map(repr, map(plain, row[1:]))) for row in found)


@pytest.mark.filterwarnings("ignore:.*earliest")
@given(job=jobs())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_windows_equal_duckdb(tmp_path_factory, job):
    folder = tmp_path_factory.mktemp("files")
    for number, rows in enumerate(job.files):
        pq.write_table(table(rows, job.time, job.key), folder / f"{number}.parquet", row_group_size=job.row_group)
    stream = sb.Stream.from_parquet(folder, event_time="t", max_delay=timedelta(microseconds=job.max_delay))
    keyed = job.key is not None
    windows = stream.group_by("k").window(job.shape) if keyed else stream.window(job.shape)
    expected = assigned(job.shape, job.files, job.max_delay, "k" if keyed else None)
    found = windows.agg(**{f"a{number}": AGGREGATES[name] for number, name in enumerate(job.names)})
    rows = results(job, found)
    if expected.windows:
        assert Counter(
            (
                row.get("window_start"),
                row.get("window_end"),
                plain(row.get("k")),
                *(repr(plain(row[f"a{number}"])) for number in range(len(job.names))),
            )
            for row in rows
        ) == oracle(expected.windows, job.names)
    if job.shape != sb.global_window():
        late = results(job, found.side("late").select("id"))
        assert sorted(row["id"] for row in late) == sorted(row["id"] for row in expected.late)
