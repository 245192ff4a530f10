import pyarrow as pa
import pytest
from taskjobs import numbers, reads

from sabotnb.exchange.gate import InputGate
from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, Operator, Sink, Source
from sabotnb.graph.specs import Phase
from sabotnb.metrics import TaskCounters
from sabotnb.plan.execution_graph import Vertex
from sabotnb.protocol.source import Split
from sabotnb.task.chain import Chain, Emission, PassThrough, Stage
from sabotnb.task.source_input import SourceInput, rows_to_read
from sabotnb.task.steps import Steps
from sabotnb.task.taps import Taps

SCHEMA = pa.schema([("k", pa.int64())])
READ = Source("parquet", SCHEMA)
POSITIVE = Filter(col("k") > 0)
PARTIAL, FULL = (
    Aggregate(("k",), (AggregateColumn("n", "count"),), SCHEMA, phase) for phase in (Phase.PARTIAL, Phase.FULL)
)


@pytest.mark.parametrize(
    ("specs", "rows"),
    [
        ((READ,), 10),
        ((READ, POSITIVE), 10),
        ((READ, POSITIVE, PARTIAL), 40),
        ((READ, FULL), 10),
        ((READ, PARTIAL, Sink("parquet")), 10),
    ],
)
def test_more_rows_are_read_at_once_where_the_task_aggregates_them(specs, rows):
    operators = tuple(Operator(f"operator.{number}", spec) for number, spec in enumerate(specs))
    vertex = Vertex("operator.0", operators, (), (SCHEMA,) * len(specs), 1)
    assert rows_to_read(vertex, batch_rows=10) == rows


def source_input(source, splits=None):
    counters = TaskCounters(operators={"numbers": 0})
    node, steps = Operator("numbers", reads(source)), Steps()
    chain = Chain([Stage(node, PassThrough())], steps, Taps(counters))
    splits = source.splits() if splits is None else splits
    return SourceInput(node, source, splits, chain, InputGate([]), steps, counters, batch_rows=10), counters


def taken(task_input):
    """The rows of the next piece of work; None if there is none."""
    work = task_input.take()
    return work if work is None else [made.batch.num_rows for made in work if isinstance(made, Emission)]


def test_a_paused_source_reads_nothing_and_goes_on_where_it_was():
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


def test_the_bytes_of_a_split_are_done_when_it_has_been_read_to_its_end():
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
