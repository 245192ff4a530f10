"""A job store on a server that is killed while a job runs: the job goes on, and loses nothing."""

import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from postgres_server import binaries, postgres_server, start_again

import sabotnb as sb
from sabotnb import Stream
from sabotnb.job_store import JobStore

pytestmark = pytest.mark.cluster


@pytest.fixture
def server():
    programs = binaries()
    if programs is None:
        assert not os.environ.get("CI"), "PostgreSQL is not installed, which CI must have: apt-get install postgresql"
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgres_server(programs) as url:
        yield programs, url, Path(url.partition("host=")[2])


def until(condition, job):
    while not condition():
        assert job.status.state not in ("FAILED", "CANCELED", "FINISHED"), job.status


def test_a_job_outlives_the_server_of_its_store(server, tmp_path):
    programs, url, folder = server
    every = sb.checkpoint("100ms", storage=tmp_path / "checkpoints")
    env = sb.local(1, 4, processes=False, store=url)
    try:
        job = Stream.from_rate(1_000).sink_parquet(tmp_path / "out").run("hours", checkpoint=every, parallelism=1)
        until(lambda: len(job.checkpoints()) >= 1, job)
        postmaster = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        until(lambda: "the job store" in job.status.checkpoint_failure, job)
        before = max(job.checkpoints()["id"])
        assert [summary.job for summary in env.cluster.jobs.jobs()] == ["hours"]
        assert env.cluster.jobs.stored_runs() == []
        start_again(programs, folder)
        until(lambda: max(job.checkpoints()["id"]) > before, job)
        job.stop()
        job.wait()
        store = JobStore.open(url)
        assert store.last_run("hours").state == "FINISHED"
        store.close()
    finally:
        env.close()
    values = sorted(row["value"] for row in pq.read_table(tmp_path / "out").to_pylist())
    assert values == list(range(len(values)))
