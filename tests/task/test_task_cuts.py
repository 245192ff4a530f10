"""What a task writes and reports of its cuts."""

import threading
import weakref

import pytest
from frozen_states import RUN, Rows, batch, state

from sabotnb.graph import Operator as Node
from sabotnb.graph import Sink
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import Attempt, Cut, CutAcked, CutFailed, CutKind, SourceState, StateSpec, TaskId
from sabotnb.protocol.operator import Committable, Prepared
from sabotnb.storage import FrozenState, StateReader
from sabotnb.task.cut_writer import CutWriter
from sabotnb.task.frozen_chain import FrozenChain
from sabotnb.task.steps import StepFailed
from sabotnb.task.task_cuts import TaskCuts

ATTEMPT = Attempt(TaskId(RUN, "sum", 0), 3, 2)
SINK = Node("sink", Sink("parquet"))


class Output(Prepared):
    """Output of which ``durable`` waits for ``released``, and raises ``error`` if there is one."""

    def __init__(self, name, released=None, error=None):
        self.name, self.released, self.error = name, released, error

    def durable(self):
        assert self.released is None or self.released.wait(60)
        if self.error is not None:
            raise self.error
        return [Committable("sink", {"file": self.name})]


class Task:
    """The cuts of a task that writes into ``storage``."""

    def __init__(self, storage):
        self.reports = []
        self.written = threading.Semaphore(0)
        wake = self.written.release
        self.cuts = TaskCuts(ATTEMPT, "agent-1", str(storage), CutWriter(), self.reports.append, wake, self.counted)
        self.rows = 0

    def counted(self):
        return TaskCounters(rows_in=self.rows), {0: (self.rows, 8 * self.rows)}

    def take(self, number, output=None, *states, source=None):
        chain = FrozenChain(list(states), {"sum": {"n": number}}, {"sum": 5})
        if output is not None:
            chain.prepare_by(SINK, output)
        self.cuts.take(Cut(number, CutKind.CHECKPOINT, 2), chain, source)

    def wait(self, writes):
        for _ in range(writes):
            assert self.written.acquire(timeout=60)

    def acked(self):
        return [(ack.cut, [out.payload["file"] for out in ack.snapshot.committables]) for ack in self.reports]


@pytest.fixture
def task(tmp_path):
    return Task(tmp_path)


def test_a_cut_is_acknowledged_with_what_the_task_is(task):
    source = SourceState(finished=("a",))
    task.take(1, None, state("sum", "sums", {3: [batch(k=[1, 2])]}), source=source)
    task.wait(1)
    (acked,) = task.reports
    assert (acked.agent, acked.attempt, acked.cut) == ("agent-1", ATTEMPT, 1)
    snapshot = acked.snapshot
    assert (snapshot.source, snapshot.memos, snapshot.event_times) == (source, {"sum": {"n": 1}}, {"sum": 5})
    assert snapshot.stateful == ("sum",)
    reader = StateReader(snapshot.file)
    assert [rows.to_pylist() for rows in reader.batches("sum", "sums", 3)] == [[{"k": 1}, {"k": 2}]]
    assert reader.task == ATTEMPT.task


def test_a_task_without_states_and_output_acknowledges_at_once(task):
    task.take(1)
    assert [type(report) for report in task.reports] == [CutAcked]
    assert task.reports[0].snapshot.file is None
    assert not task.cuts.writing


def test_a_cut_is_acknowledged_with_what_was_counted_before_it_although_it_is_written_later(task):
    released = threading.Event()
    for number in (1, 2):
        task.rows = 10 * number
        task.take(number, Output(str(number), released))
    task.rows = 30
    released.set()
    task.wait(2)
    assert [(ack.counters.rows_in, ack.sent) for ack in task.reports] == [(10, {0: (10, 80)}), (20, {0: (20, 160)})]


def test_acknowledgements_are_in_the_order_of_cuts(task):
    released = threading.Event()
    task.take(1, Output("1", released))
    task.take(2)
    task.take(3, Output("3"))
    assert task.reports == []
    assert task.cuts.writing
    released.set()
    task.wait(3)
    assert task.acked() == [(1, ["1"]), (2, ["1"]), (3, ["1", "3"])]
    assert not task.cuts.writing


def test_output_is_repeated_until_it_is_known_to_be_stored(task):
    for number in (1, 2, 3):
        task.take(number, Output(str(number)))
        task.wait(1)
        if number == 2:
            task.cuts.note_stored(1)
    assert task.acked() == [(1, ["1"]), (2, ["1", "2"]), (3, ["2", "3"])]
    assert [out.payload["file"] for out in task.cuts.unstored()] == ["2", "3"]
    task.cuts.note_stored(3)
    assert task.cuts.unstored() == ()


def test_a_cut_that_cannot_be_written_fails_and_the_next_has_its_output(tmp_path):
    blocked = tmp_path / "storage"
    blocked.write_text("a file, where a folder is needed")
    task = Task(blocked)
    states = state("sum", "sums", {0: [batch(k=[1])]})
    task.take(1, Output("1"), states)
    task.wait(1)
    blocked.unlink()
    task.take(2, Output("2"), states)
    task.wait(1)
    failed, acked = task.reports
    assert (type(failed), failed.cut, failed.failure.error) == (CutFailed, 1, "CheckpointError")
    assert str(blocked) in failed.failure.message
    assert [out.payload["file"] for out in acked.snapshot.committables] == ["1", "2"]
    task.cuts.raise_error()


def test_nothing_is_frozen_while_output_is_made_durable(task):
    released, frozen = threading.Event(), Rows({0: [batch(k=[1])]})
    watched = weakref.ref(frozen)

    class Watches(Output):
        def durable(self):
            committables = super().durable()
            assert watched() is None
            return committables

    task.take(1, Watches("1", released), FrozenState("sum", StateSpec("sums"), batch(k=[1]).schema, [0], frozen))
    del frozen
    released.set()
    task.wait(1)
    task.cuts.raise_error()
    assert task.acked() == [(1, ["1"])]


def test_output_that_cannot_be_made_durable_fails_the_task(task):
    task.take(1, Output("1", error=OSError("no space left on device")))
    task.take(2, Output("2"))
    task.wait(2)
    assert task.reports == []
    with pytest.raises(StepFailed, match="durable of sink failed"):
        task.cuts.raise_error()


def test_a_task_that_has_ended_reports_nothing(task):
    released = threading.Event()
    task.take(1, Output("1", released))
    task.take(2, Output("2"))
    task.cuts.end()
    released.set()
    task.wait(2)
    task.take(3)
    assert task.reports == []


def test_states_without_a_storage_fail_the_cut(tmp_path):
    task = Task(tmp_path)
    task.cuts = TaskCuts(ATTEMPT, "agent-1", None, CutWriter(), task.reports.append, task.written.release, task.counted)
    task.take(1, None, state("sum", "sums", {0: [batch(k=[1])]}))
    task.wait(1)
    assert "its run has no storage" in task.reports[0].failure.message
