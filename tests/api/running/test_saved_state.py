"""The state in a checkpoint as a table."""

from datetime import datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest

import sabotnb as sb
from sabotnb import col
from sabotnb.api.running.compiling import compile_graph
from sabotnb.api.running.sampled_run import collected
from sabotnb.config import Config
from sabotnb.errors import CheckpointError
from sabotnb.native import hash_rows, key_groups
from sabotnb.protocol import CutKind, RunId, Scope, StateSpec, StoredCut, TaskId, TaskSnapshot
from sabotnb.storage import FrozenState, write_cut, write_states
from sabotnb.testing import CheckpointedRun, Harness

T = datetime(2013, 1, 1)
ROWS = [{"k": key, "x": x, "t": T + timedelta(minutes=x)} for x, key in enumerate("abcabd")]
PLAIN = sb.Stream.from_rows(ROWS)
STREAMS = {
    "totals": PLAIN.group_by("k").agg(n=sb.count(), total=col("x").sum()),
    "windows": PLAIN.with_event_time("t").group_by("k").window(sb.tumbling("2m")).agg(n=sb.count()),
    "join_0": PLAIN.join(sb.Stream.from_rows(ROWS[:3]).select("k", y=col("x")), on="k"),
}
TOTALS = {"a": (2, 3), "b": (2, 5), "c": (1, 2), "d": (1, 5)}


def states_of(operator, index):
    """The states of one of two tasks of an operator, which owns every second key group."""
    with Harness.of(STREAMS[operator], index=index, parallelism=2) as harness:
        for port, rows in enumerate([ROWS, [{"k": "a", "y": 9}, {"k": "b", "y": 8}]]):
            groups = key_groups(hash_rows([pa.array([row["k"] for row in rows])]), 128).to_pylist()
            mine = [row for row, group in zip(rows, groups, strict=True) if group % 2 == index]
            if port == 0 or operator == "join_0":
                harness.push(mine, port)
        return [
            FrozenState(operator, StateSpec(name), state.schema, state.groups(), state.freeze(state.groups()))
            for name, state in harness.states.items()
        ]


def stored(storage, cut=1, operators=tuple(STREAMS), *, job="hours", number=1, epoch=1, **fields):
    """Write the checkpoint of a job with two tasks per operator."""
    run = RunId(job, number)
    snapshots = {}
    for operator in operators:
        for index in (0, 1):
            task = TaskId(run, operator, index)
            file = write_states(str(storage), run, epoch, cut, task, states_of(operator, index))
            snapshots[task] = TaskSnapshot(file)
    kind = CutKind.SAVEPOINT if "name" in fields else CutKind.CHECKPOINT
    chains = {operator: (operator,) for operator in operators}
    content = StoredCut(run, epoch, cut, kind, 128, dict.fromkeys(operators, 2), chains, snapshots, **fields)
    return write_cut(str(storage), content)


def test_the_state_of_all_tasks_is_one_table(tmp_path):
    stored(tmp_path)
    frame = sb.read_state(tmp_path, job="hours").operator("totals").to_pandas()
    assert list(frame.columns) == ["k", "n", "total"]
    assert {row.k: (row.n, row.total) for row in frame.itertuples()} == TOTALS


def test_windows_have_times(tmp_path):
    stored(tmp_path)
    table = sb.read_state(str(tmp_path), job="hours").operator("windows").to_arrow()
    assert table.schema.names == ["window_start", "window_end", "k", "n"]
    assert sorted(table.to_pylist(), key=str)[0] == {
        "window_start": T,
        "window_end": T + timedelta(minutes=2),
        "k": "a",
        "n": 1,
    }
    assert table.num_rows == 6


def test_one_of_several_states_is_chosen(tmp_path):
    stored(tmp_path)
    operator = sb.read_state(tmp_path, job="hours").operator("join_0")
    assert operator.states == ["right", "left", "delayed left"]
    assert sorted(operator.state("right").to_pandas()["k"]) == ["a", "b"]
    left = sb.read_state(tmp_path, job="hours").operator("join_0", state="left").to_arrow()
    assert sorted(left.to_pylist(), key=repr) == sorted(ROWS, key=repr)
    with pytest.raises(
        CheckpointError,
        match=r"has several states: 'right', 'left', 'delayed left'. Choose one: .*\('join_0', state='right'\)",
    ):
        operator.to_pandas()
    with pytest.raises(CheckpointError, match="'join_0' has no state 'other'; it has 'right', 'left', 'delayed"):
        operator.state("other")


def test_an_operator_is_named_by_the_beginning_of_its_id(tmp_path):
    stored(tmp_path)
    state = sb.read_state(tmp_path, job="hours")
    assert state.operators == ["join_0", "totals", "windows"]
    assert repr(state.operator("win")) == "state of windows: panes"
    with pytest.raises(
        CheckpointError, match=r"'x' is not an operator with state in checkpoint 1 of job 'hours'; .*'tot"
    ):
        state.operator("x")
    with pytest.raises(CheckpointError, match="'' begins several operators with state in checkpoint 1"):
        state.operator("")


def test_the_newest_checkpoint_is_read_unless_one_is_named(tmp_path):
    for number, epoch, cut in [(1, 1, 1), (1, 1, 9), (1, 2, 3), (2, 1, 2)]:
        stored(tmp_path, cut, ["totals"], number=number, epoch=epoch)
    path = stored(tmp_path, 1, ["totals"], number=2, name="before the change")
    assert repr(sb.read_state(tmp_path, job="hours")) == "checkpoint 2 of job 'hours'"
    assert repr(sb.read_state(tmp_path, job="hours", checkpoint=9)) == "checkpoint 9 of job 'hours'"
    named = "savepoint 1 'before the change' of job 'hours'"
    assert repr(sb.read_state(tmp_path, job="hours", checkpoint="before the change")) == named
    assert repr(sb.read_state(tmp_path, job="hours", checkpoint=path)) == named
    assert repr(sb.read_state(tmp_path, job="hours", checkpoint=1)) == named
    with pytest.raises(
        CheckpointError, match=r"job 'hours' has no checkpoint 5 in .*; it has 1, 9, 3, 'before the change', 2"
    ):
        sb.read_state(tmp_path, job="hours", checkpoint=5)


def test_jobs_that_have_checkpoints_are_listed(tmp_path):
    with pytest.raises(
        CheckpointError,
        match=r"no checkpoint of job 'hours' in '.*'\. Pass the folder .*sb.checkpoint\('60s', storage='ckpt'\)\)$",
    ):
        sb.read_state(tmp_path, job="hours")
    stored(tmp_path, operators=["totals"])
    with pytest.raises(CheckpointError, match=r"there is no checkpoint of job 'days' in .*; there are some of 'hours'"):
        sb.read_state(tmp_path, job="days")


def test_the_default_is_the_folder_of_data(tmp_path, monkeypatch):
    monkeypatch.setenv("SABOTNB_DATA", str(tmp_path))
    stored(tmp_path / "checkpoints", operators=["totals"])
    assert sb.read_state(job="hours").operators == ["totals"]


def test_storage_may_be_a_url():
    stored("memory://saved", operators=["totals"])
    assert isinstance(sb.read_state("memory://saved", job="hours").operator("totals").to_pandas(), pd.DataFrame)


def test_broadcast_state_is_shown_once(tmp_path):
    run = RunId("hours", 1)
    batch = pa.record_batch({"k": ["a", "b"]})

    class Copy:
        def export(self, group):
            yield batch

    tasks = [TaskId(run, "join_0", index) for index in range(3)]
    frozen = FrozenState("join_0", StateSpec("right", Scope.BROADCAST), batch.schema, [0], Copy())
    files = {task: TaskSnapshot(write_states(str(tmp_path), run, 1, 1, task, [frozen])) for task in tasks}
    write_cut(str(tmp_path), StoredCut(run, 1, 1, CutKind.CHECKPOINT, 128, {}, {}, files))
    assert sb.read_state(tmp_path, job="hours").operator("join_0").to_arrow().to_pylist() == batch.to_pylist()


def test_a_damaged_file_is_named(tmp_path):
    stored(tmp_path)
    (file,) = tmp_path.rglob("totals-1.state")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=f"'{file}' is not the file that the checkpoint refers to"):
        sb.read_state(tmp_path, job="hours")


def test_a_cut_of_running_tasks_can_be_read(tmp_path):
    stream = sb.Stream.from_rows([{"k": x % 7, "x": 1} for x in range(5000)])
    counts = stream.group_by("k").agg(n=col("x").sum()).named("counts")
    job = compile_graph(collected(counts.flow), 2)
    with CheckpointedRun(job.execution, job.splits, str(tmp_path), config=Config(batch_rows=70)).start() as run:
        cut = run.read(polls=3).take_cut()
    write_cut(str(tmp_path), cut)
    frame = sb.read_state(tmp_path, job=cut.run.job).operator("counts").to_pandas()
    assert sorted(frame["k"]) == list(range(7))
    assert 0 < frame["n"].sum() < 5000


def test_a_checkpoint_without_state_says_so(tmp_path):
    stored(tmp_path, operators=[])
    with pytest.raises(
        CheckpointError,
        match=r"no operator has state in checkpoint 1 of .*\. Read its newest one: sb.read_state\(.*'hours'\)$",
    ):
        sb.read_state(tmp_path, job="hours").operator("totals")
