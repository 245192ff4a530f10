import pyarrow as pa
import pytest
from taskjobs import X, numbers, reads, rows

from sabotnb.exchange.gate import InputGate
from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, Operator, Sink, Source
from sabotnb.graph.specs import Phase
from sabotnb.metrics import TaskCounters
from sabotnb.plan.execution_graph import Vertex
from sabotnb.protocol.source import Split
from sabotnb.task.chain import Chain, Emission, PassThrough, Stage
from sabotnb.task.probes import Probes
from sabotnb.task.source_input import RETRY_SECONDS, SourceInput, rows_to_read
from sabotnb.task.split_supply import SplitSupply
from sabotnb.task.steps import Steps
from sabotnb.testing import Pause, ScriptedSource

SCHEMA = pa.schema([("k", pa.int64())])
READ = Source("parquet", SCHEMA)
POSITIVE = Filter(col("k") > 0)
PARTIAL, FULL = (
    Aggregate(("k",), (AggregateColumn("n", "count"),), SCHEMA, phase) for phase in (Phase.PARTIAL, Phase.FULL)
)


@pytest.mark.parametrize(
    ("specs", "most"),
    [
        ((READ,), 10),
        ((READ, POSITIVE), 10),
        ((READ, POSITIVE, PARTIAL), 40),
        ((READ, FULL), 10),
        ((READ, PARTIAL, Sink("parquet")), 10),
    ],
)
def test_batches_are_larger_if_the_task_aggregates_them(specs, most):
    operators = tuple(Operator(f"operator.{number}", spec) for number, spec in enumerate(specs))
    vertex = Vertex("operator.0", operators, (), (SCHEMA,) * len(specs), 1)
    assert rows_to_read(vertex, batch_rows=10) == most


class Sleeps(InputGate):
    """Records the timeouts of its polls."""

    def __init__(self):
        super().__init__([])
        self.slept = []

    def poll(self, timeout):
        self.slept.append(timeout)


def source_input(source, splits=None, gate=None):
    counters = TaskCounters(operators={"numbers": 0})
    node, steps = Operator("numbers", reads(source)), Steps()
    chain = Chain([Stage(node, PassThrough())], steps, Probes(counters))
    supply = SplitSupply(source.splits() if splits is None else splits)
    gate = InputGate([]) if gate is None else gate
    return SourceInput(node, source, supply, chain, gate, steps, counters, batch_rows=10), counters


def taken(task_input):
    """Return the numbers of rows of the next work; None if there is none."""
    work = task_input.take()
    return work if work is None else [item.batch.num_rows for item in work if isinstance(item, Emission)]


def test_a_paused_source_reads_no_rows_and_continues_after_resume():
    source = numbers([[1], [2, 3]])
    reading, _ = source_input(source)
    reading.pause()
    reading.start()
    assert taken(reading) is None
    assert source.opened == 0
    reading.resume()
    assert taken(reading) == [1]
    reading.pause()
    assert taken(reading) is None
    reading.resume()
    assert taken(reading) == [2]


def test_a_paused_source_can_be_stopped():
    reading, _ = source_input(numbers([[1], [2]]))
    reading.start()
    assert taken(reading) == [1]
    reading.pause()
    reading.stop()
    assert taken(reading) == []
    assert reading.ended


@pytest.mark.parametrize(("due", "slept"), [(None, RETRY_SECONDS), (0.4, 0.4), (0.0, 0.0), (3600.0, 1.0)])
def test_a_source_without_rows_sleeps_until_its_reader_is_due(due, slept):
    class Late(ScriptedSource):
        def open(self, split):
            reader = super().open(split)
            reader.due = lambda: due
            return reader

    gate = Sleeps()
    reading, _ = source_input(Late(X, [Pause(), rows(1)]), gate=gate)
    reading.wait(1.0)  # not started yet
    reading.start()
    assert taken(reading) is None
    reading.wait(1.0)
    reading.pause()
    reading.wait(1.0)
    assert gate.slept == [1.0, slept, 1.0]


def test_the_bytes_of_a_split_count_when_it_was_read_completely():
    source = numbers([[1]], [[2]])
    splits = [
        Split(split.id, split.position, nbytes=nbytes) for split, nbytes in zip(source.splits(), (30, 4), strict=True)
    ]
    reading, counters = source_input(source, splits)
    reading.start()
    done = []
    while not reading.ended:
        taken(reading)
        done.append(counters.bytes_done)
    assert done == [0, 30, 30, 34, 34]
