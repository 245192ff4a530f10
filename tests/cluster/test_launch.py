"""Ways to get a cluster: in this process, outliving it, somebody else's, with TLS."""

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import distributed
import psutil
import pytest
from cluster_jobs import collected, endless, line, numbers, submit

from sabotnb.cluster import connect, detached, detached_cluster, end_detached, launch, local_cluster
from sabotnb.cluster.announcement import Announcement, find_detached
from sabotnb.cluster.certificates import new_certificate
from sabotnb.config import Config
from sabotnb.errors import ClusterLost, EnvError, JobCanceled, JobFailed, StoreError
from sabotnb.graph import Operator, Sink
from sabotnb.job_store import written_location

pytestmark = pytest.mark.cluster


def count_to_five(cluster, name="five"):
    return sorted(submit(cluster, name, line(numbers(5), collected())).table()["n"].to_pylist())


def test_agents_in_this_process():
    cluster = local_cluster(2, 2, processes=False)
    assert [row["pid"] for row in cluster.slots()] == [os.getpid()] * 2
    assert count_to_five(cluster) == [0, 1, 2, 3, 4]
    with pytest.raises(EnvError, match="runs in this very process"):
        cluster.kill_worker(0)
    cluster.close()
    cluster.close()
    assert cluster.closed
    with pytest.raises(ClusterLost, match="the session was closed"):
        cluster.slots()


def test_a_cluster_whose_job_store_cannot_be_opened_says_so_and_ends(tmp_path):
    (tmp_path / "jobs").write_text("no database, although it is long enough for one" * 99)
    before = psutil.Process().children(recursive=True)
    with pytest.raises(StoreError, match="is damaged"):
        local_cluster(1, 1, config=Config(store=written_location(tmp_path / "jobs")))
    started = set(psutil.Process().children(recursive=True)) - set(before)
    assert not [process for process in started if "--multiprocessing-fork" in process.cmdline()]


def test_scaling_takes_away_idle_agents_only():
    cluster = local_cluster(1, 2, processes=False)
    cluster.scale(3)
    assert [row["agent"] for row in cluster.slots()] == ["agent-1", "agent-2", "agent-3"]
    run = submit(cluster, "busy", endless(), parallelism=1)
    run.wait_until(lambda status: status.state == "RUNNING")
    cluster.scale(2)
    assert [row["agent"] for row in cluster.slots()] == ["agent-1", "agent-2"]
    submit(cluster, "busy-too", endless(), parallelism=2).wait_until(lambda status: status.state == "RUNNING")
    with pytest.raises(EnvError, match=r"0 are idle \(running: busy, busy-too\): stop a job first"):
        cluster.scale(1)
    with pytest.raises(EnvError, match="give a whole number of workers, 1 or more"):
        cluster.scale(0)
    cluster.close()


def test_dask_takes_no_busy_agent_away_by_itself_and_tells_why_when_told_to():
    cluster = local_cluster(2, 2, processes=False)
    run = submit(cluster, "busy", endless(), parallelism=1)
    run.wait_until(lambda status: status.state == "RUNNING")
    (busy,) = (row["address"] for row in cluster.slots() if row["free"] < row["slots"])
    (idle,) = (row["address"] for row in cluster.slots() if row["address"] != busy)
    offered = cluster.client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.workers_to_close(n=2))
    assert offered == [idle]
    cluster.client.retire_workers([busy])
    with pytest.raises(JobFailed, match=r"agent-\d+ .* was taken away: its Dask worker was retired"):
        run.wait()
    cluster.close()


def test_closing_cancels_what_runs(tmp_path):
    cluster = local_cluster(2, 4, processes=False)
    writing = submit(cluster, "writing", endless(Operator("out", Sink("parquet", {"path": str(tmp_path / "out")}))))
    unread = submit(cluster, "unread", endless())
    writing.wait_until(lambda status: any(row.counters.rows_in for row in status.tasks))
    with ThreadPoolExecutor() as threads:
        ends = [threads.submit(writing.wait), threads.submit(unread.table)]
        cluster.close()
    assert {type(end.exception()) for end in ends} <= {JobCanceled, ClusterLost}
    assert not (tmp_path / "out").exists()


def test_a_cluster_that_goes_away_is_named():
    cluster = local_cluster(1, 2, processes=False)
    other = connect(cluster.address)
    assert len(other.slots()) == 1
    cluster.close()
    with pytest.raises(ClusterLost):
        other.slots()
    other.close()


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr(launch, "CONNECT_SECONDS", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ClusterLost, match=r"no scheduler answers at tcp://127\.0\.0\.1"):
            connect(f"tcp://127.0.0.1:{taken.getsockname()[1]}")


def test_a_tls_address_needs_security():
    with pytest.raises(EnvError, match=r"security=distributed\.Security"):
        connect("tls://127.0.0.1:1")


def test_a_security_that_requires_tls_wants_a_tls_address():
    with pytest.raises(EnvError, match=r"has no TLS, which the given security requires: write 'tls://127\.0\.0\.1:1'"):
        connect("tcp://127.0.0.1:1", distributed.Security.temporary())


def test_a_client_of_somebody_elses_stays_open(cluster):
    security = cluster.client.security
    with distributed.Client(cluster.address, security=security, set_as_default=False) as client:
        mine = connect(client)
        assert count_to_five(mine, "connected") == [0, 1, 2, 3, 4]
        with pytest.raises(EnvError, match="were started by somebody else: scale them in the session"):
            mine.scale(3)
        mine.close()
        assert mine.closed
        assert client.status == "running"


def test_a_detached_cluster_survives_its_client(tmp_path):
    script = (
        "from pathlib import Path\n"
        "from sabotnb.cluster import detached_cluster\n"
        f"cluster = detached_cluster(1, 2, folder=Path({str(tmp_path)!r}))\n"
        "print([row['agent'] for row in cluster.slots()])\n"
    )
    (tmp_path / "bare.py").write_text(script)
    told = subprocess.run([sys.executable, str(tmp_path / "bare.py")], capture_output=True, text=True, check=True)
    assert told.stdout == "['agent-1']\n"
    try:
        cluster = detached_cluster(folder=tmp_path)
        assert [row["agent"] for row in cluster.slots()] == ["agent-1"]
        assert count_to_five(cluster) == [0, 1, 2, 3, 4]
        with pytest.raises(EnvError, match="workers=1, slots=2"):
            detached_cluster(workers=3, folder=tmp_path)
        cluster.scale(2)
        assert len(cluster.slots()) == 2
        cluster.close()
    finally:
        pid = find_detached(tmp_path).pid
        assert end_detached(tmp_path)
        wait_gone(pid)
    assert find_detached(tmp_path) is None


def test_a_detached_cluster_ends_when_it_is_idle(tmp_path):
    cluster = detached_cluster(1, 1, idle_seconds=0.5, folder=tmp_path)
    pid = json.loads((tmp_path / "cluster.json").read_text())["pid"]
    assert len(cluster.slots()) == 1
    cluster.close()
    wait_gone(pid)
    assert not (tmp_path / "cluster.json").exists()


def wait_gone(pid):
    """Return when the process is gone."""
    descriptor = os.pidfd_open(pid)
    try:
        assert select.select([descriptor], [], [], 60)[0], f"process {pid} goes on"
    finally:
        os.close(descriptor)


def test_a_detached_cluster_that_was_killed_is_replaced(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "distributed")
    cluster = detached_cluster(1, 1, folder=tmp_path)
    killed = find_detached(tmp_path).pid
    os.kill(killed, signal.SIGKILL)
    wait_gone(killed)
    while cluster.client.status == "running":
        continue
    cluster.close()
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    again = detached_cluster(1, 1, folder=tmp_path)
    try:
        assert find_detached(tmp_path).pid != killed
        assert len(again.slots()) == 1
    finally:
        again.close()
        end_detached(tmp_path)


def test_another_process_with_the_pid_of_a_detached_cluster_is_left_alone(tmp_path):
    Announcement("tls://127.0.0.1:1", os.getpid(), 1, 1).write(tmp_path)
    assert find_detached(tmp_path) is None
    assert end_detached(tmp_path) is False


def test_a_detached_cluster_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(detached, "CONNECT_SECONDS", 0.5)
    began = psutil.Process().create_time()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"tls://127.0.0.1:{silent.getsockname()[1]}"
        Announcement(address, os.getpid(), 1, 1, began, *new_certificate()).write(tmp_path)
        with pytest.raises(ClusterLost, match=rf"does not answer at {address}: end it with `kill -9 {os.getpid()}`"):
            detached_cluster(folder=tmp_path)
