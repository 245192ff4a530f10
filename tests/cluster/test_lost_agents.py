"""Worker processes that die, and such that only look dead."""

import ctypes
import os
import signal

import pytest
from cluster_jobs import collected, endless, line, numbers, submit

from sabotnb.cluster import local_cluster
from sabotnb.config import Config
from sabotnb.errors import EnvError, JobFailed

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def mortal():
    """A cluster with short leases, to be damaged."""
    started = local_cluster(2, 4, config=Config(heartbeat_seconds=0.2, agent_lost_seconds=1.5))
    yield started
    started.close()


def ids(cluster):
    return [row["agent"] for row in cluster.slots()]


def running(cluster, name):
    run = submit(cluster, name, endless())
    run.wait_until(lambda status: status["state"] == "RUNNING")
    return run


@pytest.mark.parametrize("number", [0, 1])
def test_a_killed_worker_fails_its_jobs_and_comes_back_as_another(mortal, number):
    mortal.jobs.wait_agents(2, 30)
    before = ids(mortal)
    run = running(mortal, "orphan")
    killed = mortal.kill_worker(number)
    with pytest.raises(JobFailed, match=f"{killed} .* was lost: its connection was closed"):
        run.table()
    with pytest.raises(JobFailed, match=f"{killed} .* was lost: its connection was closed"):
        run.wait()
    mortal.jobs.wait_agents(2, 30)
    assert killed == before[number]
    assert before[1 - number] in ids(mortal)
    assert killed not in ids(mortal)
    assert submit(mortal, "after", line(numbers(5), collected())).table().num_rows == 5


def test_an_interrupt_of_the_notebook_reaches_workers_too_and_does_no_harm(mortal):
    mortal.jobs.wait_agents(2, 30)
    before = mortal.slots()
    run = running(mortal, "interrupted")
    for row in before:
        os.kill(row["pid"], signal.SIGINT)
    run.wait_until(lambda status: status["rows"] > 1000)
    run.cancel()
    assert run.wait_over()["state"] == "CANCELED"
    assert mortal.slots() == before


def test_a_worker_that_hangs_loses_its_lease_and_is_fenced(mortal):
    mortal.jobs.wait_agents(2, 30)
    hanging = mortal.slots()[1]
    run = running(mortal, "hanging")
    os.kill(hanging["pid"], signal.SIGSTOP)
    try:
        with pytest.raises(JobFailed, match=f"{hanging['agent']} .* was lost: no heartbeat for 1.5 s"):
            run.wait()
        assert hanging["agent"] not in ids(mortal)
    finally:
        os.kill(hanging["pid"], signal.SIGCONT)
    mortal.jobs.wait_agents(2, 30)
    back = next(row for row in mortal.slots() if row["pid"] == hanging["pid"])
    assert back["agent"] != hanging["agent"]
    assert submit(mortal, "after-hanging", line(numbers(5), collected()), parallelism=4).table().num_rows == 5


def test_there_is_no_agent_of_that_number(mortal):
    with pytest.raises(EnvError, match="numbered from 0"):
        mortal.kill_worker(9)


def test_a_busy_kernel_costs_no_lease(mortal):
    mortal.jobs.wait_agents(2, 30)
    before = ids(mortal)
    run = running(mortal, "busy-kernel")
    ctypes.PyDLL(None).usleep(3_000_000)  # keeps the GIL, and so the scheduler's loop, for two leases
    assert ids(mortal) == before
    run.cancel()
    assert run.wait_over()["state"] == "CANCELED"
