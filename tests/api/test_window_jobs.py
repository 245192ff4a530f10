"""Windows and updates in jobs on a cluster: what stops, waits and leaves."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb import col

pytestmark = pytest.mark.cluster

START = datetime(2024, 1, 1)
TIMED = {"t": pa.timestamp("us"), "v": pa.int64()}


@pytest.fixture(scope="module")
def env() -> Iterator[sb.Env]:
    with sb.local(workers=2, slots=4, processes=False) as env:
        yield env


def wait_for(condition: Callable[[], bool]) -> None:
    """Ask until it is true; the timeout of the test ends it otherwise."""
    pause = Event()
    while not condition():
        pause.wait(0.02)


def written(folder: Path) -> list[dict[str, Any]]:
    return ds.dataset(folder).to_table().to_pylist()


def test_results_and_late_rows_in_one_job(env: sb.Env, tmp_path: Path) -> None:
    rows = [{"t": START + timedelta(minutes=minute), "v": minute} for minute in (0, 10, 70, 5, 80, 200, 3)]
    hours = sb.Stream.from_rows(rows, event_time="t").window(sb.tumbling("1h")).agg(n=sb.count())
    sb.run("late", hours.sink_parquet(tmp_path / "hours"), hours.side("late").sink_parquet(tmp_path / "late")).wait()
    assert sorted(row["n"] for row in written(tmp_path / "hours")) == [1, 2, 2]
    assert sorted(row["v"] for row in written(tmp_path / "late")) == [3, 5]


def test_a_hundred_daily_files_in_one_task(env: sb.Env, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for day in range(100):
        hours = [START + timedelta(days=day, hours=hour) for hour in range(24)]
        pq.write_table(pa.table({"t": pa.array(hours, pa.timestamp("us"))}), tmp_path / "in" / f"{day:03}.parquet")
    days = sb.Stream.from_parquet(tmp_path / "in", event_time="t").window(sb.tumbling("1d")).agg(n=sb.count())
    sinks = [days.sink_parquet(tmp_path / "days"), days.side("late").sink_parquet(tmp_path / "late")]
    sb.run("daily", *sinks, parallelism=1).wait()
    found = written(tmp_path / "days")
    assert [row["n"] for row in found] == [24] * 100
    assert [row["window_start"] for row in found] == [START + timedelta(days=day) for day in range(100)]
    assert written(tmp_path / "late") == []


def test_stop_drops_open_windows_and_returns_updates(env: sb.Env) -> None:
    rate = sb.Stream.from_rate(1000, event_time="time")
    windows = rate.window(sb.session("1h")).agg(n=sb.count()).sink_live().run("open")
    updates = rate.group_by(k=col("value") % 3).agg(n=sb.count()).sink_live().run("updates")
    wait_for(lambda: len(updates.rows) == 3)
    for job in (windows, updates):
        job.stop()
        job.wait()
    assert len(windows.rows) == 0
    assert sorted(updates.rows["k"].to_pylist()) == [0, 1, 2]


def test_windows_close_beside_a_silent_source(env: sb.Env) -> None:
    def talking() -> Iterator[dict[str, Any]]:
        pause = Event()
        for second in count():
            yield {"t": START + timedelta(seconds=second), "v": second}
            pause.wait(0.005)

    def silent() -> Iterator[dict[str, Any]]:
        yield {"t": START, "v": -1}
        Event().wait()

    first, second = (
        sb.Stream.from_generator(fn, TIMED, bounded=False, event_time="t", idle="200ms") for fn in (talking, silent)
    )
    job = first.union(second).window(sb.tumbling("10s")).agg(n=sb.count()).sink_live().run("silent")
    wait_for(lambda: len(job.rows) >= 2)
    job.cancel()
    assert job.rows["n"].to_pylist()[:2] == [11, 10]


def test_a_generator_that_ends_fires_its_windows(env: sb.Env) -> None:
    def ending() -> Iterator[dict[str, Any]]:
        return ({"t": START + timedelta(seconds=second), "v": second} for second in range(100))

    stream = sb.Stream.from_generator(ending, TIMED, bounded=False, event_time="t")
    job = stream.window(sb.tumbling("10s")).agg(n=sb.count()).sink_live().run("ending")
    job.wait()
    assert job.rows["n"].to_pylist() == [10] * 10
