"""Jobs that are cut at drawn moments, killed, and restored with other parallelism return what they return in one go."""

import random
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from restarts import compiled, restarted

import sabotnb as sb
from sabotnb import col
from sabotnb.testing import assert_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four files of 200 rows; t rises in each of them with some disorder, and the files overlap in time."""
    path = tmp_path_factory.mktemp("files")
    draw = random.Random(7)
    for file in range(4):
        seconds = [file * 100 + i + draw.choice([0, 0, 0, 0, -3, -40]) for i in range(200)]
        columns = {
            "id": pa.array(range(file * 200, file * 200 + 200)),
            "k": pa.array([draw.randrange(9) for _ in seconds]),
            "t": pa.array([second * 1_000_000 for second in seconds], pa.timestamp("us")),
        }
        pq.write_table(pa.table(columns), path / f"{file}.parquet", row_group_size=50)
    return path


def files(folder):
    return sb.Stream.from_parquet(str(folder))


def timed(folder):
    return files(folder).with_event_time("t", max_delay="5s")


def late_and_windows(folder):
    windows = timed(folder).group_by("k").window(sb.tumbling("20s")).agg(n=sb.count())
    return windows.select("k", "n").union(windows.side("late").select("k", n=-col("id")))


JOBS = {
    "rows": lambda folder: files(folder).filter(col("id") % 3 != 0).select(y=col("id") * 2),
    "aggregate": lambda folder: files(folder).filter(col("id") > 20).group_by("k").agg(n=sb.count(), s=col("id").sum()),
    "global aggregate": lambda folder: files(folder).agg(n=sb.count(), s=col("id").sum()),
    "windows and late rows": lambda folder: timed(folder).group_by("k").window(sb.tumbling("20s")).agg(n=sb.count()),
    "window of all keys": lambda folder: timed(folder).window(sb.tumbling("20s")).agg(n=sb.count()),
    "sessions": lambda folder: timed(folder).group_by("k").window(sb.session("3s")).agg(n=sb.count()),
    "union": lambda folder: (
        files(folder)
        .select("k", "id")
        .union(files(folder).select("k", id=-col("id")))
        .group_by("k")
        .agg(n=sb.count(), s=col("id").sum(), low=col("id").min())
    ),
    "join": lambda folder: (
        files(folder)
        .select("k", "id")
        .filter(col("id") % 5 == 0)
        .join(files(folder).filter(col("id") % 7 == 0).select("k", other=col("id")), on="k")
    ),
    "side output": late_and_windows,
    "distinct": lambda folder: files(folder).select("k").distinct(),
}


@cache
def jobs(name, folder):
    return compiled(JOBS[name](folder))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", JOBS)
def test_each_row_of_the_output_is_there_once(name, folder, tmp_path, seed):
    assert_rows(restarted(jobs(name, folder), tmp_path, seed, polls=30), JOBS[name](folder).to_rows())
