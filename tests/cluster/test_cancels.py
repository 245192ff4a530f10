"""Jobs that do not want to end, and what is left of those that did."""

import os
import select

import pyarrow as pa
import pytest
from cluster_jobs import collected, endless, line, mapped, numbers, submit

from sabotnb.cluster import local_cluster
from sabotnb.config import Config
from sabotnb.errors import JobCanceled
from sabotnb.expr import col
from sabotnb.graph import Filter, Operator
from sabotnb.protocol import RunId

pytestmark = pytest.mark.cluster

N = pa.schema({"n": pa.int64()})


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this module's own: some threads that it leaves behind live for long."""
    started = local_cluster(2, 4, config=Config(heartbeat_seconds=0.2))
    yield started
    started.close()


def hanging(cluster):
    return [task for row in cluster.slots() for task in row["hanging"]]


def loops(batch):
    while True:
        pass


def catches_what_it_can(batch):
    while True:
        try:
            select.select([], [], [], 0.01)
        except Exception:  # noqa: BLE001 - the point of it
            continue


def sleeps_in_c(batch):
    select.select([], [], [], 30)
    return batch


@pytest.mark.parametrize("function", [loops, catches_what_it_can, sleeps_in_c])
def test_a_function_that_does_not_return_is_canceled(cluster, function):
    run = submit(cluster, "stubborn", line(numbers(10), mapped(function, N), collected()))
    run.wait_until(lambda status: any(row.counters.rows_in for row in status.tasks))
    run.cancel()
    run.cancel()
    assert run.wait_over(10).state == "CANCELED"
    assert submit(cluster, "after-stubborn", line(numbers(5), collected())).table().num_rows == 5


def test_what_keeps_a_canceled_task_is_said_and_found_by_check(cluster, tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")

    def opens(batch):
        pipe.read_text()  # waits in C for somebody who writes
        return batch

    run = submit(cluster, "kept", line(numbers(10), mapped(opens, N), collected()), parallelism=1)
    run.wait_until(lambda status: any(row.counters.rows_in for row in status.tasks))
    run.cancel()
    with pytest.raises(JobCanceled, match=r"kept/numbers\[0\] was canceled, but process of mapped has not returned"):
        run.wait()
    while "kept/numbers[0]" not in hanging(cluster):
        continue  # until the agent's next heartbeat
    assert any("kept/numbers[0] was canceled, but its function does not" in str(one) for one in cluster.check())
    pipe.write_text("")
    while "kept/numbers[0]" in hanging(cluster):
        continue


def test_jobs_are_canceled_before_they_run(cluster):
    free = sum(row["free"] for row in cluster.slots())
    for number in range(10):
        run = submit(cluster, f"early-{number}", endless(), parallelism=4)
        run.cancel()
        assert run.wait_over(10).state == "CANCELED"
    assert sum(row["free"] for row in cluster.slots()) == free


def held(cluster, run):
    """What each agent holds of a job, by kind (threads: of runs before ``run``), and how many files it has open."""

    def look(dask_worker):  # inside, so that it travels by value: agents cannot import this module
        import threading
        from pathlib import Path

        session = dask_worker.plugins["sabotnb-agent"]._session
        former = [thread for thread in threading.enumerate() if thread.name.startswith(f"{run.job}@")]
        former = [thread for thread in former if not thread.name.startswith(f"{run}/")]
        for thread in former:
            thread.join(10)  # it has reported its end, but may not be quite through
        return {
            "threads": sum(thread.is_alive() for thread in former),
            "results": sum(held.job == run.job for held in session.results._runs),
            "channels": sum(held.job == run.job for held, _ in session._exchange._channels),
            "blobs": sum(held.job == run.job for held in session._blobs),
        }, sum(1 for _ in Path("/proc/self/fd").iterdir())

    return cluster.client.run(look)


def test_a_job_that_is_replaced_again_and_again_leaves_nothing(cluster):
    def replaced(number):
        rest = (Operator("above", Filter(col("n") > -number), slot_group="apart"), collected(slot_group="apart"))
        run = submit(cluster, "replaced", endless(*rest))
        run.wait_until(lambda status: status.state == "RUNNING")
        return run

    before = held(cluster, [replaced(number) for number in range(3)][-1].id)
    for number in range(3, 23):
        run = replaced(number)
    for agent, (now, files) in held(cluster, run.id).items():
        assert now == before[agent][0] == {"threads": 0, "results": 1, "channels": 1, "blobs": 1}
        assert files <= before[agent][1] + 2
    run.cancel()
    run.wait_over()
    cluster.jobs.drop_results("replaced")
    while any(sum(now.values()) for now, _ in held(cluster, RunId("replaced", 0)).values()):
        continue  # agents drop them asynchronously; the test's timeout ends this
