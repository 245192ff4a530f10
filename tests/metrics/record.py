"""Record the metrics of jobs with one bottleneck each on a real cluster: ``python tests/metrics/record.py``."""

import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import numpy as np
import pyarrow as pa
import recordings

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import JobFailed

FOLDER = Path(__file__).parent / "recordings"
ROWS = 4_000_000


def hashed(row):
    for _ in range(20):
        hash(str(row))
    return row


def burn_cpu(batch):
    for _ in range(batch.num_rows):
        sum(range(1000))
    return batch


def refused(row):
    return {"x": 1 // (row["x"] - 5_000)}


def slow_callback(batch):
    burn_cpu(batch)
    burn_cpu(batch)


def numbers(hot=0.0):
    """Rows with a number ``x`` and a key ``k`` that is 0 for the share ``hot``."""
    random = np.random.default_rng(0)
    keys = np.where(random.random(ROWS) < hot, 0, random.integers(0, 1000, ROWS))
    return sb.Stream.from_arrow(pa.table({"x": np.arange(ROWS), "k": keys}))


def batches():
    for start in range(0, 2**40, 2**16):
        yield pa.record_batch({"x": np.arange(start, start + 2**16)})


def by_key(stream):
    return stream.partition_by("k").map_batches(burn_cpu).named("score", parallelism=4)


RUNNING = {
    "slow_function": lambda: numbers().map_rows(hashed).named("hashed", parallelism=1).sink_live(),
    "hot_key": lambda: by_key(numbers(hot=0.9)).sink_live(),
    "even_keys": lambda: by_key(numbers()).sink_live(),
    "slow_callback": lambda: numbers().filter(col("x") >= 0).sink_callback(slow_callback),
    "rate": lambda: sb.Stream.from_rate(1000).filter(col("value") >= 0).sink_live(),
    "reading": lambda: sb.Stream.from_generator(batches, {"x": "int64"}).filter(col("x") % 7 == 0).sink_live(),
    "one_split": lambda: sb.Stream.from_rate(500_000).map_batches(burn_cpu).named("burnt", parallelism=2).sink_live(),
    "some_work": lambda: sb.Stream.from_rate(15_000).map_batches(burn_cpu).named("burnt").sink_live(),
}


def main():
    FOLDER.mkdir(exist_ok=True)
    with sb.local(workers=2) as env:
        for name, sink in RUNNING.items():
            job = sink().run(name, env=env)
            job.wait_changed("5s")
            record(name, job)
            job.cancel()
            job.wait_changed("10s")
        job = RUNNING["rate"]().run("paused", env=env)
        job.wait_changed("2s")
        job._client.pause(job.run_id)
        job.wait_changed("2s")
        record("paused", job)
        job.cancel()
        job = numbers().group_by("k").agg(n=sb.count()).sink_live().run("finished", env=env)
        job.wait()
        record("finished", job)
        job = numbers().map_rows(refused, schema={"x": "int64"}).sink_live().run("failed", env=env)
        with suppress(JobFailed):
            job.wait()
        record("failed", job)


def record(name, job):
    metrics = job._client.metrics(job.run_id)
    recordings.write(metrics, FOLDER / f"{name}.json")
    print(f"{name}: {metrics.finding}")  # noqa: T201


if __name__ == "__main__":
    main()
