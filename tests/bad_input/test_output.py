"""Output appears only complete: what happens to half-written files when something ends a job early."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

import sabotnb as sb
from sabotnb import errors

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore:.*the input is endless:UserWarning")]

ONE = [{"value": 1}]
OTHER_CLUSTER = """
import sys
from pathlib import Path
import sabotnb as sb

if __name__ == "__main__":
    sb.local(workers=2)
    out = Path(sys.argv[1])
    job = sb.Stream.from_rate(100_000).sink_parquet(out).run("nightly")
    while not any(out.parent.glob(".sabotnb-*/*/*.partial")):
        assert job.status.state != "FAILED"
    print("writing", flush=True)
    job.wait()
"""


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of one megabyte at ``out``."""
    out = tmp_path / "out"
    out.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", out], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield out
    subprocess.run(["umount", out], check=True)


@pytest.mark.parametrize("sink", ["sink_parquet", "sink_csv", "sink_json", "sink_ipc"])
def test_a_full_disk_fails_the_job_and_leaves_nothing(env, tiny_disk, written, sink):
    rows = sb.Stream.from_arrow(
        pa.table({"n": pa.array(range(1_000_000)), "text": [f"{n * 7919}" for n in range(1_000_000)]})
    )
    with pytest.raises(errors.JobFailed, match=r"sink_0: writing into '.*/folder' failed .*No space left") as caught:
        getattr(rows, sink)(tiny_disk / "folder").run("large").wait(timeout=60)
    assert str(caught.value).endswith("make room there, or give another folder")
    assert isinstance(caught.value.reason, errors.SinkError)
    assert written() == []


def test_a_canceled_job_leaves_nothing(env, tmp_path, half_written):
    job = sb.Stream.from_rate(100_000).sink_parquet(tmp_path / "out").run("canceled")
    half_written(job)
    job.cancel()
    with pytest.raises(errors.JobCanceled, match=r"'canceled' was canceled; \.run\(\) starts it again"):
        job.wait(timeout=60)
    assert list(tmp_path.iterdir()) == []


def kill_reader(env, job, epoch):
    """Kill the worker whose task reads rows in ``epoch`` of the job."""
    while True:
        status = env.cluster.jobs.status(job.run_id)
        reading = [task.agent for task in status.tasks if task.counters.rows_in and task.state == "RUNNING"]
        if reading and status.restarts == epoch:
            env.kill_worker([row["agent"] for row in env.cluster.slots()].index(reading[0]))
            return
        assert not status.state.terminal, status


@pytest.mark.parametrize("times", [1, 3])
def test_killed_workers_cost_no_row_and_double_none(env, tmp_path, written, times):
    rows = sb.Stream.from_rate(100_000).filter(sb.col("value") >= 0)
    job = rows.sink_parquet(tmp_path / "out").run("killed")
    for epoch in range(times):
        kill_reader(env, job, epoch)
        env.cluster.jobs.wait_agents(2, 60)
    while job.status.restarts < times or not job.status.rows_out:
        assert job.status.state in ("RUNNING", "RESTARTING", "DEPLOYING")
    job.stop()
    result = job.wait(timeout=60)
    assert result.recoveries == times
    assert sorted(ds.dataset(tmp_path / "out").to_table()["value"].to_pylist()) == list(range(result.rows_out))
    assert not [name for name in written() if name.startswith(".")]


@pytest.fixture
def nightly(tmp_path):
    """A script in a process group of its own, as in a terminal, whose job is writing to ``out``."""
    script = tmp_path / "script.py"
    script.write_text(OTHER_CLUSTER)
    call = [sys.executable, "-X", "faulthandler", script, tmp_path / "out"]
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stdout.readline() == "writing\n"
        yield run
        run.kill()


def interrupted(run):
    """Interrupt a script as Ctrl-C does, and once more if nothing happens; what it prints, or where it hangs."""
    for _ in range(2):
        os.killpg(run.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return run.communicate(timeout=60)[1]
    run.send_signal(signal.SIGABRT)
    return run.communicate(timeout=60)[1]


def test_an_interrupted_script_leaves_nothing(nightly, tmp_path):
    printed = interrupted(nightly)
    assert "\nKeyboardInterrupt" in printed, printed
    assert "job 'nightly' was RUNNING when its cluster was closed" in printed
    assert not (tmp_path / "out").exists()


def test_what_a_killed_cluster_left_is_gone_after_the_next_run(env, nightly, tmp_path, written):
    os.killpg(nightly.pid, signal.SIGKILL)
    nightly.communicate(timeout=60)
    assert written()
    assert all(name.startswith(".sabotnb-out+nightly-") for name in written())
    sb.Stream.from_rows(ONE).sink_parquet(tmp_path / "out").run("nightly").wait(timeout=60)
    assert ds.dataset(tmp_path / "out").to_table().to_pylist() == ONE
    assert list(tmp_path.glob("**/.*")) == []


def test_an_output_folder_that_is_removed_meanwhile_is_made_again(env, tmp_path, half_written):
    job = sb.Stream.from_rate(1000).sink_csv(tmp_path / "out").run("swept")
    half_written(job)
    shutil.rmtree(tmp_path / "out")
    job.stop()
    rows = job.wait(timeout=60).rows_out
    assert rows > 0
    assert ds.dataset(tmp_path / "out", format="csv").count_rows() == rows


def test_a_folder_around_the_output_that_is_removed_meanwhile_is_named(env, tmp_path, half_written):
    job = sb.Stream.from_rate(1000).sink_csv(tmp_path / "deep" / "out").run("swept")
    half_written(job)
    while (tmp_path / "deep").exists():  # the job renames its files meanwhile
        shutil.rmtree(tmp_path / "deep", ignore_errors=True)
    job.stop()
    with pytest.raises(errors.JobFailed, match=r"sink_0: '.*out.*' is gone, .*: run the job again, or give"):
        job.wait(timeout=60)


def test_a_folder_that_another_job_writes_into_is_refused(env, tmp_path, half_written):
    slow = sb.Stream.from_rate(1000).sink_csv(tmp_path / "out").run("slow")
    half_written(slow)
    with pytest.raises(
        errors.SinkError, match=r"job 'slow' is writing into .*sb.attach\('slow'\).stop\(\) commits its rows"
    ):
        sb.Stream.from_rows(ONE).sink_csv(tmp_path / "out").run("quick")
    slow.stop()
    rows = slow.wait(timeout=60).rows_out
    assert rows > 0
    assert ds.dataset(tmp_path / "out", format="csv").count_rows() == rows


def test_two_jobs_never_replace_each_others_output(env, tmp_path):
    sb.Stream.from_rows(ONE).sink_parquet(tmp_path / "out").run("first").wait(timeout=60)
    second = sb.Stream.from_rows(ONE).sink_parquet(tmp_path / "out", mode="overwrite")
    with pytest.raises(errors.SinkError, match=r"holds output of job 'first'.*or run under its name: .run\('first'\)"):
        second.run("second")
