"""Jobs that are cut at drawn moments, killed, and restored with other parallelism return what they return in one go."""

import random
from dataclasses import replace
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from restarts import SMALL, compiled, restarted

import sabotnb as sb
from sabotnb import col
from sabotnb.testing import CheckpointedRun, assert_rows


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


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["aggregate", "union", "join", "distinct"])
def test_each_row_is_there_once_if_key_groups_are_in_files(name, folder, tmp_path, seed):
    spilling = replace(SMALL, state_bytes=1)
    rows = restarted(jobs(name, folder), tmp_path, seed, polls=30, config=spilling)
    assert_rows(rows, JOBS[name](folder).to_rows())


def counted_behind_a_broadcast_join(left):
    """The rows of ``left`` by k; they wait in the join for a right side with 600 rows more than it needs."""
    right = [{"j": j, "r": j} for j in range(3)] + [{"j": 99, "r": number} for number in range(600)]
    joined = left.join(sb.Stream.from_rows(right).named("right"), on="j", strategy="broadcast").named("joined")
    return joined.group_by("k").agg(n=sb.count(), s=col("x").sum()).named("counted")


def by_k():
    """300 rows that a hash join divides by k."""
    return rows_of_k().join(sb.Stream.from_rows([{"k": k} for k in range(10)]), on="k", how="semi", strategy="hash")


def rows_of_k():
    rows = [{"k": number % 10, "j": number % 3, "x": number} for number in range(300)]
    return sb.Stream.from_rows(rows).named("left")


@pytest.mark.parametrize("polls", [12, 20, 30])
@pytest.mark.parametrize(
    ("before", "after", "tasks"),
    [(by_k, by_k, (2, 3)), (by_k, by_k, (3, 2)), (rows_of_k, by_k, (2, 2)), (by_k, by_k, (2, 2))],
    ids=["more tasks", "fewer tasks", "divided by an edit", "as they were"],
)
def test_rows_that_wait_in_a_broadcast_join_reach_the_task_of_their_key(before, after, tasks, polls, tmp_path):
    first = compiled(counted_behind_a_broadcast_join(before()))[tasks[0] - 1]
    second = compiled(counted_behind_a_broadcast_join(after()))[tasks[1] - 1]
    with CheckpointedRun(first.execution, first.splits, str(tmp_path), config=SMALL).start() as run:
        cut = run.read(polls).take_cut()
    restored = CheckpointedRun(second.execution, second.splits, str(tmp_path), config=SMALL, restored_from=cut)
    with restored.start():
        found = sorted((row["k"], row["n"], row["s"]) for row in restored.finish())
    assert found == [(k, 30, sum(range(k, 300, 10))) for k in range(10)]
