"""Jobs whose checkpoints cannot be written or read, whose rows go to this process, or of which a row always raises."""

import time
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

import psutil
import pyarrow.dataset as ds
import pytest
from chaos import Chaos, numbered

import sabotnb as sb
from sabotnb import col
from sabotnb.errors import JobFailed, UserFunctionError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

KEYS = 1009
WINDOW_MS = 2_000


@pytest.fixture
def folder(mortal, tmp_path):
    """A folder in which a job leaves neither temporary nor hidden files; both workers are there when it begins."""
    (tmp_path / "job").mkdir()
    chaos = Chaos(mortal, 0, tmp_path / "job", "totals")
    chaos.settle()
    yield chaos.folder
    assert chaos.leftovers() == []


def every(folder, interval="300ms"):
    return sb.checkpoint(interval, storage=folder / "ckpt")


def until(condition, job):
    while not condition():
        assert not job.wait_changed(0.05), job.status


def counted(folder):
    """Windows over the numbers of a clock, which are also its times."""
    rows = sb.Stream.from_rate(5_000).with_columns(key=col("value") * 7 % KEYS, at=col("value").cast("timestamp[ms]"))
    windows = rows.with_event_time("at", max_delay="0s").group_by("key").window(sb.tumbling("2s"))
    return windows.agg(n=sb.count(), total=col("value").sum()).sink_parquet(folder / "out", mode="append")


def written_windows(folder):
    rows = ds.dataset(folder / "out").to_table().to_pylist()
    return Counter((row["window_start"], row["key"], row["n"], row["total"]) for row in rows)


def expected_windows(number):
    """The first ``number`` windows."""
    groups = {}
    for value in range(number * WINDOW_MS):
        n, total = groups.get((value // WINDOW_MS, value * 7 % KEYS), (0, 0))
        groups[value // WINDOW_MS, value * 7 % KEYS] = (n + 1, total + value)
    start = datetime(1970, 1, 1)
    return Counter(
        (start + timedelta(milliseconds=window * WINDOW_MS), key, n, total)
        for (window, key), (n, total) in groups.items()
    )


def assert_every_window_once(folder):
    windows = written_windows(folder)
    assert windows == expected_windows(len({start for start, *_ in windows}))


def block(folder):
    """Put a file in the place of a folder, which its writers may create again at any time; returns where it is now."""
    aside = folder.parent.with_name("aside")
    folder.rename(aside)
    while not folder.is_file():
        with suppress(FileExistsError):
            folder.touch(exist_ok=False)
            break
        with suppress(FileNotFoundError):
            folder.rename(folder.parent.with_name(f"aside-{time.monotonic_ns()}"))
    return aside


def test_a_job_goes_on_while_its_checkpoints_cannot_be_written(mortal, folder):
    job = counted(folder).run("full disk", checkpoint=every(folder))
    until(lambda: not job.checkpoints().empty, job)
    block(folder / "ckpt")
    until(lambda: job.status.checkpoint_failure, job)
    assert "cannot be written: not a directory. Make room or repair the storage" in job.why().note
    assert "cannot be written: not a directory" in repr(job.status)
    (folder / "ckpt").unlink()
    stored = len(job.checkpoints())
    until(lambda: len(job.checkpoints()) > stored, job)
    assert (job.status.checkpoint_failure, job.why().note) == ("", "")
    read = job.status.rows_in
    mortal.kill_worker(0)
    until(lambda: job.status.restarts == 1 and job.status.state == "RUNNING" and job.status.rows_in > read, job)
    job.stop()
    assert job.wait(60).recoveries == 1
    assert_every_window_once(folder)


def test_a_job_that_starts_again_waits_for_the_storage_of_its_checkpoints(mortal, folder):
    job = counted(folder).run("waits", checkpoint=every(folder, "1s"))
    until(lambda: job.status.rows_out and len(job.checkpoints()) > 1, job)
    aside, read = block(folder / "ckpt"), job.status.rows_in
    mortal.kill_worker(0)
    until(lambda: "cannot be read: not a directory" in repr(job.status), job)
    (folder / "ckpt").unlink()
    aside.rename(folder / "ckpt")
    until(lambda: job.status.state == "RUNNING" and job.status.rows_in > read, job)
    job.stop()
    assert job.wait(60).recoveries > 1
    assert_every_window_once(folder)


class Stored(dict):
    """A callback that stores each row once: the values of each batch, by task and number."""

    def __call__(self, batch):
        task, number = batch.schema.metadata[b"sabotnb.batch"].split(b"-")
        for known in [known for known in self if known[0] == task and known[1] >= int(number)]:
            del self[known]
        self[task, int(number)] = batch["value"].to_pylist()

    def all_values(self):
        return sorted(value for values in list(self.values()) for value in values)


def test_a_callback_and_a_live_table_have_each_row_once_after_a_worker_was_killed(mortal, folder):
    stored = Stored()
    rows = sb.Stream.from_rate(6_000).with_columns(key=col("value") % KEYS).partition_by("key")
    sinks = rows.sink_callback(stored), rows.sink_live(keep=10_000_000)
    job = sb.run("to the client", *sinks, checkpoint=every(folder, "1s"))
    until(lambda: not job.checkpoints().empty and job.rows.num_rows > 8_000, job)
    read = job.status.rows_in
    mortal.kill_worker(0)
    until(lambda: job.status.restarts and job.status.state == "RUNNING" and job.status.rows_in > read, job)
    job.stop()
    assert job.wait(60).recoveries == 1
    assert numbered(job.rows["value"], bounded=False) == []
    assert stored.all_values() == list(range(job.rows.num_rows))


def test_rows_that_were_read_to_their_end_come_again_after_a_restart(mortal, folder):
    stored, expected = Stored(), list(range(8_000))
    rows = sb.Stream.from_rate(2_000, len(expected)).with_columns(key=col("value") % KEYS).partition_by("key")
    endless = sb.Stream.from_rate(100).sink_parquet(folder / "out", mode="append")
    sinks = rows.sink_callback(stored), rows.sink_live(keep=10_000_000), endless

    def ended():
        """True when only the endless source has a task that runs."""
        return job.status.tasks == {"FINISHED": 7, "RUNNING": 1}

    job = sb.run("read soon", *sinks, checkpoint=every(folder, "1h"))
    until(lambda: stored and job.rows.num_rows, job)
    job.pause()
    job.savepoint()
    assert job.rows.num_rows < len(expected)
    job.resume()
    until(ended, job)
    assert (stored.all_values(), sorted(job.rows["value"].to_pylist())) == (expected, expected)
    tasks = job.metrics("task")
    mortal.kill_worker(tasks.loc[tasks["state"] == "RUNNING", "agent"].item())
    until(lambda: job.status.restarts and ended(), job)
    job.stop()
    assert job.wait(60).recoveries == 1
    assert (stored.all_values(), sorted(job.rows["value"].to_pylist())) == (expected, expected)


def test_rows_reach_the_client_when_the_worker_that_had_them_is_suspended(mortal, folder):
    rows = sb.Stream.from_rate(6_000).with_columns(key=col("value") % KEYS).partition_by("key")
    job = rows.sink_live(keep=10_000_000).run("suspended", checkpoint=every(folder, "1s"))
    until(lambda: not job.checkpoints().empty and job.rows.num_rows > 8_000, job)
    suspended = psutil.Process(int(mortal.slots()["pid"].iloc[0]))
    suspended.suspend()
    try:
        until(lambda: job.status.restarts and job.status.state == "RUNNING", job)
        held = job.rows.num_rows
        until(lambda: job.rows.num_rows > held + 20_000, job)
        job.stop()
        assert job.wait(60).recoveries == 1
    finally:
        suspended.kill()
    assert numbered(job.rows["value"], bounded=False) == []


def test_a_job_has_counted_the_rows_of_its_files_after_workers_were_killed(mortal, folder):
    rows = sb.Stream.from_rate(5_000).with_columns(key=col("value") % KEYS).partition_by("key")
    job = rows.sink_parquet(folder / "out", mode="append").run("counts", checkpoint=every(folder))
    for restarts in (1, 2):
        Chaos(mortal, 0, folder, "totals").settle()
        taken = len(job.checkpoints())
        until(lambda taken=taken: len(job.checkpoints()) > taken, job)
        mortal.kill_worker(0)
        until(lambda restarts=restarts: job.status.restarts == restarts and job.status.state == "RUNNING", job)
    job.stop()
    result, written = job.wait(60), ds.dataset(folder / "out").to_table().num_rows
    assert (result.rows_in, result.rows_out, result.recoveries) == (written, written, 2)
    assert job.metrics("edge")["rows"].tolist() == [written]
    assert job.metrics("operator")["rows_in"].tolist() == [written, written]


def test_a_row_that_always_raises_is_tried_again_from_a_checkpoint_and_then_shown(mortal, folder):
    begun = folder / "begun"

    def poisoned(row):
        if row["value"] % 1_000 == 0 and begun.exists():
            raise ValueError("poison")
        return {"value": row["value"]}

    rows = sb.Stream.from_rate(6_000).map_rows(poisoned, schema={"value": "int64"})
    job = rows.sink_parquet(folder / "out", mode="append").run("poison", checkpoint=every(folder))
    until(lambda: not job.checkpoints().empty, job)
    begun.touch()
    with pytest.raises(
        JobFailed, match=r"map_rows_0: poisoned .* raised ValueError: poison(.|\n)*value\n.*000\n"
    ) as error:
        job.wait(60)
    assert isinstance(error.value.reason, UserFunctionError)
    assert job.status.restarts == 3
    values = ds.dataset(folder / "out").to_table()["value"]
    assert sorted(values.to_pylist()) == list(range(len(values)))
