"""Sessions whose cluster, workers or job names are not what they seem."""

import os
import re
import signal
import subprocess
import sys

import distributed
import pytest

import sabotnb as sb
from sabotnb import col, errors

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore:.*the input is endless:UserWarning")]

ANOTHER_SESSION = """
import sys
import sabotnb as sb

sb.connect(sys.argv[1])
sb.Stream.from_rate(11).run("shared")
"""
UNNAMED = """
import sys
import sabotnb as sb

sb.connect(sys.argv[1])
job = sb.Stream.from_rate(11).run()
print(job.name, sb.Stream.from_rows([{"a": 1}]).to_rows(), flush=True)
input()
"""
DOOMED = """
import os
import sabotnb as sb

if __name__ == "__main__":
    env = sb.local(workers=1)
    print(env.cluster.address, flush=True)
    input()
"""


@pytest.fixture
def doomed(tmp_path):
    """A session on another process's cluster, and the way to kill that one."""
    (tmp_path / "script.py").write_text(DOOMED)
    call = [sys.executable, tmp_path / "script.py"]
    with subprocess.Popen(
        call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as other:
        env = sb.connect(other.stdout.readline().strip())
        yield env, lambda: os.killpg(other.pid, signal.SIGKILL)
        env.close()
        other.kill()


@pytest.fixture
def without_workers():
    """A session on a cluster that has no workers."""
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, host="127.0.0.1") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        env = sb.connect(client)
        yield env
        env.close()


def test_a_cluster_that_dies_under_a_job(doomed):
    env, kill = doomed
    job = sb.Stream.from_rate(10).run("orphan", env=env)
    kill()
    with pytest.raises(errors.ClusterLost) as caught:
        job.wait(timeout=60)
    assert str(caught.value).endswith("sb.local() starts another, sb.connect(address) finds one")
    assert repr(job).startswith("orphan is no longer known: ")
    assert "sb.local() starts another" in job._repr_html_()
    assert repr(env).startswith("Env: the ")
    with pytest.raises(errors.ClusterLost, match=r"sb\.local\(\) starts another"):
        sb.Stream.from_rows([{"a": 1}]).to_rows()


def test_a_name_that_another_session_holds(env):
    mine = sb.Stream.from_rate(10).run("shared")
    call = [sys.executable, "-c", ANOTHER_SESSION, env.cluster.address]
    told = subprocess.run(call, capture_output=True, text=True, check=False, timeout=60)
    assert told.stderr.splitlines()[-1] == (
        f"sabotnb.errors.JobNameTaken: job 'shared' is {mine.status.state} and belongs to another session: "
        "sb.attach('shared') to watch it, sb.attach('shared').cancel() to end it, or choose another name"
    )
    mine.cancel()
    with pytest.raises(errors.JobCanceled):
        mine.wait(timeout=60)


def test_a_script_that_names_no_jobs_runs_in_two_sessions_at_once(env, tmp_path):
    (tmp_path / "script.py").write_text(UNNAMED)
    call = [sys.executable, tmp_path / "script.py", env.cluster.address]
    with (
        subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first,
        subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as second,
    ):
        lines = sorted((each.stdout.readline() for each in (first, second)), key=len)
        for each in (first, second):
            each.kill()
    assert lines[0] == "script-6 [{'a': 1}]\n"
    assert re.fullmatch(r"script-6-\w{6} \[{'a': 1}\]\n", lines[1])
    for name in (line.split()[0] for line in lines):
        sb.attach(name).cancel()


def test_two_jobs_of_one_name_are_one_after_the_other(env):
    endless = sb.Stream.from_rate(10)
    first, second = endless.run("twin"), endless.filter(col("value") > 5).run("twin", fresh=True)
    second.cancel()
    with pytest.raises(errors.JobCanceled, match=r"was replaced by a newer run: sb\.attach\('twin'\)"):
        first.wait(timeout=60)
    with pytest.raises(errors.JobCanceled, match=r"'twin' was canceled; \.run\(\) starts it again"):
        second.wait(timeout=60)


def test_a_cluster_without_workers(without_workers, tmp_path):
    rows = sb.Stream.from_rows([{"a": 1}])
    with pytest.raises(errors.InsufficientSlots, match=r"no agents are registered, .*: env\.scale\(2\)$"):
        rows.sink_csv(tmp_path / "out").run("without_workers", env=without_workers)


def test_more_tasks_than_slots(env, tmp_path):
    with pytest.raises(
        errors.InsufficientSlots,
        match=r"needs 100 slots, 8 free .*: env\.scale\(25\) or \.run\(parallelism=8\), and no more in any",
    ):
        sb.Stream.from_rate(10).sink_csv(tmp_path / "out").run("greedy", parallelism=100)
