"""Processes that start a cluster and die without ending it."""

import os
import select
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.cluster

SCRIPT = """
import sys
from cluster_jobs import endless, submit
from sabotnb.cluster import local_cluster
if __name__ == "__main__":
    cluster = local_cluster(2, 2)
    run = submit(cluster, "endless", endless(), parallelism=2)
    run.wait_until(lambda status: status["state"] == "RUNNING")
    print(*[row["pid"] for row in cluster.slots()], flush=True)
    sys.stdin.read()
"""


def test_workers_end_with_a_session_that_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path.endswith("support")))
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
