"""Jobs that go on from the job store after their cluster is gone; all agents are in this process."""

import re
import warnings
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import sabotnb as sb
from sabotnb import Stream, col
from sabotnb.errors import CheckpointError, GraphError, InsufficientSlots, JobCanceled, JobError, JobNameTaken
from sabotnb.job_store import JobStore, written_location

pytestmark = pytest.mark.cluster

ROWS = 4_000


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


class World:
    """A folder with a job store, checkpoints and output, and the clusters that use it one after the other."""

    def __init__(self, folder):
        self.out, self.storage = folder / "out", folder / "checkpoints"
        self.store = folder / "jobs.sqlite"
        self.every = sb.checkpoint("50ms", storage=self.storage)

    @contextmanager
    def cluster(self, workers=2):
        env = sb.local(workers, 4, processes=False, store=self.store)
        try:
            yield env
        finally:
            with warnings.catch_warnings(record=True, action="always") as caught:
                env.close()
            self.warned = [str(warning.message) for warning in caught]

    def run(self, stream, name="hours", **options):
        return stream.sink_parquet(self.out).run(name, checkpoint=self.every, **options)

    def cuts(self, name="hours"):
        """The cuts that the job store has, the newest last."""
        store = JobStore.open(written_location(self.store))
        try:
            return store.cuts(store.last_run(name).run)
        finally:
            store.close()

    def rows(self):
        return pq.read_table(self.out).to_pylist() if self.out.exists() else []

    def values(self):
        return sorted(row["value"] for row in self.rows())


def until(condition, job):
    while not condition():
        assert job.status.state not in ("FAILED", "CANCELED", "FINISHED"), job.status


def cut_off(world, stream, cuts=2, *, pause=False, **options):
    """Run a job on a cluster that ends after so many cuts; returns those that are kept."""
    with world.cluster() as env:
        job = world.run(stream, **options)
        if pause:  # so that it does not end before its cluster
            until(lambda: job.status.rows_in, job)
            job.pause()
        until(lambda: len(env.cluster.jobs.status(job.run_id).checkpoints) >= cuts, job)
    (warned,) = world.warned
    assert warned.endswith("closed. sb.resume('hours') on another cluster goes on from its last checkpoint")
    return world.cuts()


def bounded():
    """Counts of rows by key, from a source that ends after ten seconds."""
    keyed = Stream.from_rate(ROWS / 10, ROWS).with_columns(key=col("value") % 7)
    return keyed.group_by("key").agg(n=col("value").count())


def endless():
    """Rows 0, 1, ..., written by one task."""
    return Stream.from_rate(2_000)


def tasks(env, job):
    """The number of tasks of each vertex."""
    return {vertex.parallelism for vertex in env.cluster.jobs.status(job.run_id).topology.vertices.values()}


@pytest.mark.parametrize(("parallelism", "expected"), [(None, 2), (1, 1), (3, 3)])
def test_a_job_whose_cluster_is_gone_goes_on_with_any_parallelism(world, parallelism, expected):
    cut_off(world, bounded(), pause=True, parallelism=2)
    assert world.rows() == []
    with world.cluster() as env:
        job = sb.resume("hours", parallelism=parallelism)
        assert tasks(env, job) == {expected}
        result = job.wait()
    assert result.recoveries >= 1  # a cluster that closes may lose agents one by one, and begin the run again
    assert (result.rows_in, result.rows_out) == (ROWS, 7)
    counted = {row["key"]: row["n"] for row in world.rows()}
    assert counted == {key: len(range(key, ROWS, 7)) for key in range(7)}


def test_a_new_parallelism_stays_when_the_job_is_resumed_once_more(world):
    cut_off(world, endless(), parallelism=1)
    with world.cluster() as env:
        job = sb.resume("hours", parallelism=2)
        until(lambda: len(job.checkpoints()) >= 2, job)
        assert re.search(r"started again \d times?: its cluster had ended; went on from checkpoint", str(job.status))
    with world.cluster() as env:
        job = sb.resume("hours")
        assert tasks(env, job) == {2}
        job.stop()
        assert job.wait().recoveries >= 2
    assert world.values() == list(range(len(world.values())))


@pytest.mark.parametrize("how", ["number", "path"])
def test_a_job_goes_on_from_an_older_checkpoint_and_replaces_what_it_committed_since(world, how):
    first, *later = cut_off(world, endless(), cuts=3, parallelism=1)
    committed = world.values()
    with world.cluster():
        job = sb.resume("hours", start_from=first.cut if how == "number" else first.path)
        until(lambda: len(job.checkpoints()) >= 2, job)
        listed = job.checkpoints()["id"].tolist()
        assert listed[0] == first.cut
        assert listed[1] > later[-1].cut
        job.stop()
        job.wait()
    assert world.values() == list(range(len(world.values())))
    assert len(world.values()) > len(committed) > 0


def test_what_was_left_behind_is_not_gone_on_from_later(world):
    """Not even if the cluster is gone again before there is a new checkpoint."""
    first, *later = cut_off(world, endless(), cuts=3, parallelism=1)
    with world.cluster():
        job = sb.resume("hours", start_from=first.cut)
        job.pause()
        until(lambda: job.status.state == "RUNNING", job)
    with world.cluster():
        with pytest.raises(CheckpointError, match=f"has no checkpoint {later[-1].cut} to be resumed from; it has"):
            sb.resume("hours", start_from=later[-1].cut)
        job = sb.resume("hours")
        until(lambda: len(job.checkpoints()) >= 2, job)
        job.stop()
        job.wait()
    assert world.values() == list(range(len(world.values())))


def test_a_damaged_description_of_the_last_checkpoint_doubles_no_row(world):
    newest = cut_off(world, endless(), cuts=3, parallelism=1)[-1]
    Path(newest.path).write_text("torn")
    with world.cluster():
        with pytest.raises(CheckpointError, match=f"checkpoint {newest.cut} of job 'hours' cannot be read"):
            sb.resume("hours", start_from=newest.cut)
        job = sb.resume("hours")
        until(lambda: len(job.checkpoints()) >= 1 and max(job.checkpoints()["id"]) > newest.cut, job)
        job.stop()
        job.wait()
    assert world.values() == list(range(len(world.values())))


def test_what_cannot_be_resumed_says_what_to_do(world):
    cut_off(world, endless(), parallelism=1)
    with world.cluster():
        for error, message, ask in (
            (JobError, r"no job 'days' in the job store; there are: 'hours'", lambda: sb.resume("days")),
            (CheckpointError, r"has no checkpoint 'before' to be", lambda: sb.resume("hours", start_from="before")),
            (CheckpointError, r"start_from=2.5 is a float", lambda: sb.resume("hours", start_from=2.5)),
            (GraphError, r"parallelism=0\): give a number", lambda: sb.resume("hours", parallelism=0)),
            (InsufficientSlots, r"needs 90 slots", lambda: sb.resume("hours", parallelism=90)),
        ):
            with pytest.raises(error, match=message):
                ask()
        job = sb.resume("hours")
        with pytest.raises(JobNameTaken, match=r"on this cluster: sb.attach\('hours'\)"):
            sb.resume("hours")
        job.stop()
        job.wait()
        with pytest.raises(JobError, match=r"'hours' is FINISHED and cannot be resumed. .*start_from='.*'\)"):
            sb.resume("hours")


def test_a_job_with_a_callback_needs_its_function_again(world):
    with world.cluster():
        job = endless().sink_callback(print).run("calls", checkpoint=world.every)
        until(lambda: len(job.checkpoints()) >= 1, job)
    with world.cluster(), pytest.raises(JobError) as refused:
        sb.resume("calls")
    path = re.search(r"\.run\('calls', start_from='(.*)'\)$", str(refused.value)).group(1)
    assert path == world.cuts("calls")[-1].path


def test_a_run_that_began_from_a_savepoint_goes_on_from_there_before_its_first_checkpoint(world):
    with world.cluster():
        job = world.run(endless(), parallelism=1)
        until(lambda: job.status.rows_in, job)
        savepoint = job.stop(savepoint=True)
        job.wait()
        world.every = sb.checkpoint("1h", storage=world.storage)
        job = world.run(endless(), parallelism=1, start_from=savepoint)
        job.pause()
        until(lambda: job.status.state == "RUNNING", job)
    assert world.cuts() == []
    with world.cluster():
        job = sb.resume("hours")
        job.stop()
        job.wait()
    assert len(world.values()) > 0
    assert world.values() == list(range(len(world.values())))


def test_a_job_that_appends_does_not_begin_again_behind_one_that_failed_or_was_lost(world):
    def run(stream, **options):
        return stream.sink_parquet(world.out, mode="append").run("hours", checkpoint=world.every, **options)

    def fails(batch):
        if batch.num_rows:
            raise ValueError("not yet")
        return batch

    with world.cluster():
        job = run(endless().with_columns(n=col("value")).named("rows"))
        until(lambda: len(job.checkpoints()) >= 2, job)
        edited = run(endless().map_batches(fails).with_columns(n=col("value")).named("rows"))
        with pytest.raises(JobError, match=r"start_from=\d+\)") as failed:
            edited.wait()
        corrected = endless().with_columns(n=col("value")).named("rows")
        with pytest.raises(CheckpointError, match=r"'hours' has FAILED, .* append the rows again"):
            run(corrected)
        with pytest.raises(JobError, match=r"the state that it began with: .run\('hours', start_from=\d+\)"):
            sb.resume("hours")
        job = run(corrected, start_from=int(re.search(r"start_from=(\d+)", str(failed.value)).group(1)))
        until(lambda: len(job.checkpoints()) >= 1, job)
    with world.cluster():
        with pytest.raises(CheckpointError, match=r"'hours' is lost, .* go on with it: sb.resume\('hours'\); or"):
            run(corrected)
        job = sb.resume("hours")
        job.stop()
        job.wait()
        assert world.values() == list(range(len(world.values())))
        again = run(corrected, fresh=True)
        again.stop()
        again.wait()


def test_output_that_a_run_has_kept_goes_when_the_run_is_dropped_from_the_store(world, tmp_path, monkeypatch):
    with world.cluster():
        job = world.run(Stream.from_rate(2_000, 200_000))
        until(lambda: len(job.checkpoints()) >= 2, job)
        job.cancel()
        with pytest.raises(JobCanceled, match=r"start_from=\d+\)"):
            job.wait()
    assert len(list(tmp_path.glob(".sabotnb-*"))) == 1
    monkeypatch.setenv("SABOTNB_KEPT_DAYS", "0")
    with world.cluster():
        while list(tmp_path.glob(".sabotnb-*")):
            sb.jobs()
    assert not world.out.exists()
