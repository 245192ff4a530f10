"""Jobs that failed or were canceled, and are corrected and go on from their last checkpoint."""

import re

import pyarrow.dataset as ds
import pytest

import sabotnb as sb
from sabotnb import Stream, col
from sabotnb.errors import JobCanceled, JobError, JobFailed

pytestmark = pytest.mark.cluster

ROWS = 4_000
GOES_ON = re.compile(r"Its state is kept\. To go on from checkpoint \d+: \.run\('hours', start_from=(\d+)\)")


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    with sb.local(2, 4, processes=False, store=tmp_path_factory.mktemp("store") / "jobs.sqlite") as env:
        yield env


def stream(*, broken):
    """Rows 0 to ``ROWS`` with an even and an odd part; a ``broken`` function raises near their end."""

    def looked_at(batch):
        if broken and max(batch["value"].to_pylist(), default=0) >= ROWS * 0.9:
            raise ValueError("an odd row")
        return batch

    rows = Stream.from_rate(ROWS / 2, ROWS).map_batches(looked_at).named("looked_at")
    return rows.select(col("value"), k=col("value") % 2)


class Job:
    """The job ``hours`` with two outputs in ``folder``: one in Parquet by partition, one in CSV."""

    def __init__(self, folder, mode):
        self.folder, self.mode = folder, mode
        self.every = sb.checkpoint("100ms", storage=folder / "checkpoints")

    def run(self, *, broken=False, **options):
        rows = stream(broken=broken)
        parquet = rows.sink_parquet(self.folder / "parquet", mode=self.mode, partition_by=["k"])
        csv = rows.sink_csv(self.folder / "csv", mode=self.mode)
        return sb.run("hours", parquet, csv, checkpoint=self.every, **options)

    def values(self):
        """The rows of each output."""
        formats = [name for name in ("parquet", "csv") if (self.folder / name).exists()]
        read = [ds.dataset(self.folder / name, format=name, partitioning="hive").to_table() for name in formats]
        return [sorted(table["value"].to_pylist()) if table.num_rows else [] for table in read]

    def hidden(self):
        return list(self.folder.rglob(".sabotnb-*"))


def ended_early(job, end):
    """The number of the checkpoint from which ``job`` can go on after it failed or was canceled."""
    if end == "cancel":
        while not job.status.rows_in or len(job.checkpoints()) < 2:
            assert job.status.state in ("PENDING", "DEPLOYING", "RUNNING")
        job.cancel()
    with pytest.raises(JobCanceled if end == "cancel" else JobFailed) as ended:
        job.wait(timeout=120)
    return int(GOES_ON.search(str(ended.value)).group(1))


@pytest.mark.parametrize(("end", "mode"), [("fail", "error"), ("cancel", "append"), ("cancel", "overwrite")])
def test_a_corrected_job_goes_on_from_the_last_checkpoint(env, tmp_path, end, mode):
    job = Job(tmp_path, mode)
    cut = ended_early(job.run(broken=end == "fail"), end)
    assert (job.values(), len(job.hidden())) == ([], 2)
    with pytest.raises(JobError, match=r"cannot be resumed\. A new run goes on with its state: .*start_from='.*'\)"):
        sb.resume("hours")
    job.run(start_from=cut).wait(timeout=120)
    assert job.values() == [list(range(ROWS))] * 2
    assert job.hidden() == []


def test_a_savepoint_whose_output_another_run_has_replaced_is_refused_for_that_output_only(env, tmp_path):
    def run(out="out", **options):
        rows = Stream.from_rate(2_000).sink_parquet(tmp_path / out)
        return rows.run("forks", checkpoint=sb.checkpoint("100ms", storage=tmp_path / "checkpoints"), **options)

    def stopped(job, checkpoints=3):
        while len(job.checkpoints()) < checkpoints:
            assert job.status.state in ("PENDING", "DEPLOYING", "RUNNING"), job.status
        job.stop()
        job.wait(timeout=60)

    def values(out):
        return sorted(ds.dataset(tmp_path / out, format="parquet").to_table()["value"].to_pylist())

    job = run(parallelism=1)
    while len(job.checkpoints()) < 2:
        assert job.status.state in ("PENDING", "DEPLOYING", "RUNNING"), job.status
    first = job.savepoint("first")
    while len(job.checkpoints()) < 6:
        assert job.status.state == "RUNNING"
    second = job.stop(savepoint=True)
    job.wait(timeout=60)
    stopped(run(parallelism=1, start_from=first))
    with pytest.raises(
        JobFailed, match=rf"went on from checkpoint {first.id} of forks@\d+, and replaced later output in"
    ):
        run(parallelism=1, start_from=second).wait(timeout=60)
    assert values("out") == list(range(len(values("out"))))
    stopped(run("other", parallelism=1, start_from=second))
    assert values("other")[0] > 0
    stopped(run(parallelism=1, start_from=first))
    assert values("out") == list(range(len(values("out"))))


def test_a_job_that_begins_without_the_state_removes_what_was_kept(env, tmp_path):
    job = Job(tmp_path, "error")
    cut = ended_early(job.run(), "cancel")
    job.run(fresh=True).wait(timeout=120)
    assert job.values() == [list(range(ROWS))] * 2
    assert job.hidden() == []
    with pytest.raises(JobFailed, match=r"hours@\d+ began without this checkpoint, and replaced"):
        job.run(start_from=cut).wait(timeout=120)
    assert job.values() == [list(range(ROWS))] * 2
