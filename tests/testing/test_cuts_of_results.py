"""Jobs that are cut among the final results of their operators and killed there return each row once."""

import random
from datetime import datetime
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from restarts import compiled, cut_behind_each_batch, final_config

import sabotnb as sb
from sabotnb import col
from sabotnb.testing import assert_rows

ROWS = 18
LAST = datetime(2030, 1, 1)
SPILLING = final_config(sort_bytes=200)
SPILLING_GROUPS = final_config(state_bytes=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two files; t rises in each of them with some disorder, and the files overlap in time."""
    path = tmp_path_factory.mktemp("files")
    draw = random.Random(7)
    for file in range(2):
        seconds = [file * 5 + i // 2 + draw.choice([0, 0, 0, -3]) for i in range(ROWS)]
        columns = {
            "id": pa.array(range(file * ROWS, file * ROWS + ROWS)),
            "k": pa.array([draw.randrange(5) for _ in seconds]),
            "t": pa.array([second * 1_000_000 for second in seconds], pa.timestamp("us")),
        }
        pq.write_table(pa.table(columns), path / f"{file}.parquet", row_group_size=6)
    return path


def files(folder):
    return sb.Stream.from_parquet(str(folder))


def timed(folder):
    return files(folder).with_event_time("t", max_delay="5s")


def others(folder):
    return timed(folder).filter(col("id") % 3 != 0).select("t", "k", other=col("id"))


class Held(sb.KeyedProcess):
    """Stores the largest number of each key, and emits it at the end, with all smaller ones."""

    largest = sb.value("int64", default=0)
    output = {"k": "int64", "id": "int64"}

    def on_row(self, row, ctx):
        self.largest.set(max(self.largest.get(), row["id"]))
        ctx.timer(LAST)

    def on_timer(self, at, ctx):
        for number in range(self.largest.get()):
            yield {"k": ctx.key, "id": number}


async def answered(row):
    import asyncio

    await asyncio.sleep(0)
    return {"id": row["id"], "k": row["k"]}


def summed(left, right):
    return {"id": left["id"] + right["id"]}


JOBS = {
    "aggregate": lambda folder: files(folder).group_by("k").agg(n=sb.count(), s=col("id").sum()),
    "global aggregate": lambda folder: files(folder).agg(n=sb.count(), s=col("id").sum()),
    "aggregates in one task": lambda folder: (
        files(folder).group_by("k").agg(n=sb.count()).group_by("k").agg(s=col("n").sum())
    ),
    "top": lambda folder: files(folder).group_by("k").top(2, by="id"),
    "reduce": lambda folder: files(folder).select("k", "id").group_by("k").reduce(summed, init={"id": 100}),
    "distinct": lambda folder: files(folder).select("k").distinct(),
    "sort": lambda folder: files(folder).sort("k"),
    "sorted windows": lambda folder: (
        timed(folder).group_by("k").window(sb.tumbling("4s")).agg(n=sb.count()).sort("n", "k")
    ),
    "windows": lambda folder: timed(folder).group_by("k").window(sb.tumbling("4s")).agg(n=sb.count()),
    "sliding windows": lambda folder: timed(folder).group_by("k").window(sb.sliding("6s", "2s")).agg(n=sb.count()),
    "windows of windows": lambda folder: (
        timed(folder)
        .group_by("k")
        .window(sb.tumbling("2s"))
        .agg(n=sb.count())
        .group_by("k")
        .window(sb.tumbling("4s"))
        .agg(n=col("n").sum())
    ),
    "sessions": lambda folder: timed(folder).group_by("k").window(sb.session("1s")).agg(n=sb.count()),
    "join": lambda folder: files(folder).join(others(folder).select("k", "other"), on="k", how="full"),
    "broadcast join": lambda folder: files(folder).join(
        others(folder).select("k", "other").filter(col("k") < 3), on="k", how="left"
    ),
    "interval join": lambda folder: timed(folder).interval_join(
        others(folder), on="k", between=("-2s", "2s"), how="full"
    ),
    "window join": lambda folder: timed(folder).join(others(folder), on="k", window=sb.tumbling("4s"), how="full"),
    "as-of join": lambda folder: timed(folder).asof_join(others(folder), on="k"),
    "process": lambda folder: timed(folder).group_by("k").process(Held),
    "async": lambda folder: files(folder).map_async(answered, concurrency=4),
}


@cache
def jobs(name, folder):
    return compiled(JOBS[name](folder))


def check(name, folder, storage, config):
    expected = JOBS[name](folder).to_rows()
    for _, rows in cut_behind_each_batch(jobs(name, folder), storage, 0, config, every=max(1, len(expected) // 5)):
        assert_rows(rows, expected)


@pytest.mark.parametrize("name", JOBS)
def test_each_row_of_the_output_is_there_once(name, folder, tmp_path):
    check(name, folder, tmp_path, SPILLING)


@pytest.mark.parametrize("name", ["aggregate", "aggregates in one task", "top", "reduce", "distinct", "join"])
def test_each_row_is_there_once_if_key_groups_are_in_files(name, folder, tmp_path):
    check(name, folder, tmp_path, SPILLING_GROUPS)
