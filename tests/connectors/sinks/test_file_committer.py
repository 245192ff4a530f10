import fcntl
import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.dataset import dataset

import sabotnb as sb
from sabotnb import connectors
from sabotnb.connectors.sinks import folder_changes, folder_locks, hidden_folders
from sabotnb.connectors.sinks.claims import PREPARED
from sabotnb.connectors.sinks.ownership import owners_of
from sabotnb.errors import SinkError
from sabotnb.graph.specs import Sink
from sabotnb.protocol.ids import RunId
from sabotnb.protocol.operator import OperatorContext

SCHEMA = pa.schema({"n": pa.int64(), "k": pa.int64()})


def spec_of(folder, mode="error", partition_by=()):
    return Sink("csv", {"path": str(folder), "mode": mode, "partition_by": list(partition_by)})


def prepare(spec, values, job="job", run=1, tasks=2, operator="sink_0", epoch=1):
    prepared = []
    for index in range(tasks):
        sink = connectors.sink(spec, SCHEMA)
        sink.open(OperatorContext(RunId(job, run), operator, index, tasks, 128, epoch=epoch))
        if values[index::tasks]:
            sink.process(0, pa.RecordBatch.from_pydict({"n": values[index::tasks], "k": values[index::tasks]}, SCHEMA))
        prepared += sink.roll(0).durable()
        sink.close()
    return prepared


def store(spec, values, job="job", run=1):
    connectors.check_output(spec, job)
    connectors.committer({"sink_0": spec}, RunId(job, run)).commit(prepare(spec, values, job, run))


def everything(folder):
    """All files with their content; what a careful ``ls -aR`` would find."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def numbers(folder):
    found = sorted(Path(folder).glob("**/*.csv"))
    return sorted(int(line.split(",")[0]) for file in found for line in file.read_text().splitlines()[1:])


def owners(folder):
    return sorted(owner for owner in owners_of(folder, list(everything(folder))).values())


def test_a_commit_makes_files_that_say_whose_they_are_and_nothing_else(tmp_path):
    store(spec_of(tmp_path / "out"), [1, 2, 3], job="late.1")
    names = sorted(everything(tmp_path / "out"))
    assert [re.sub("[0-9a-f]{8}", "*", name) for name in names] == [
        "part-00000-*-0-r1e1c1.late.1.csv",
        "part-00001-*-0-r1e1c1.late.1.csv",
    ]
    assert owners(tmp_path / "out") == ["late.1"] * 2
    assert numbers(tmp_path / "out") == [1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def with_old_marker(folder, values, job="job"):
    """Output as it was before the names of files told whose they are."""
    folder.mkdir(exist_ok=True)
    files = {f"part-00000-0000000{value}-0.csv": job for value in values}
    for file, value in zip(files, values, strict=True):
        (folder / file).write_text(f'"n"\n{value}\n')
    (folder / "_sabotnb.json").write_text(json.dumps({"format": 1, "jobs": [job], "files": files}))


def test_older_output_is_known_by_its_list(tmp_path):
    with_old_marker(tmp_path, [1, 2])
    with pytest.raises(SinkError, match="holds output of job 'job', not of 'other'"):
        connectors.check_output(spec_of(tmp_path), "other")
    store(spec_of(tmp_path, "append"), [3])
    assert numbers(tmp_path) == [1, 2, 3]
    store(spec_of(tmp_path), [4])
    assert numbers(tmp_path) == [4]
    assert owners(tmp_path) == ["job"]


READERS = {
    "parquet": [
        pl.read_parquet,
        lambda folder: pl.scan_parquet(folder).collect(),
        pd.read_parquet,
        pq.read_table,
        lambda folder: duckdb.sql(f"from read_parquet('{folder}/*')").arrow().read_all(),
    ],
    "csv": [
        lambda folder: pl.scan_csv(folder).collect(),
        lambda folder: dataset(folder, format="csv").to_table(),
        lambda folder: duckdb.sql(f"from read_csv('{folder}/*')").arrow().read_all(),
    ],
    "json": [
        lambda folder: pl.scan_ndjson(folder).collect(),
        lambda folder: dataset(folder, format="json").to_table(),
        lambda folder: duckdb.sql(f"from read_json('{folder}/*')").arrow().read_all(),
    ],
    "ipc": [pl.read_ipc, lambda folder: dataset(folder, format="ipc").to_table()],
}


@pytest.mark.parametrize(("connector", "reader"), [(name, at) for name in READERS for at in range(len(READERS[name]))])
def test_other_libraries_read_a_folder_by_its_path(tmp_path, connector, reader):
    spec = Sink(connector, {"path": str(tmp_path / "out"), "mode": "error", "partition_by": []})
    store(spec, [1, 2, 3])
    frame = READERS[connector][reader](str(tmp_path / "out"))
    assert sorted(pa.table(frame)["n"].to_pylist()) == [1, 2, 3]


def shown(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_every_name_is_durable_when_the_commit_returns(tmp_path, monkeypatch):
    durable = {}

    def sync(handle, really=os.fsync):
        really(handle)
        folder = Path(f"/proc/self/fd/{handle}").readlink()
        if folder.is_dir():
            durable[folder] = shown(folder)

    monkeypatch.setattr(os, "fsync", sync)
    output = tmp_path / "deep" / "out"
    for run, values in enumerate(([1, 2], [2, 3]), 1):
        spec = Sink("csv", {"path": str(output), "mode": "overwrite", "partition_by": ["n", "m"]})
        sink = connectors.sink(spec, pa.schema({"n": pa.int64(), "m": pa.int64(), "x": pa.int64()}))
        sink.open(OperatorContext(RunId("job", run), "sink_0", 0, 1, 128))
        sink.process(0, pa.RecordBatch.from_pydict({"n": values, "m": values, "x": values}))
        connectors.committer({"sink_0": spec}, RunId("job", run)).commit(sink.roll(0).durable())
        for folder in [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]:
            assert durable[folder] == shown(folder)


@pytest.mark.parametrize("mode", ["error", "append", "overwrite"])
def test_committing_twice_changes_nothing(tmp_path, mode):
    spec = spec_of(tmp_path, mode)
    store(spec, [7])
    prepared = prepare(spec, [1, 2, 3], run=2)
    committer = connectors.committer({"sink_0": spec}, RunId("job", 2))
    committer.commit(prepared)
    once = everything(tmp_path)
    committer.commit(prepared)
    connectors.committer({"sink_0": spec}, RunId("job", 2)).commit(prepared)
    assert everything(tmp_path) == once


def test_the_same_job_replaces_its_output_when_the_new_one_is_complete(tmp_path):
    for mode in ("error", "overwrite"):
        spec = spec_of(tmp_path, mode)
        store(spec, [1, 2])
        prepared = prepare(spec, [3], run=2)
        assert numbers(tmp_path) == [1, 2]
        connectors.committer({"sink_0": spec}, RunId("job", 2)).commit(prepared)
        assert numbers(tmp_path) == [3]


def test_replaced_partitions_leave_no_empty_folders(tmp_path):
    spec = spec_of(tmp_path, "overwrite", ["k"])
    store(spec, [1, 2])
    assert sorted(p.name for p in tmp_path.glob("k=*")) == ["k=1", "k=2"]
    store(spec, [2, 3], run=2)
    assert sorted(p.name for p in tmp_path.glob("k=*")) == ["k=2", "k=3"]


def test_append_adds_to_whatever_is_there(tmp_path):
    (tmp_path / "mine.csv").write_text("n\n100\n")
    spec = spec_of(tmp_path, "append")
    for run, job in enumerate(("job", "other", "job"), 1):
        store(spec, [1, 2], job, run)
    assert numbers(tmp_path) == [1, 1, 1, 2, 2, 2, 100]
    assert owners_of(tmp_path, ["mine.csv"]) == {"mine.csv": None}
    (tmp_path / "mine.csv").unlink()
    assert owners(tmp_path) == ["job"] * 4 + ["other"] * 2


@pytest.mark.parametrize("mode", ["error", "overwrite"])
def test_foreign_files_are_refused_and_never_touched(tmp_path, mode):
    (tmp_path / "mine.csv").write_text("n\n100\n")
    with pytest.raises(
        SinkError, match=r"has files that sabotnb did not write, such as 'mine\.csv': give another folder"
    ):
        connectors.check_output(spec_of(tmp_path, mode), "job")
    # also when they came after the job had started
    prepared = prepare(spec_of(tmp_path, mode), [1])
    with pytest.raises(SinkError, match="did not write"):
        connectors.committer({"sink_0": spec_of(tmp_path, mode)}, RunId("job", 1)).commit(prepared)
    connectors.committer({"sink_0": spec_of(tmp_path, mode)}, RunId("job", 1)).abort(prepared)
    assert everything(tmp_path) == {"mine.csv": b"n\n100\n"}


@pytest.mark.parametrize("mode", ["error", "overwrite"])
def test_output_of_another_job_is_refused(tmp_path, mode):
    store(spec_of(tmp_path), [1], job="first")
    with pytest.raises(SinkError, match=r"of job 'first', not of 'second': .*run under its name: \.run\('first'\)"):
        connectors.check_output(spec_of(tmp_path, mode), "second")
    store(spec_of(tmp_path, "append"), [2], job="second")
    for job in ("first", "second"):
        with pytest.raises(SinkError, match=r"of several jobs \('first', 'second'\), .* add to it with mode='append'"):
            connectors.check_output(spec_of(tmp_path, mode), job)


@pytest.mark.parametrize(
    ("path", "mode", "message"),
    [
        ("{}/file", "error", "file' is a file: give a folder"),
        ("{}/file/out", "error", "file' is a file, so '.*file/out' cannot be a folder: give another folder"),
        ("s3://bucket/out", "error", "is not a local path: give a folder that every worker can write to"),
        ("{}/out", "replace", "mode='replace': choose one of error, append, overwrite"),
    ],
)
def test_outputs_that_cannot_be(tmp_path, path, mode, message):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SinkError, match=message):
        connectors.check_output(spec_of(path.format(tmp_path), mode), "job")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("marker", ["{", '{"format": 99, "files": {}}', "[]"])
def test_a_marker_that_cannot_be_read(tmp_path, marker):
    (tmp_path / "_sabotnb.json").write_text(marker)
    with pytest.raises(SinkError, match=r"_sabotnb\.json' is (damaged|of another version).*give another folder"):
        connectors.check_output(spec_of(tmp_path), "job")


def test_collecting_sinks_have_no_output_to_check():
    connectors.check_output(Sink("collect"), "job")


@pytest.mark.parametrize(("mode", "refused"), [("error", 7), ("append", 0)])
def test_jobs_that_commit_into_one_folder_at_once_see_each_other(tmp_path, mode, refused):
    spec, jobs = spec_of(tmp_path / "out", mode), {}
    for number in range(8):
        jobs[f"job-{number}"] = prepare(spec, [number], f"job-{number}")
        for claim in tmp_path.glob(f".sabotnb-*/{PREPARED}"):  # its commit does not come in time
            os.utime(claim, (0, 0))
    begin = threading.Barrier(len(jobs))

    def commit(job):
        begin.wait()
        try:
            connectors.committer({"sink_0": spec}, RunId(job, 1)).commit(jobs[job])
        except SinkError:
            return 1
        return 0

    with ThreadPoolExecutor(len(jobs)) as pool:
        assert sum(pool.map(commit, jobs)) == refused
    assert len(list(tmp_path.glob("out/*.csv"))) == 8 - refused


def test_a_commit_goes_on_without_one_that_was_stopped_while_it_committed(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_locks, "LOCK_SECONDS", 0.0)
    prepared = prepare(spec_of(tmp_path), [1, 2])
    stopped = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(stopped, fcntl.LOCK_EX)
    committer = connectors.committer({"sink_0": spec_of(tmp_path)}, RunId("job", 1))
    committer.commit(prepared)
    os.close(stopped)
    committer.commit(prepared)
    assert numbers(tmp_path) == [1, 2]


def test_an_abort_removes_prepared_and_unprepared_files(tmp_path):
    spec = spec_of(tmp_path)
    store(spec, [1])
    before = everything(tmp_path)
    prepared = prepare(spec, [2, 3], run=2)
    unprepared = connectors.sink(spec, SCHEMA)
    unprepared.open(OperatorContext(RunId("job", 2), "sink_0", 5, 6, 128))
    unprepared.process(0, pa.RecordBatch.from_pydict({"n": [4], "k": [4]}, SCHEMA))
    committer = connectors.committer({"sink_0": spec}, RunId("job", 2))
    committer.abort(prepared)
    committer.abort(prepared)
    assert everything(tmp_path) == before
    unprepared.close()
    assert everything(tmp_path) == before


def test_an_abort_removes_the_folders_that_the_run_made(tmp_path):
    spec = spec_of(tmp_path / "new" / "out", partition_by=["k"])
    schema = pa.schema({"n": pa.int64(), "k": pa.int64()})
    sink = connectors.sink(spec, schema)
    sink.open(OperatorContext(RunId("job", 1), "sink_0", 0, 1, 128))
    sink.process(0, pa.RecordBatch.from_pydict({"n": [1], "k": [2]}, schema))
    sink.close()
    committer = connectors.committer({"sink_0": spec}, RunId("job", 1))
    committer.abort([])
    committer.abort([])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("made", [".", "out", "out/other.txt"])
def test_an_abort_leaves_folders_that_were_there_or_have_something_in_them(tmp_path, made):
    output = tmp_path / "out"
    if made == "out":
        output.mkdir()
    spec = spec_of(output)
    prepared = prepare(spec, [1, 2])
    if made == "out/other.txt":
        (output / "other.txt").write_text("of somebody else")
    connectors.committer({"sink_0": spec}, RunId("job", 1)).abort(prepared)
    assert output.exists() is (made != ".")
    assert list(everything(tmp_path)) == ([made] if made == "out/other.txt" else [])


@pytest.mark.parametrize(
    ("target", "what"), [("gone", "which does not exist: correct"), ("out", "which leads back to it: correct")]
)
@pytest.mark.parametrize("below", ["", "deep/er"])
def test_a_link_that_leads_nowhere_is_refused(tmp_path, target, what, below):
    (tmp_path / "out").symlink_to(tmp_path / target)
    with pytest.raises(SinkError, match=rf"out' is a link to '.*{target}', {what} the link, or give another folder"):
        connectors.check_output(spec_of(tmp_path / "out" / below), "job")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "the path is empty: give a folder"),
        ("a\0b", r"the path 'a\\x00b' has a zero character in it: give a folder"),
        ("a\udc80b", r"the path 'a\\udc80b' has half of a surrogate pair in it, .*: give a folder"),
        ("deep/" + "ä" * 150, r"the name 'ä{20}\.\.\.' has 300 bytes, of at most 255: give a folder"),
        ("d/" * 2100, r"the path 'd/.*\.\.\.' has 4200 bytes, of at most 4095: give a folder"),
        (5, "5 is not a path: give a folder"),
    ],
)
def test_what_cannot_be_a_folder_is_refused_where_it_is_written(path, message):
    with pytest.raises(SinkError, match=message):
        sb.Stream.from_rows([{"n": 1}]).sink_parquet(path)


@pytest.mark.parametrize("late", ["commit", "abort"])
def test_a_run_that_started_again_commits_its_last_epoch_only(tmp_path, late):
    spec = spec_of(tmp_path / "out", partition_by=["k"])
    lost = prepare(spec, [1, 2])
    sleeper = connectors.sink(spec, SCHEMA)
    sleeper.open(OperatorContext(RunId("job", 1), "sink_0", 0, 2, 128))  # of a worker that is declared lost
    prepared = prepare(spec, [1, 2, 3], epoch=2)
    connectors.committer({"sink_0": spec}, RunId("job", 1), 2).commit(prepared)
    assert numbers(tmp_path) == [1, 2, 3]
    with suppress(SinkError):
        getattr(connectors.committer({"sink_0": spec}, RunId("job", 1), 1), late)(lost)
    with pytest.raises(SinkError, match="is gone"):
        sleeper.process(0, pa.RecordBatch.from_pydict({"n": [4], "k": [4]}, SCHEMA))
    sleeper.close()
    assert numbers(tmp_path) == [1, 2, 3]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["k=1", "k=2", "k=3"]


def test_an_abort_of_the_last_epoch_removes_what_earlier_ones_left(tmp_path):
    spec = spec_of(tmp_path / "new" / "out")
    prepare(spec, [1, 2])
    connectors.committer({"sink_0": spec}, RunId("job", 1), 2).abort(prepare(spec, [1], epoch=2))
    assert list(tmp_path.iterdir()) == []


def test_a_late_abort_of_an_earlier_epoch_leaves_the_files_of_the_next(tmp_path):
    spec = spec_of(tmp_path)
    lost, prepared = prepare(spec, [1]), prepare(spec, [1], epoch=2)
    connectors.committer({"sink_0": spec}, RunId("job", 1), 1).abort(lost)
    connectors.committer({"sink_0": spec}, RunId("job", 1), 2).commit(prepared)
    assert numbers(tmp_path) == [1]


def test_an_abort_leaves_other_jobs_and_later_runs_alone(tmp_path):
    spec = spec_of(tmp_path, "append")
    later, other = prepare(spec, [1], run=9), prepare(spec, [2], job="job-2")
    connectors.committer({"sink_0": spec}, RunId("job", 2)).abort([])
    connectors.committer({"sink_0": spec}, RunId("job", 9)).commit(later)
    connectors.committer({"sink_0": spec}, RunId("job-2", 1)).commit(other)
    assert numbers(tmp_path) == [1, 2]


def test_two_sinks_of_a_job_may_append_to_one_folder(tmp_path):
    spec = spec_of(tmp_path, "append")
    prepared = prepare(spec, [1, 2]) + prepare(spec, [3], operator="sink_1")
    connectors.committer({"sink_0": spec, "sink_1": spec}, RunId("job", 1)).commit(prepared)
    assert numbers(tmp_path) == [1, 2, 3]
    assert len(everything(tmp_path)) == 3


def two_sinks(tmp_path, mode="error"):
    """The specs of two sinks that have old output [1] and [2], and what a second run prepared for [3] and [4]."""
    specs = {f"sink_{number}": spec_of(tmp_path / f"out-{number}", mode) for number in range(2)}
    for run in (1, 2):
        prepared = [
            one
            for number, (operator, spec) in enumerate(specs.items())
            for one in prepare(spec, [2 * run - 1 + number], run=run, operator=operator)
        ]
        if run == 1:
            connectors.committer(specs, RunId("job", 1)).commit(prepared)
    return specs, prepared


def spoil(what, folder, prepared):
    """Let the commit of the sink that writes into ``folder`` fail; gives what undoes that."""
    if what == "foreign":
        (folder / "mine.csv").write_text("n\n100\n")
        return (folder / "mine.csv").unlink
    hidden = Path(prepared[-1].payload["files"][0]["hidden"])
    hidden.rename(folder.parent / "gone")
    return (folder.parent / "gone").unlink


@pytest.mark.parametrize(("what", "mode"), [("foreign", "error"), ("gone", "error"), ("gone", "append")])
def test_no_sink_commits_when_another_cannot(tmp_path, what, mode):
    specs, prepared = two_sinks(tmp_path, mode)
    repair = spoil(what, tmp_path / "out-1", prepared)
    with pytest.raises(SinkError):
        connectors.committer(specs, RunId("job", 2)).commit(prepared)
    assert numbers(tmp_path / "out-0") == [1]
    connectors.committer(specs, RunId("job", 2)).abort(prepared)
    repair()
    assert [numbers(tmp_path / f"out-{number}") for number in range(2)] == [[1], [2]]
    assert len(everything(tmp_path)) == 2


def test_a_sink_that_fails_while_names_are_given_takes_back_those_of_all(tmp_path):
    specs, prepared = two_sinks(tmp_path)
    before = everything(tmp_path)

    def full(change):
        if change.startswith(f"rename to {tmp_path / 'out-1'}"):
            raise OSError(28, "No space left on device")

    message = r"writing into '.*out-1' failed .*No space left"
    with folder_changes.before_changes(full), pytest.raises(SinkError, match=message):
        connectors.committer(specs, RunId("job", 2)).commit(prepared)
    assert {name.replace(".aborted/", "/"): data for name, data in everything(tmp_path).items()} == before
    committer = connectors.committer(specs, RunId("job", 2))
    with pytest.raises(SinkError, match="was taken back when it could not be committed: run the job again"):
        committer.commit(prepared)
    assert committer.keep(prepared).count("has all rows (1)") == 2
    committer.abort(prepared)
    assert [numbers(tmp_path / f"out-{number}") for number in range(2)] == [[1], [2]]
    assert [numbers(tmp_path / f"out-{number}.unpublished-job-2") for number in range(2)] == [[3], [4]]


def test_a_commit_that_comes_late_does_not_touch_what_later_runs_have_committed(tmp_path):
    specs = {"sink_0": spec_of(tmp_path)}
    late = prepare(specs["sink_0"], [1])
    connectors.committer(specs, RunId("job", 1)).commit(late)
    store(spec_of(tmp_path, "append"), [2], run=2)
    connectors.committer(specs, RunId("job", 1)).commit(late)
    assert numbers(tmp_path) == [1, 2]
    store(spec_of(tmp_path, "overwrite"), [3], run=3)
    with pytest.raises(SinkError, match="is gone before it was committed"):
        connectors.committer(specs, RunId("job", 1)).commit(late)
    assert numbers(tmp_path) == [3]


def test_names_of_jobs_may_have_any_letters(tmp_path):
    store(spec_of(tmp_path / "out"), [1], job="a/b ../é")
    assert numbers(tmp_path / "out") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


class Crash(BaseException):
    """The process dies here."""


class Failing:
    """Lets ``steps`` changes of the file system pass, then crashes."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self, change):
        if self.left == 0:
            self.act()
        self.left -= 1

    def act(self):
        raise Crash


OUTPUTS = {"sink_0": "left", "sink_1": "right"}


def specs_in(folder):
    return {operator: spec_of(folder / name, "overwrite", ["k"]) for operator, name in OUTPUTS.items()}


def prepare_all(folder, values, run):
    return [one for name, spec in specs_in(folder).items() for one in prepare(spec, values, run=run, operator=name)]


def numbers_of_all(folder):
    return [numbers(folder / name) for name in OUTPUTS.values()]


def crash_at_each_step(tmp_path, act, check):
    """Run ``act(folder)`` crashing at its nth step, for n from 0 until it gets through; ``check`` each time."""
    for steps in range(100):
        folder = tmp_path / f"at-{steps}"
        connectors.committer(specs_in(folder), RunId("job", 1)).commit(prepare_all(folder, [1, 2], 1))
        prepared = prepare_all(folder, [2, 3, 4], 2)
        with folder_changes.before_changes(Failing(steps)):
            try:
                act(folder, prepared)
            except Crash:
                crashed = True
            else:
                crashed = False
        check(folder, prepared)
        if not crashed:
            return steps
    raise AssertionError("never got through")


def commit(folder, prepared):
    connectors.committer(specs_in(folder), RunId("job", 2)).commit(prepared)


def abort(folder, prepared):
    connectors.committer(specs_in(folder), RunId("job", 2)).abort(prepared)


def test_a_commit_that_crashes_anywhere_is_completed_by_the_next(tmp_path):
    def check(folder, prepared):
        whole = [path.read_text() for path in folder.glob("**/*.csv")]
        assert all(text.startswith('"n"\n') and text.endswith("\n") for text in whole)
        assert all(set(found) >= {2} for found in numbers_of_all(folder))
        commit(folder, prepared)
        assert numbers_of_all(folder) == [[2, 3, 4]] * 2
        assert len(everything(folder)) == 6
        for spec in specs_in(folder).values():
            connectors.check_output(spec, "job")

    assert crash_at_each_step(tmp_path, commit, check) > 16


def test_a_commit_that_crashes_and_is_aborted_leaves_one_output_or_the_other(tmp_path):
    def check(folder, prepared):
        abort(folder, prepared)
        assert [path for path in everything(folder) if ".partial" in path] == []
        if numbers_of_all(folder) != [[1, 2]] * 2:
            # All had their names: the old files that are still there are what the next commit replaces.
            assert all(set(found) >= {2, 3, 4} for found in numbers_of_all(folder))

    crash_at_each_step(tmp_path, commit, check)


def test_an_abort_that_crashes_anywhere_is_completed_by_the_next(tmp_path):
    def check(folder, prepared):
        abort(folder, prepared)
        assert numbers_of_all(folder) == [[1, 2]] * 2
        assert len(everything(folder)) == 4

    assert crash_at_each_step(tmp_path, abort, check) >= 1


class Interrupting(Failing):
    """Runs ``other`` once, after ``steps`` changes of the file system: its process overtakes one that was stopped."""

    def __init__(self, steps, other):
        self.other = other
        super().__init__(steps)

    def act(self):
        self.left = -1
        self.other()


def commit_without_right(folder, prepared):
    """A commit that cannot rename the files of the second sink."""

    def full(change):
        if change.startswith(f"rename to {folder / 'right'}"):
            raise OSError(28, "No space left on device")

    with folder_changes.before_changes(full):
        commit(folder, prepared)


def tried(act, folder, prepared):
    """What an agent that is asked for ``act`` does: it saves the output of a commit that fails. True if it worked."""
    try:
        act(folder, prepared)
    except SinkError:
        connectors.committer(specs_in(folder), RunId("job", 2)).keep(prepared)
        return False
    return True


COMMITTERS = [(commit, commit), (commit, commit_without_right), (commit, abort), (commit_without_right, commit)]


@pytest.mark.parametrize("without", ["lock", "time"])
@pytest.mark.parametrize(("stopped", "other"), COMMITTERS)
def test_two_committers_without_the_lock_lose_no_rows(tmp_path, monkeypatch, stopped, other, without):
    monkeypatch.setattr(folder_locks, "LOCK_SECONDS", 0.0)
    if without == "lock":
        monkeypatch.setattr(folder_locks.fcntl, "flock", no_locks)
    for steps in range(100):
        folder = tmp_path / f"at-{steps}"
        connectors.committer(specs_in(folder), RunId("job", 1)).commit(prepare_all(folder, [1, 2], 1))
        prepared = prepare_all(folder, [2, 3, 4], 2)
        worked = []

        def overtake(folder=folder, prepared=prepared, worked=worked):
            worked.append(tried(other, folder, prepared))

        left = Interrupting(steps, overtake)
        with folder_changes.before_changes(left):
            worked.append(tried(stopped, folder, prepared))
        if not worked[0] and other is not abort:
            abort(folder, prepared)  # what the job manager asks for when a commit has failed
        found = numbers_of_all(folder)
        assert found in ([[2, 3, 4]] * 2, [[1, 2]] * 2), steps
        if found == [[1, 2]] * 2:
            assert (
                other is abort
                or [numbers(folder / f"{name}.unpublished-job-2") for name in OUTPUTS.values()] == [[2, 3, 4]] * 2
            )
        assert [name for name in everything(folder) if ".sabotnb" in name] == []
        if left.left >= 0:
            assert steps > 16
            return
    raise AssertionError("never got through")


def no_locks(handle, operation):
    raise OSError(95, "Operation not supported")


def test_a_commit_that_cannot_remove_an_old_file_says_so_and_the_next_run_replaces_both(tmp_path):
    spec = spec_of(tmp_path, "overwrite")
    store(spec, [1, 2])
    stuck = min(path.name for path in tmp_path.glob("*.csv"))
    prepared = prepare(spec, [3, 4], run=2)
    committer = connectors.committer({"sink_0": spec}, RunId("job", 2))

    def refuse(change):
        if change.startswith("remove") and change.endswith(stuck):
            raise PermissionError(1, "Operation not permitted")

    with folder_changes.before_changes(refuse):
        message = (
            rf"all new rows, but also 1 old files .* such as '{stuck}' \(Operation not permitted\).*run the job again"
        )
        with pytest.raises(SinkError, match=message):
            committer.commit(prepared)
        assert committer.keep(prepared) == ""
        assert numbers(tmp_path) == [1, 3, 4]
    committer.commit(prepared)
    assert numbers(tmp_path) == [3, 4]


def test_an_abort_finishes_a_commit_that_could_not_remove_an_old_file(tmp_path):
    spec = spec_of(tmp_path, "overwrite")
    store(spec, [1, 2])
    prepared = prepare(spec, [3, 4], run=2)
    committer = connectors.committer({"sink_0": spec}, RunId("job", 2))

    def refuse(change):
        if change.startswith("remove "):
            raise PermissionError(1, "Operation not permitted")

    with folder_changes.before_changes(refuse), pytest.raises(SinkError, match="2 old files"):
        committer.commit(prepared)
    committer.abort(prepared)
    assert numbers(tmp_path) == [3, 4]


def test_files_that_are_gone_before_the_commit(tmp_path):
    spec = spec_of(tmp_path)
    prepared = prepare(spec, [1])
    connectors.committer({"sink_0": spec}, RunId("job", 1)).abort(prepared)
    with pytest.raises(SinkError, match=r"is gone before it was committed as .*: run the job again"):
        connectors.committer({"sink_0": spec}, RunId("job", 1)).commit(prepared)


def foreign_after_the_start(folder, name, connector="csv", mode="error"):
    """What a run prepared into a folder in which somebody made the file ``name`` meanwhile."""
    spec = Sink(connector, {"path": str(folder), "mode": mode, "partition_by": []})
    connectors.check_output(spec, "job")
    prepared = prepare(spec, [1, 2])
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("n\n100\n")
    return connectors.committer({"sink_0": spec}, RunId("job", 1)), prepared


@pytest.mark.parametrize("name", ["notes.txt", "_SUCCESS", "_list.csv", "plot.png", "sub/README.md", "rows.parquet"])
def test_files_that_are_no_data_of_the_format_and_came_after_the_start_stay_beside_the_output(tmp_path, name):
    committer, prepared = foreign_after_the_start(tmp_path / "out", name)
    committer.commit(prepared)
    committer.commit(prepared)
    found = everything(tmp_path / "out")
    assert len(found) == 3
    assert found[name] == b"n\n100\n"


READ = {"parquet": "a.pq", "csv": "a.csv.gz", "json": "a.ndjson", "ipc": "sub/a.FEATHER"}


@pytest.mark.parametrize(("connector", "name"), READ.items())
def test_output_that_data_of_others_keeps_from_its_folder_is_saved(tmp_path, connector, name):
    committer, prepared = foreign_after_the_start(tmp_path / "out", name, connector)
    with pytest.raises(SinkError, match="files that sabotnb did not write"):
        committer.commit(prepared)
    kept = tmp_path / "out.unpublished-job-1"
    said = f"Nothing is lost: '{kept}' has all rows (2), sb.Stream.from_{connector}('{kept}') reads them."
    assert committer.keep(prepared) == said
    assert committer.keep(prepared) == said
    committer.abort(prepared)
    connectors.committer({"sink_0": spec_of(tmp_path / "out", "append")}, RunId("job", 9)).abort([])
    assert [row["n"] for row in getattr(sb.Stream, f"from_{connector}")(str(kept)).sort("n").to_rows()] == [1, 2]
    assert list(everything(tmp_path / "out")) == [name]


def test_output_is_saved_inside_its_folder_where_none_can_be_made_beside_it(tmp_path):
    committer, prepared = foreign_after_the_start(tmp_path / "out", "a.csv")
    (tmp_path / "out.unpublished-job-1").write_text("in the way")
    kept = tmp_path / "out" / ".unpublished-job-1"
    assert str(kept) in committer.keep(prepared)
    committer.abort(prepared)
    assert [row["n"] for row in sb.Stream.from_csv(str(kept)).sort("n").to_rows()] == [1, 2]


def test_all_sinks_of_a_job_save_their_output_when_one_cannot_commit(tmp_path):
    specs, prepared = two_sinks(tmp_path)
    spoil("foreign", tmp_path / "out-1", prepared)
    committer = connectors.committer(specs, RunId("job", 2))
    with pytest.raises(SinkError):
        committer.commit(prepared)
    assert committer.keep(prepared).count("has all rows (1)") == 2
    committer.abort(prepared)
    assert [numbers(tmp_path / f"out-{at}.unpublished-job-2") for at in range(2)] == [[3], [4]]
    assert numbers(tmp_path / "out-0") == [1]


def test_nothing_is_saved_of_output_that_is_committed(tmp_path):
    spec = spec_of(tmp_path)
    prepared = prepare(spec, [1])
    committer = connectors.committer({"sink_0": spec}, RunId("job", 1))
    committer.commit(prepared)
    assert committer.keep(prepared) == ""
    assert numbers(tmp_path) == [1]


@pytest.mark.parametrize("listed", [b"", b'["/', b"\xff"])
def test_an_abort_does_without_a_list_of_folders_that_was_cut_short(tmp_path, listed):
    spec = spec_of(tmp_path / "deep" / "out")
    prepared = prepare(spec, [1])
    (made,) = tmp_path.rglob(hidden_folders.MADE)
    made.write_bytes(listed)
    connectors.committer({"sink_0": spec}, RunId("job", 1)).abort(prepared)
    assert list((tmp_path / "deep" / "out").iterdir()) == []
