"""What a task makes of the elements of its gate."""

import pyarrow as pa
import pytest
from taskjobs import X, rows

from sabotnb.errors import ProtocolError
from sabotnb.exchange.channel import ChannelKey
from sabotnb.exchange.gate import InputGate
from sabotnb.graph import Operator as Node
from sabotnb.graph import Union
from sabotnb.metrics import TaskCounters
from sabotnb.protocol.elements import MAX_WATERMARK, Batch, Cut, CutKind, End, EndReason, Leave, Status, Watermark
from sabotnb.protocol.operator import Operator
from sabotnb.task.chain import Chain, Emission, Stage
from sabotnb.task.gate_input import GateInput
from sabotnb.task.probes import Probes
from sabotnb.task.steps import Steps


class Recorded(Operator):
    """Passes rows on and remembers what else it was told."""

    def __init__(self):
        self.told = []

    def process(self, port, batch):
        return (batch,)

    def on_watermark(self, us):
        self.told.append(us)
        return ()

    def on_end(self, port, reason):
        self.told.append((port, reason))
        return ()


class Input:
    """A gate with ``channels`` (port, sending task), and what its task makes of them."""

    def __init__(self, *channels, ports=1):
        self.operators = [Recorded(), Recorded()]
        nodes = [Node(name, Union(ports)) for name in ("first", "second")]
        counters = TaskCounters(operators={node.id: 0 for node in nodes})
        stages = [Stage(node, operator) for node, operator in zip(nodes, self.operators, strict=True)]
        self.gate = InputGate((port, ChannelKey("job", 1, port, up, 0)) for port, up in channels)
        numbers = {port: self.gate.channels(port) for port in range(ports)}
        steps = Steps()
        self.input = GateInput(self.gate, numbers, Chain(stages, steps, Probes(counters)), counters)

    def put(self, port, up, element):
        channels = {(channel.port, channel.key.up): channel for channel in self.gate.all_channels()}
        channels[port, up].put(element, 0)

    def take(self):
        """Everything that leaves the task for what its gate holds; rows as lists."""
        found = []
        while (work := self.input.take()) is not None:
            found += [made.batch["x"].to_pylist() if isinstance(made, Emission) else made for made in work]
        return found

    def made_of(self, port, up, *elements):
        for element in elements:
            self.put(port, up, element)
        return self.take()

    def add(self, port, up):
        self.gate.add(port, ChannelKey("job", 1, port, up, 0))
        return list(self.input.add(port, up))

    @property
    def told(self):
        """What the first and the second operator were told, but for rows."""
        return [operator.told for operator in self.operators]


def batch(*values):
    data = pa.RecordBatch.from_pylist(rows(*values), schema=X)
    return Batch(data, data.nbytes)


def test_rows_go_through_and_watermarks_are_the_minimum_of_the_channels():
    task = Input((0, 0), (0, 1))
    assert task.made_of(0, 0, batch(1, 2), Watermark(5)) == [[1, 2]]
    assert task.made_of(0, 1, Watermark(3), batch(3)) == [Watermark(3), [3]]
    assert task.told == [[3], [3]]


@pytest.mark.parametrize(
    ("reasons", "reason"),
    [
        ([EndReason.EXHAUSTED, EndReason.EXHAUSTED], EndReason.EXHAUSTED),
        ([EndReason.STOPPED, EndReason.EXHAUSTED], EndReason.STOPPED),
        ([EndReason.EXHAUSTED, EndReason.STOPPED], EndReason.STOPPED),
    ],
)
def test_a_port_ends_with_its_last_channel_and_the_task_with_its_last_port(reasons, reason):
    task = Input((0, 0), (1, 0), (1, 1), ports=3)
    assert task.take() == []
    assert task.told == [[(2, EndReason.EXHAUSTED)], []]
    for up in range(2):
        assert task.made_of(1, up, End(reasons[up])) == []
    assert task.told[0][1:] == [(1, reason)]
    assert not task.input.ended
    task.made_of(0, 0, End())
    assert task.told == [[(2, EndReason.EXHAUSTED), (1, reason), (0, EndReason.EXHAUSTED)], [(0, reason)]]
    assert task.input.ended


def test_the_tasks_below_hear_when_all_channels_are_idle_and_when_one_is_active_again():
    task = Input((0, 0), (0, 1), (0, 2))
    assert task.made_of(0, 0, Watermark(5)) == []
    assert task.made_of(0, 1, Status(idle=True)) == []
    assert task.made_of(0, 2, Watermark(7), Status(idle=True)) == [Watermark(5)]
    assert task.made_of(0, 0, End()) == [Status(idle=True)]
    assert task.made_of(0, 1, Watermark(4)) == [Status(idle=False)]  # behind what was said already
    assert task.made_of(0, 1, Status(idle=True), Status(idle=False)) == [Status(idle=True), Status(idle=False)]
    assert task.made_of(0, 1, Watermark(MAX_WATERMARK)) == [Watermark(MAX_WATERMARK)]


def test_a_channel_that_is_left_holds_nobody_and_the_others_end_the_port():
    task = Input((0, 0), (0, 1))
    assert task.made_of(0, 0, Watermark(5), batch(1)) == [[1]]
    assert task.made_of(0, 1, batch(2), Leave()) == [[2], Watermark(5)]
    assert not task.input.ended
    task.made_of(0, 0, End())
    assert task.told == [[5, (0, EndReason.EXHAUSTED)]] * 2
    assert (task.input.ended, task.input.farewell) == (True, End())


@pytest.mark.parametrize("first", [0, 1])
def test_a_task_that_all_senders_of_a_port_have_left_leaves_without_an_end(first):
    task = Input((0, 0), (1, 0), (1, 1), ports=2)
    farewells = [(0, 0, End()), (1, 0, Leave()), (1, 1, Leave())]
    for port, up, element in (farewells, farewells[::-1])[first]:
        assert not task.input.ended
        assert task.made_of(port, up, element) == []
    assert task.told == [[(0, EndReason.EXHAUSTED)], []]
    assert (task.input.ended, task.input.farewell) == (True, Leave())


def test_a_channel_that_joins_holds_the_event_time_until_it_reports():
    task = Input((0, 0))
    assert task.made_of(0, 0, Watermark(5)) == [Watermark(5)]
    assert task.add(0, 3) == []
    assert task.made_of(0, 0, batch(1), Watermark(8)) == [[1]]
    assert task.made_of(0, 3, batch(2)) == [[2]]
    assert task.made_of(0, 3, Watermark(7)) == [Watermark(7)]
    assert task.made_of(0, 0, End()) == []
    assert not task.input.ended
    assert task.made_of(0, 3, Watermark(9), End()) == [Watermark(9)]
    assert task.input.ended


def test_a_channel_that_joins_idle_ones_is_waited_for():
    task = Input((0, 0))
    assert task.made_of(0, 0, Watermark(5), Status(idle=True)) == [Watermark(5), Status(idle=True)]
    assert task.add(0, 1) == [Status(idle=False)]
    assert task.made_of(0, 1, Status(idle=True)) == [Status(idle=True)]


def test_no_channel_joins_a_port_that_is_over():
    task = Input((0, 0), (1, 0), ports=2)
    task.made_of(0, 0, End())
    with pytest.raises(ProtocolError, match="joins port 0, which is over"):
        task.add(0, 1)


def test_a_cut_is_refused_until_tasks_can_make_one():
    with pytest.raises(ProtocolError, match="cannot handle Cut"):
        Input((0, 0)).made_of(0, 0, Cut(1, CutKind.CHECKPOINT, 1))
