"""Tasks that continue from a cut: what had ended, what was held, and what cannot be read."""

import threading
from pathlib import Path

import pyarrow as pa
import pytest
from taskjobs import COLLECT, MAKERS, TINY, Custom, X, graph, numbers, reads, rows, vertex

from sabotnb.errors import CheckpointError
from sabotnb.protocol import Scope, StateSpec
from sabotnb.protocol.operator import Operator
from sabotnb.state import GroupedRows
from sabotnb.testing import CheckpointedRun, Hold


class Sum(Operator):
    """Emits the sum of each port when it ends; the sums are in its memo, and its rows in a state."""

    def open(self, ctx):
        self.sums = {"0": 0, "1": 0}
        self.rows = ctx.keyed(StateSpec("rows", Scope.TASK), GroupedRows(X, (), ctx.groups))

    def process(self, port, batch):
        self.sums[str(port)] += sum(batch.column("x").to_pylist())
        self.rows.add(batch)
        return ()

    def on_end(self, port, reason):
        total = self.sums.pop(str(port), None)
        if total is not None:
            yield pa.RecordBatch.from_pylist(rows(total), schema=X)

    def memo(self):
        return dict(self.sums)

    def restored(self, memos):
        (self.sums,) = map(dict, memos)


def two_sources(first, second):
    return graph(
        [
            vertex("first", reads(first)),
            vertex("second", reads(second)),
            vertex("sum", Custom(Sum), COLLECT, ports=2),
        ],
        ("first", "sum"),
        ("second", "sum", "forward", 1),
    )


def started(job, storage):
    splits = {
        name: job.vertices[name].operators[0].spec.options["source"].splits()
        for name in job.vertices
        if name in ("first", "second")
    }
    return CheckpointedRun(job, splits, str(storage), makers=MAKERS, config=TINY).start()


def numbers_of(found):
    return sorted(row["x"] for row in found)


def test_an_input_that_had_ended_ends_again_and_its_rows_are_not_emitted_twice(tmp_path):
    event = threading.Event()
    first, second = numbers([[1], [2]]), numbers([[10], Hold(event), [20]])
    with started(two_sources(first, second), tmp_path) as run:
        cut = run.read().wait_ended("first").take_cut()
        again = run.take_cut()
    assert {task.vertex: snapshot.ended for task, snapshot in again.tasks.items()} == {
        "first": True,
        "second": False,
        "sum": False,
    }
    assert cut.finished == {"first": ("script-0",), "second": ()}
    opened = first.opened
    event.set()
    for stored in (cut, again):
        with run.restored(stored).start() as restored:
            assert numbers_of(restored.finish()) == [3, 30]
    assert first.opened == opened


def test_a_run_that_had_ended_completely_ends_at_once(tmp_path):
    with started(two_sources(numbers([[1]]), numbers([[2]])), tmp_path) as run:
        cut = run.read().wait_ended("first", "second", "sum").take_cut()
    assert all(snapshot.ended for snapshot in cut.tasks.values())
    with run.restored(cut).start() as restored:
        assert numbers_of(restored.finish()) == [1, 2]


def test_sources_read_nothing_behind_a_cut_that_holds_them(tmp_path):
    first = numbers([[1], *([[0]] * 200)])
    with started(two_sources(first, numbers([[2]])), tmp_path) as run:
        cut = run.read(1).take_cut(hold=True)
        polls = first.polls
        run.read()
        later = run.take_cut()
    assert first.polls == polls
    positions = [
        [(split.id, split.position) for task in stored.tasks for split in opened_in(stored, task)]
        for stored in (cut, later)
    ]
    assert positions[0] == positions[1]
    with run.restored(later).start() as restored:
        assert numbers_of(restored.finish()) == [1, 2]


def opened_in(stored, task):
    source = stored.tasks[task].source
    return () if source is None else source.opened


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("fault", [Path.unlink, damage, lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_a_file_that_cannot_be_read_fails_the_task_and_is_named(tmp_path, fault):
    with started(two_sources(numbers([[1], [2]]), numbers([[3], [4]])), tmp_path) as run:
        cut = run.read(3).take_cut()
    (path,) = [Path(snapshot.file.path) for snapshot in cut.tasks.values() if snapshot.file is not None]
    fault(path)
    with run.restored(cut) as restored, pytest.raises(CheckpointError, match=str(path)):
        restored.start().finish()


class OtherRows(Sum):
    def open(self, ctx):
        self.sums = {}
        self.rows = ctx.keyed(StateSpec("rows", Scope.TASK, self.version), GroupedRows(self.schema, (), ctx.groups))


class LaterVersion(OtherRows):
    version, schema = 2, X


class OtherColumns(OtherRows):
    version, schema = 1, pa.schema([("x", pa.int32())])


class WithoutState(Sum):
    def open(self, ctx):
        self.sums = {}


@pytest.mark.parametrize(
    ("operator", "difference"),
    [
        (LaterVersion, r"saved as state 'rows' \(task, version 1\), and now has task, version 2"),
        (OtherColumns, "field 'x', which was int64 in the checkpoint, and is int32 now"),
        (WithoutState, "no state 'rows'"),
    ],
)
def test_state_of_another_form_is_refused(tmp_path, operator, difference):
    with started(two_sources(numbers([[1], [2]]), numbers([[3], [4]])), tmp_path) as run:
        cut = run.read(3).take_cut()
    job = two_sources(numbers([[1], [2]]), numbers([[3], [4]]))
    job.vertices["sum"] = vertex("sum", Custom(operator), COLLECT, ports=2)
    with run.restored(cut, job) as restored, pytest.raises(CheckpointError, match=f"operator 'sum' .*{difference}"):
        restored.start().finish()
