"""Folders that a run writes into are refused to others, as long as one of its processes lives."""

import os
import signal
import subprocess
import sys

import pyarrow as pa
import pytest

from sabotnb import connectors
from sabotnb.config import Config
from sabotnb.connectors.sinks import folder_changes, folder_locks
from sabotnb.connectors.sinks.claims import PREPARED
from sabotnb.errors import SinkError
from sabotnb.graph import Sink
from sabotnb.protocol import OperatorContext
from sabotnb.protocol.ids import RunId

SCHEMA = pa.schema({"n": pa.int64()})
DEFAULTS = Config()


def spec_of(folder, mode="error", run=""):
    return connectors.with_run(Sink("csv", {"path": str(folder), "mode": mode, "partition_by": []}), run)


def opened(folder, job, mode="error", number=1, index=0, run="", config=DEFAULTS):
    sink = connectors.sink(spec_of(folder, mode, run), SCHEMA)
    sink.open(OperatorContext(RunId(job, number), "sink_0", index, 2, 128, config))
    return sink


@pytest.fixture
def writing(tmp_path):
    """Job ``first`` writes into ``out``."""
    sinks = [opened(tmp_path / "out", "first", index=index) for index in range(2)]
    yield sinks
    for sink in sinks:
        sink.close()


@pytest.mark.parametrize("folder", ["out", "link", "out/below", "."])
@pytest.mark.parametrize("mode", ["error", "overwrite", "append"])
def test_a_folder_that_another_job_writes_into_is_refused(tmp_path, writing, folder, mode):
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(SinkError, match=r"job 'first' is writing into .*out' .*sb.attach\('first'\).stop\(\)"):
        connectors.check_output(spec_of(tmp_path / folder, mode), "second")
    late = connectors.sink(spec_of(tmp_path / folder, mode), SCHEMA)
    with pytest.raises(SinkError, match="job 'first' is writing into"):
        late.open(OperatorContext(RunId("second", 2), "sink_0", 0, 1, 128))
    late.close()


def test_the_folder_is_free_when_every_task_has_ended(tmp_path, writing):
    writing[0].close()
    with pytest.raises(SinkError, match="job 'first' is writing into"):
        connectors.check_output(spec_of(tmp_path / "out"), "second")
    writing[1].close()
    connectors.check_output(spec_of(tmp_path / "out"), "second")


def prepared_by(job, folder, mode="error", config=DEFAULTS):
    """The committables of a job whose only task has ended."""
    sink = opened(folder, job, mode, config=config)
    sink.process(0, pa.RecordBatch.from_pydict({"n": [1]}, SCHEMA))
    committables = sink.roll(0).durable()
    sink.close()
    return committables


@pytest.mark.parametrize("mode", ["error", "append"])
def test_a_folder_stays_claimed_until_the_commit(tmp_path, mode):
    committables = prepared_by("first", tmp_path / "out", mode)
    with pytest.raises(SinkError, match="job 'first' is writing into"):
        connectors.check_output(spec_of(tmp_path / "out", "overwrite"), "second")
    late = connectors.sink(spec_of(tmp_path / "out"), SCHEMA)
    with pytest.raises(SinkError, match="job 'first' is writing into"):
        late.open(OperatorContext(RunId("second", 2), "sink_0", 0, 1, 128))
    late.close()
    connectors.check_output(spec_of(tmp_path / "out", mode), "first", lambda run: run.number == 1)
    connectors.committer({"sink_0": spec_of(tmp_path / "out", mode)}, RunId("first", 1)).commit(committables)
    opened(tmp_path / "out", "second", "append").close()


def test_a_folder_is_free_after_an_abort(tmp_path):
    prepared_by("first", tmp_path / "out")
    connectors.committer({"sink_0": spec_of(tmp_path / "out")}, RunId("first", 1)).abort([])
    connectors.check_output(spec_of(tmp_path / "out"), "second")


@pytest.mark.parametrize("seconds", [60, 200.5])
def test_a_commit_that_does_not_come_claims_for_as_long_as_it_may_wait(tmp_path, seconds):
    prepared_by("first", tmp_path / "out", config=Config(commit_wait_seconds=seconds))
    (marker,) = tmp_path.glob(f".sabotnb-*/{PREPARED}")
    ended = marker.stat().st_mtime
    os.utime(marker, (0, ended - seconds + 30))
    with pytest.raises(SinkError, match="job 'first' is writing into"):
        connectors.check_output(spec_of(tmp_path / "out"), "second")
    os.utime(marker, (0, ended - seconds))
    connectors.check_output(spec_of(tmp_path / "out"), "second")


def test_a_run_of_the_same_job_is_let_in_where_the_cluster_knows_the_previous_one(tmp_path, writing):
    connectors.check_output(spec_of(tmp_path / "out"), "first", lambda run: run.number == 1)
    with pytest.raises(SinkError, match="job 'first' is writing into"):
        connectors.check_output(spec_of(tmp_path / "out"), "first", lambda run: run.number == 2)


def test_jobs_that_all_append_share_a_folder(tmp_path):
    first = opened(tmp_path / "out", "first", "append")
    connectors.check_output(spec_of(tmp_path / "out", "append"), "second")
    second = opened(tmp_path / "out", "second", "append")
    with pytest.raises(SinkError, match="is writing into"):
        connectors.check_output(spec_of(tmp_path / "out", "overwrite"), "third")
    first.close()
    second.close()


WRITER = """
import sys, pyarrow as pa
from sabotnb import connectors
from sabotnb.graph import Sink
from sabotnb.protocol import OperatorContext
from sabotnb.protocol.ids import RunId
spec = Sink("csv", {"path": sys.argv[1], "mode": "error", "partition_by": []})
sink = connectors.sink(spec, pa.schema({"n": pa.int64()}))
sink.open(OperatorContext(RunId("first", 1), "sink_0", 0, 1, 128))
print("open", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_leaves_claims_nothing(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        with pytest.raises(SinkError, match="job 'first' is writing into"):
            connectors.check_output(spec_of(tmp_path / "out"), "second")
        os.kill(process.pid, signal.SIGKILL)
    assert len(list(tmp_path.glob(".sabotnb-out+first-1/e1/*.open"))) == 1
    connectors.check_output(spec_of(tmp_path / "out"), "second")


@pytest.mark.parametrize("first", ["abort", "commit"])
@pytest.mark.parametrize("numbers", [(1, 1), (1, 2), (2, 1)])
def test_runs_of_two_clusters_with_one_name_do_not_remove_each_others_files(tmp_path, first, numbers):
    runs = dict(zip(("aa11", "bb22"), numbers, strict=True))
    sinks = {run: opened(tmp_path / "out", "job", "append", number, run=run) for run, number in runs.items()}
    committers = {
        run: connectors.committer({"sink_0": spec_of(tmp_path / "out", "append", run)}, RunId("job", number))
        for run, number in runs.items()
    }
    for number, sink in enumerate(sinks.values()):
        sink.process(0, pa.RecordBatch.from_pydict({"n": [number]}, SCHEMA))
    prepared = sinks["aa11"].roll(0).durable()
    sinks["aa11"].close()
    getattr(committers["aa11"], first)(prepared if first == "commit" else [])
    prepared = sinks["bb22"].roll(0).durable()
    sinks["bb22"].close()
    committers["bb22"].commit(prepared)
    read = sorted(line for file in tmp_path.glob("out/*.csv") for line in file.read_text().splitlines()[1:])
    assert read == (["1"] if first == "abort" else ["0", "1"])
    assert list(tmp_path.glob(".sabotnb-*")) == []


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_output_that_awaits_its_commit_is_not_removed_by_a_commit_of_the_same_job(tmp_path, numbers):
    runs = dict(zip(("aa11", "bb22"), numbers, strict=True))
    prepared = {}
    for run, number in runs.items():
        sink = opened(tmp_path / "out", "job", "append", number, run=run)
        sink.process(0, pa.RecordBatch.from_pydict({"n": [number]}, SCHEMA))
        prepared[run] = sink.roll(0).durable()
        sink.close()
    for run in reversed(runs):
        connectors.committer({"sink_0": spec_of(tmp_path / "out", "append", run)}, RunId("job", runs[run])).commit(
            prepared[run]
        )
    assert sorted(line for file in tmp_path.glob("out/*.csv") for line in file.read_text().splitlines()[1:]) == [
        "1",
        "2",
    ]
    assert list(tmp_path.glob(".sabotnb-*")) == []


def test_of_two_jobs_that_open_at_once_one_is_refused(tmp_path, monkeypatch):
    """The second one opens just before the first claims, and has no lock of the folder to wait for."""
    monkeypatch.setattr(folder_locks, "LOCK_SECONDS", 0.0)
    second = []

    def overtake(change):
        if change.startswith("claim") and not second:
            second.append(None)
            second[0] = opened(tmp_path / "out", "second")

    with (
        folder_changes.before_changes(overtake),
        pytest.raises(SinkError, match="job 'second' is writing into"),
    ):
        opened(tmp_path / "out", "first")
    second[0].close()
    assert list(tmp_path.iterdir()) == []
