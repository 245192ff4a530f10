import pyarrow as pa
import pytest
from taskjobs import X, numbers, reads, rows

from sabotnb.exchange.gate import InputGate
from sabotnb.expr import col
from sabotnb.graph import Aggregate, AggregateColumn, Filter, Operator, Sink, Source
from sabotnb.graph.specs import Phase
from sabotnb.metrics import TaskCounters
from sabotnb.plan.execution_graph import Vertex
from sabotnb.protocol import Cut, CutKind
from sabotnb.protocol.source import Split
from sabotnb.task.chain import Chain
from sabotnb.task.probes import Probes
from sabotnb.task.source_input import RETRY_SECONDS, SourceInput, rows_to_read
from sabotnb.task.split_supply import SplitSupply
from sabotnb.task.stage import Emission, PassThrough, Stage
from sabotnb.task.steps import Steps
from sabotnb.task.task_input import ignore_cut
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


def source_input(source, splits=None, gate=None, on_cut=ignore_cut):
    counters = TaskCounters(operators={"numbers": 0})
    node, steps = Operator("numbers", reads(source)), Steps()
    chain = Chain([Stage(node, PassThrough())], steps, Probes(counters))
    supply = SplitSupply(source.splits() if splits is None else splits)
    gate = InputGate([]) if gate is None else gate
    return SourceInput(node, source, supply, chain, gate, steps, counters, 10, on_cut=on_cut), counters


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


def cut(number):
    return Cut(number, CutKind.CHECKPOINT, 1)


class Cuts:
    """A source's input, and what it was at its cuts."""

    def __init__(self, source, splits=None):
        self.states = {}
        self.input, self.counters = source_input(source, splits, on_cut=self._note)

    def _note(self, cut, frozen, state):
        opened = [(split.id, split.position["step"]) for split in state.opened]
        self.states[cut.id] = opened, list(state.finished)

    def take(self, number, *, hold=False):
        self.input.take_cut(cut(number), hold=hold)
        assert list(self.input.take_due_cut()) == [cut(number)]
        return self.states[number]


def test_a_cut_is_taken_between_two_polls_with_the_positions_of_all_splits():
    source = numbers([[1], [2]], [[3]], [[4]])
    cuts = Cuts(source)
    waiting = [("script-1", 0), ("script-2", 0)]
    assert cuts.take(1) == ([("script-0", 0), *waiting], [])
    assert cuts.counters.cut_pause > 0
    cuts.input.start()
    assert taken(cuts.input) == [1]
    assert cuts.take(2) == ([("script-0", 1), *waiting], [])
    assert [taken(cuts.input) for _ in range(3)] == [[1], [], [1]]
    assert cuts.take(3) == ([("script-1", 1), ("script-2", 0)], ["script-0"])
    assert [taken(cuts.input) for _ in range(3)] == [[], [1], []]
    assert cuts.take(4) == ([], ["script-0", "script-1", "script-2"])


def test_a_split_that_was_not_polled_is_at_the_position_at_which_it_was_opened():
    cuts = Cuts(numbers([[1], [2], Pause(), [3]]), [Split("script-0", {"step": 2})])
    cuts.input.start()
    assert taken(cuts.input) is None
    assert cuts.take(1) == ([("script-0", 2)], [])
    assert taken(cuts.input) == [1]
    assert cuts.take(2) == ([("script-0", 4)], [])


def test_a_paused_source_takes_cuts_and_one_that_is_held_reads_on_after_resume():
    cuts = Cuts(numbers([[1], [2]]))
    cuts.input.start()
    cuts.input.pause()
    assert cuts.take(1) == ([("script-0", 0)], [])
    cuts.input.resume()
    cuts.take(2, hold=True)
    assert taken(cuts.input) is None
    cuts.input.resume()
    assert taken(cuts.input) == [1]


def test_a_cut_that_is_taken_after_resume_does_not_hold_the_source():
    cuts = Cuts(numbers([[1], [2], [3]]))
    cuts.input.start()
    cuts.input.take_cut(cut(1), hold=True)
    cuts.input.resume()
    cuts.input.take_cut(cut(2), hold=True)
    assert list(cuts.input.take_due_cut()) == [cut(1)]
    assert taken(cuts.input) == [1]
    assert list(cuts.input.take_due_cut()) == [cut(2)]
    assert taken(cuts.input) is None


def test_a_source_that_was_stopped_takes_no_cut():
    cuts = Cuts(numbers([[1], [2]]))
    cuts.input.start()
    cuts.input.take_cut(cut(1), hold=False)
    cuts.input.stop()
    cuts.input.take_cut(cut(2), hold=False)
    assert cuts.input.take_due_cut() is None
    assert taken(cuts.input) == []
    assert cuts.input.ended


def test_a_source_that_is_stopped_before_its_start_ends_when_the_tasks_below_are_there():
    cuts = Cuts(numbers([[1], [2]]))
    cuts.input.stop()
    assert cuts.input.take() is None
    assert not cuts.input.ended
    cuts.input.start()
    assert taken(cuts.input) == []
    assert cuts.input.ended


def test_a_cut_that_is_told_twice_is_taken_once():
    cuts = Cuts(numbers([[1]]))
    for number in (1, 2, 1, 2):
        cuts.input.take_cut(cut(number), hold=False)
    assert [list(cuts.input.take_due_cut()) for _ in range(2)] == [[cut(1)], [cut(2)]]
    assert cuts.input.take_due_cut() is None
