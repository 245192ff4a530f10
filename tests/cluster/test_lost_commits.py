"""Agents that stall or die while they commit the output of a job. A lock on its folder holds the committer up."""

import fcntl
import os
import signal
from contextlib import contextmanager

import pyarrow.parquet as pq
import pytest
from cluster_jobs import line, numbers, submit

from sabotnb.cluster import local_cluster
from sabotnb.config import Config
from sabotnb.graph import Operator, Sink

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def mortal():
    started = local_cluster(2, 4, config=Config(heartbeat_seconds=0.2, agent_lost_seconds=3))
    yield started
    started.close()


@contextmanager
def held(folder):
    """Keep committers from the folder, as another job does that commits there."""
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def committing(cluster, name, folder):
    """A job whose rows are all written, and the agent that is committing them."""
    cluster.jobs.wait_agents(2, 30)
    run = submit(cluster, name, line(numbers(5000), Operator("out", Sink("parquet", {"path": str(folder)}))))
    run.wait_until(lambda status: status.state == "COMMITTING")
    said = cluster.jobs.cancel(name)
    assert "too late to cancel" in said
    committer = next(row for row in cluster.slots() if f"{row['agent']} commits its output" in said)
    return run, committer


def committed(folder):
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []
    return sorted(pq.read_table(folder)["n"].to_pylist())


def test_a_committer_that_stalls_past_its_lease_is_replaced_and_does_no_harm_when_it_goes_on(mortal, tmp_path):
    folder = tmp_path / "out"
    with held(folder):
        run, committer = committing(mortal, "stalled", folder)
        os.kill(committer["pid"], signal.SIGSTOP)
    try:
        assert run.wait().state == "FINISHED"
        assert committer["agent"] not in [row["agent"] for row in mortal.slots()]
    finally:
        os.kill(committer["pid"], signal.SIGCONT)
    mortal.jobs.wait_agents(2, 30)
    assert committer["pid"] in [row["pid"] for row in mortal.slots()]
    assert committed(folder) == list(range(5000))


def test_output_whose_agents_are_all_killed_is_committed_by_those_that_replace_them(mortal, tmp_path):
    folder = tmp_path / "out"
    with held(folder):
        run, _ = committing(mortal, "orphaned", folder)
        before = mortal.slots()
        for row in before:
            os.kill(row["pid"], signal.SIGKILL)
    assert run.wait().state == "FINISHED"
    assert committed(folder) == list(range(5000))
    assert {row["agent"] for row in mortal.slots()}.isdisjoint(row["agent"] for row in before)


def test_a_job_whose_output_no_agent_is_left_to_commit_fails(tmp_path):
    config = Config(heartbeat_seconds=0.2, agent_lost_seconds=2, commit_wait_seconds=0.5)
    cluster = local_cluster(1, 2, config=config)
    folder = tmp_path / "out"
    with held(folder):
        cluster.jobs.wait_agents(1, 30)
        run = submit(cluster, "alone", line(numbers(50), Operator("out", Sink("parquet", {"path": str(folder)}))))
        run.wait_until(lambda status: status.state == "COMMITTING")
        (agent,) = cluster.slots()
        os.kill(agent["pid"], signal.SIGSTOP)
        failure = run.wait_over().failure
        os.kill(agent["pid"], signal.SIGCONT)
        assert (
            "may be committed in part only: the last worker was lost, and none joined within 0.5 s" in failure.message
        )
    cluster.close()
