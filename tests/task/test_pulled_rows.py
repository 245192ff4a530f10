import json

import pyarrow as pa
import pytest

from sabotnb.config import Config
from sabotnb.protocol import Batch, OperatorContext, RunId
from sabotnb.task.pulled_rows import PulledRows
from sabotnb.task.result_buffers import ResultOutput, Results

RUN = RunId("job", 1)
SCHEMA = pa.schema({"x": pa.int64()})


class Task:
    """A sink whose rows the client pulls, as a task has it."""

    def __init__(self, epoch=1, *, restoring=False):
        self.results = Results(Config())
        buffer = self.results.open(RUN, "sink", 0, lambda: None, None, epoch, restoring=restoring)
        self.output = ResultOutput(buffer, Config())
        self.sink = PulledRows(SCHEMA, self.output)
        self.epoch = epoch
        ctx = OperatorContext(RUN, "sink", 0, 1, 128)
        self.sink.open(ctx)
        (self.state,) = ctx.states.values()

    def emit(self, *values):
        (rows,) = self.sink.process(0, pa.record_batch({"x": list(values)}, schema=SCHEMA))
        self.output.emit(Batch(rows, rows.nbytes))
        self.output.flush()

    def pull(self, seq, epoch=None):
        pulled, payloads = self.results.pull_nowait(RUN, "sink", 0, seq, epoch or self.epoch, 1 << 20)
        rows = [pa.ipc.open_stream(data).read_all()["x"].to_pylist() for data in payloads]
        return pulled.next, rows

    def cut(self):
        groups = self.state.groups()
        exported = [batch for group in groups for batch in self.state.freeze(groups).export(group)]
        return exported, json.loads(json.dumps(self.sink.memo()))


def restored(exported, memo):
    task = Task(epoch=2, restoring=True)
    if exported:
        task.state.load(0, exported)
    task.sink.restored([memo])
    return task


def test_unread_batches_keep_their_numbers_and_rows():
    task = Task()
    task.emit(1)
    task.emit(2, 3)
    task.emit(4)
    task.pull(1)  # the first one is acknowledged
    exported, memo = task.cut()
    again = restored([batch.slice(at, 1) for batch in exported for at in range(batch.num_rows)], memo)
    again.emit(5)
    assert again.pull(1) == (4, [[2, 3], [4], [5]])


def test_rows_after_the_cut_are_taken_back():
    task = Task()
    task.emit(1)
    state = task.cut()
    task.emit(2)
    again = restored(*state)
    assert task.pull(0) == (2, [[1], [2]])
    assert again.pull(2, epoch=1) == (1, [])
    again.emit(3)
    assert again.pull(1) == (2, [[3]])


@pytest.mark.parametrize("read", [0, 1])
def test_nothing_unread_is_no_state(read):
    task = Task()
    for _ in range(read):
        task.emit(1)
        task.pull(1)
    exported, memo = task.cut()
    assert exported == []
    again = restored(exported, memo)
    again.emit(2)
    assert again.pull(read) == (read + 1, [[2]])


def test_rows_on_their_way_do_not_count_as_state():
    task = Task()
    task.emit(1, 2)
    assert task.state.size() == (0, 0)
    assert task.state.nbytes(0) == 16
