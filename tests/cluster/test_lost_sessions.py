"""Processes that die with jobs running: those that started the cluster, and those that use somebody else's."""

import os
import select
import signal
import subprocess
import sys

import pytest
from cluster_jobs import line, submit

from sabotnb import connectors
from sabotnb.cluster import local_cluster
from sabotnb.config import Config
from sabotnb.graph import Operator, Sink
from sabotnb.protocol import RunId

pytestmark = pytest.mark.cluster

SCRIPT = """
import sys
from cluster_jobs import endless, submit
from sabotnb.cluster import local_cluster
if __name__ == "__main__":
    cluster = local_cluster(2, 2)
    run = submit(cluster, "endless", endless(), parallelism=2)
    run.wait_until(lambda status: status.state == "RUNNING")
    print(*[row["pid"] for row in cluster.slots()], flush=True)
    sys.stdin.read()
"""


TAKER = """
import sys
from cluster_jobs import endless, submit
from sabotnb.cluster import connect
cluster = connect(sys.argv[1])
run = submit(cluster, "taken", endless(), owner="taker")
run.wait_until(lambda status: status.state == "RUNNING")
print(run.id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def support(monkeypatch):
    """Let processes import what the tests import."""
    here = [path for path in sys.path if path.endswith("support")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*here, os.environ.get("PYTHONPATH", "")]))


def test_a_job_ends_when_the_session_that_takes_its_rows_is_gone(tmp_path, support):
    cluster = local_cluster(1, 4, config=Config(session_lost_seconds=0.1))
    (tmp_path / "taker.py").write_text(TAKER)
    command = [sys.executable, str(tmp_path / "taker.py"), cluster.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as taker:
        run = RunId.parse(taker.stdout.readline().strip())
        kept = submit(cluster, "kept", line(*endless_to_live()))
        taker.send_signal(signal.SIGKILL)
    status = cluster.jobs.wait(run, 60)
    assert status.state == "CANCELED"
    assert "the session that was to take its rows is gone" in status.failure.message
    assert kept.status().state in ("DEPLOYING", "RUNNING")
    cluster.close()


def endless_to_live():
    return Operator("ticks", connectors.rate(100), parallelism=1), Operator("kept", Sink("live", {"keep": 10}))


def test_workers_end_with_a_session_that_is_killed(tmp_path, support):
    script = tmp_path / "session.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        workers = [os.pidfd_open(int(pid)) for pid in session.stdout.readline().split()]
        assert len(workers) == 2
        session.send_signal(signal.SIGKILL)
    for worker in workers:
        assert select.select([worker], [], [], 30)[0], "a worker outlives its session"
        os.close(worker)
