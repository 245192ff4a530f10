"""The work that a task does for the elements of its gate."""

import itertools

import pyarrow as pa
import pytest
from exchanges import channel_key
from taskjobs import X, rows

from sabotnb.errors import ProtocolError
from sabotnb.exchange.gate import InputGate
from sabotnb.graph import Operator as Node
from sabotnb.graph import Union
from sabotnb.metrics import TaskCounters
from sabotnb.protocol import TaskRestore
from sabotnb.protocol.elements import (
    MAX_WATERMARK,
    MIN_WATERMARK,
    Batch,
    Cut,
    CutKind,
    End,
    EndReason,
    Leave,
    Marker,
    Status,
    Watermark,
)
from sabotnb.protocol.operator import Operator
from sabotnb.task.chain import Chain
from sabotnb.task.gate_input import GateInput
from sabotnb.task.probes import Probes
from sabotnb.task.stage import Emission, Stage
from sabotnb.task.steps import Steps


class Recorded(Operator):
    """Returns its rows, and records its other calls."""

    def __init__(self):
        self.calls = []

    def process(self, port, batch):
        return (batch,)

    def on_watermark(self, us):
        self.calls.append(us)
        return ()

    def on_end(self, port, reason):
        self.calls.append((port, reason))
        return ()


class Input:
    """A gate with ``channels`` (port, sending task), and the input of its task."""

    def __init__(self, *channels, ports=1, timed=None):
        self.operators = [Recorded(), Recorded()]
        nodes = [Node(name, Union(ports)) for name in ("first", "second")]
        counters = self.counters = TaskCounters(operators={node.id: 0 for node in nodes})
        stages = [Stage(node, operator) for node, operator in zip(nodes, self.operators, strict=True)]
        self.gate = InputGate((port, channel_key(up, edge=port)) for port, up in channels)
        numbers = {port: self.gate.channels(port) for port in range(ports)}
        steps = Steps()
        self.cuts = []
        chain = Chain(stages, steps, Probes(counters))
        self.input = GateInput(self.gate, numbers, chain, counters, timed, lambda cut, *_: self.cuts.append(cut.id))

    def put(self, port, up, element):
        channels = {(channel.port, channel.key.up.task): channel for channel in self.gate.all_channels()}
        channels[port, up].put(element, 0)

    def take(self):
        """Return everything that the task emits for the elements in its gate, rows as lists."""
        items = []
        while (work := self.input.take()) is not None:
            items += [
                item.batch["x"].to_pylist() if isinstance(item, Emission) else item for item in work if item is not None
            ]
        return items

    def outputs_of(self, port, up, *elements):
        for element in elements:
            self.put(port, up, element)
        return self.take()

    def add(self, port, up):
        key = channel_key(up, edge=port)
        self.gate.add(port, key)
        return list(self.input.add(port, key.up))

    @property
    def calls(self):
        """The recorded calls of the first and the second operator."""
        return [operator.calls for operator in self.operators]


def batch(*values):
    data = pa.RecordBatch.from_pylist(rows(*values), schema=X)
    return Batch(data, data.nbytes)


def test_rows_go_through_and_watermarks_are_the_minimum_of_the_channels():
    task = Input((0, 0), (0, 1))
    assert task.outputs_of(0, 0, batch(1, 2), Watermark(5)) == [[1, 2]]
    assert task.outputs_of(0, 1, Watermark(3), batch(3)) == [Watermark(3), [3]]
    assert task.calls == [[3], [3]]


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
    assert task.calls == [[(2, EndReason.EXHAUSTED)], []]
    for up in range(2):
        assert task.outputs_of(1, up, End(reasons[up])) == []
    assert task.calls[0][1:] == [(1, reason)]
    assert not task.input.ended
    task.outputs_of(0, 0, End())
    assert task.calls == [[(2, EndReason.EXHAUSTED), (1, reason), (0, EndReason.EXHAUSTED)], [(0, reason)]]
    assert task.input.ended


def test_downstream_tasks_learn_when_all_channels_are_idle_and_when_a_channel_is_active_again():
    task = Input((0, 0), (0, 1), (0, 2))
    assert task.outputs_of(0, 0, Watermark(5)) == []
    assert task.outputs_of(0, 1, Status(idle=True)) == []
    assert task.outputs_of(0, 2, Watermark(7), Status(idle=True)) == [Watermark(5)]
    assert task.outputs_of(0, 0, End()) == [Status(idle=True)]
    assert task.outputs_of(0, 1, Watermark(4)) == [Status(idle=False)]  # behind the current watermark
    assert task.outputs_of(0, 1, Status(idle=True), Status(idle=False)) == [Status(idle=True), Status(idle=False)]
    assert task.outputs_of(0, 1, Watermark(MAX_WATERMARK)) == [Watermark(MAX_WATERMARK)]


def test_a_channel_whose_sender_left_does_not_count_and_the_others_end_the_port():
    task = Input((0, 0), (0, 1))
    assert task.outputs_of(0, 0, Watermark(5), batch(1)) == [[1]]
    assert task.outputs_of(0, 1, batch(2), Leave()) == [[2], Watermark(5)]
    assert not task.input.ended
    task.outputs_of(0, 0, End())
    assert task.calls == [[5, (0, EndReason.EXHAUSTED)]] * 2
    assert (task.input.ended, task.input.last_element) == (True, End())


@pytest.mark.parametrize("first", [0, 1])
def test_a_task_leaves_without_an_end_when_all_senders_of_a_port_have_left(first):
    task = Input((0, 0), (1, 0), (1, 1), ports=2)
    endings = [(0, 0, End()), (1, 0, Leave()), (1, 1, Leave())]
    for port, up, element in (endings, endings[::-1])[first]:
        assert not task.input.ended
        assert task.outputs_of(port, up, element) == []
    assert task.calls == [[(0, EndReason.EXHAUSTED)], []]
    assert (task.input.ended, task.input.last_element) == (True, Leave())


def test_an_added_channel_holds_the_event_time_back_until_it_reports():
    task = Input((0, 0))
    assert task.outputs_of(0, 0, Watermark(5)) == [Watermark(5)]
    assert task.add(0, 3) == []
    assert task.outputs_of(0, 0, batch(1), Watermark(8)) == [[1]]
    assert task.outputs_of(0, 3, batch(2)) == [[2]]
    assert task.outputs_of(0, 3, Watermark(7)) == [Watermark(7)]
    assert task.outputs_of(0, 0, End()) == []
    assert not task.input.ended
    assert task.outputs_of(0, 3, Watermark(9), End()) == [Watermark(9)]
    assert task.input.ended


def test_an_attempt_that_replaces_another_does_not_let_the_event_time_go_ahead():
    task = Input((0, 0), (0, 1))
    for up, us in ((0, 5), (1, 6)):
        task.outputs_of(0, up, Watermark(us))
    old, new = task.gate.all_channels()[1], channel_key(1, attempts=(7, 0))
    joined = task.gate.add(0, new)
    assert list(task.input.add(0, new.up)) == []
    old.put(Leave(), 0)
    assert task.take() == []
    assert task.outputs_of(0, 0, Watermark(9)) == []
    joined.put(Watermark(8), 0)
    assert task.take() == [Watermark(8)]
    joined.put(End(), 0)
    assert task.take() == [Watermark(9)]
    assert not task.input.ended


def test_a_channel_added_to_idle_channels_is_active():
    task = Input((0, 0))
    assert task.outputs_of(0, 0, Watermark(5), Status(idle=True)) == [Watermark(5), Status(idle=True)]
    assert task.add(0, 1) == [Status(idle=False)]
    assert task.outputs_of(0, 1, Status(idle=True)) == [Status(idle=True)]


def test_no_channel_can_be_added_to_an_ended_port():
    task = Input((0, 0), (1, 0), ports=2)
    task.outputs_of(0, 0, End())
    with pytest.raises(ProtocolError, match="joins port 0, which has ended"):
        task.add(0, 1)


def test_a_port_without_event_time_has_no_part_in_that_of_the_task():
    task = Input((0, 0), (1, 0), ports=2, timed={0})
    assert task.outputs_of(0, 0, Watermark(5)) == [Watermark(5)]
    assert task.outputs_of(1, 0, Watermark(3), Status(idle=True)) == []
    assert task.outputs_of(0, 0, Watermark(7), Status(idle=True)) == [Watermark(7), Status(idle=True)]
    assert task.add(1, 2) == []
    task.outputs_of(1, 0, End())
    assert task.outputs_of(0, 0, Watermark(MAX_WATERMARK), End()) == [Status(idle=False), Watermark(MAX_WATERMARK)]
    task.outputs_of(1, 2, End())
    assert task.input.ended


def test_the_last_watermark_of_complete_input_goes_before_its_end():
    task = Input((0, 0), (0, 1))
    complete = [Watermark(MAX_WATERMARK), End()]
    assert task.outputs_of(0, 0, Watermark(5), *complete) == []
    assert task.outputs_of(0, 1, batch(1), *complete) == [[1], Watermark(MAX_WATERMARK)]
    assert task.calls == [[MAX_WATERMARK, (0, EndReason.EXHAUSTED)]] * 2
    assert task.input.ended


class Upstream:
    """What an upstream task has told so far, for a gate that is computed by visiting both."""

    def __init__(self):
        self.us, self.idle, self.ended = MIN_WATERMARK, False, False


def expected(sequence):
    """Return what a task does for elements of two upstream tasks: rows, and the watermarks and states it passes on."""
    ups, items, low, was_idle = [Upstream(), Upstream()], [], MIN_WATERMARK, False
    for up, element in sequence:
        told = ups[up]
        match element:
            case Batch():
                items.append(element.data["x"].to_pylist())
                continue
            case Watermark():
                told.us, told.idle = max(told.us, element.us), False
            case Status():
                told.idle = element.idle
            case End():
                told.ended = True
        running = [other for other in ups if not other.ended]
        lowest = min((other.us for other in running if not other.idle), default=low)
        if lowest > low:
            items.append(Watermark(lowest))
            low = lowest
        idle = bool(running) and all(other.idle for other in running)
        if idle is not was_idle:
            items.append(Status(idle))
            was_idle = idle
    return items, all(other.ended for other in ups)


KINDS = ("row", "watermark", "idle", "end")
SENT = {
    0: {"row": batch(1), "watermark": [Watermark(us) for us in (4, 2, 9)], "idle": Status(idle=True), "end": End()},
    1: {"row": batch(2), "watermark": [Watermark(us) for us in (3, 7, 5)], "idle": Status(idle=True), "end": End()},
}


def sent(up, kinds):
    """Return the elements of one upstream task; its watermarks rise, but one."""
    watermarks = iter(SENT[up]["watermark"])
    return [next(watermarks) if kind == "watermark" else SENT[up][kind] for kind in kinds]


def histories(length):
    """All histories of an upstream task of ``length`` elements, or fewer if it ends before."""
    return [
        kinds[: kinds.index("end") + 1] if "end" in kinds else kinds
        for kinds in itertools.product(KINDS, repeat=length)
        if "end" not in kinds or set(kinds[kinds.index("end") :]) == {"end"}
    ]


def interleavings(first, second):
    for places in itertools.combinations(range(len(first) + len(second)), len(first)):
        mine, other = iter(first), iter(second)
        yield [(0, next(mine)) if i in places else (1, next(other)) for i in range(len(first) + len(second))]


@pytest.mark.parametrize("first", histories(3), ids="-".join)
def test_all_interleavings_of_two_upstream_tasks(first):
    for second in histories(3):
        for sequence in interleavings(sent(0, first), sent(1, second)):
            task = Input((0, 0), (0, 1))
            items = [item for up, element in sequence for item in task.outputs_of(0, up, element)]
            assert (items, task.input.ended) == expected(sequence), sequence


class Attempts:
    """Two upstream tasks, each of whose attempts may leave and be followed by others, at the gate of a task."""

    def __init__(self):
        self.task = Input((0, 0), (0, 1))
        self.alive = [[channel] for channel in self.task.gate.all_channels()]
        self.joined = 0

    def take(self, up, kind, element):
        """Carry out a step: the newest attempt sends, the oldest leaves. Returns what the task does for it."""
        match kind:
            case "join":
                self.joined += 1
                key = channel_key(up, attempts=(self.joined, 0))
                added = list(self.task.input.add(0, key.up))
                self.alive[up].append(self.task.gate.add(0, key))
                return added
            case "leave":
                self.alive[up].pop(0).put(Leave(), 0)
            case _:
                self.alive[up][-1].put(element, 0)
        return self.task.take()


def heard(attempts, kind, element):
    """Change what the attempts at one upstream task have told: the newest sends, the oldest leaves."""
    match kind:
        case "watermark":
            attempts[-1].us, attempts[-1].idle = max(attempts[-1].us, element.us), False
        case "idle":
            attempts[-1].idle = True
        case "end":
            attempts.pop()
        case "leave":
            attempts.pop(0)
        case "join":
            attempts.append(Upstream())


def expected_of_attempts(sequence):
    """The same by visiting every attempt: items, and whether all are gone; None if one joins then."""
    alive, items, low, was_idle = [[Upstream()], [Upstream()]], [], MIN_WATERMARK, False
    for up, kind, element in sequence:
        if not any(alive):
            return items, None
        heard(alive[up], kind, element)
        if kind == "row":
            items.append(element.data["x"].to_pylist())
        running = [told for attempts in alive for told in attempts]
        lowest = min((told.us for told in running if not told.idle), default=low)
        if lowest > low:
            items.append(Watermark(lowest))
            low = lowest
        idle = bool(running) and all(told.idle for told in running)
        if idle is not was_idle:
            items.append(Status(idle))
            was_idle = idle
    return items, not any(alive)


def lives(length):
    """All histories of an upstream task of ``length`` steps, or fewer if it ends or nothing of it is left."""
    found, growing = set(), [()]
    while growing:
        steps = growing.pop()
        alive = 1 + steps.count("join") - steps.count("leave")
        if len(steps) == length or "end" in steps:
            found.add(steps)
            continue
        kinds = ["join"] + ["row", "watermark", "idle", "leave"] * (alive > 0) + ["end"] * (alive == 1)
        growing += [(*steps, kind) for kind in kinds]
    return sorted(found)


def steps_of(up, kinds):
    watermarks = iter(SENT[up]["watermark"])
    return [
        (up, kind, next(watermarks) if kind == "watermark" else SENT[up].get(kind))  # leave and join have no element
        for kind in kinds
    ]


@pytest.mark.parametrize("first", ["row", "watermark", "idle", "end", "leave", "join"])
def test_all_interleavings_of_two_upstream_tasks_whose_attempts_join_and_leave(first):
    for kinds in [kinds for kinds in lives(3) if kinds[0] == first]:
        for others in lives(2):
            for sequence in interleavings(steps_of(0, kinds), steps_of(1, others)):
                check_attempts([step for _, step in sequence])


def check_attempts(sequence):
    expected_items, over = expected_of_attempts(sequence)
    attempts, items = Attempts(), []
    for step in sequence:
        if over is None and attempts.task.input.ended:
            with pytest.raises(ProtocolError, match="which has ended"):
                attempts.take(*step)
            break
        items += attempts.take(*step)
    assert items == expected_items, sequence
    assert attempts.task.input.ended is (over is not False), sequence
    if over:
        ended = any(kind == "end" for _, kind, _ in sequence)
        assert attempts.task.input.last_element == (End() if ended else Leave()), sequence


def cut(number):
    return Cut(number, CutKind.CHECKPOINT, 1)


def test_a_cut_is_taken_when_every_channel_has_delivered_it():
    task = Input((0, 0), (0, 1), (1, 0), ports=2)
    assert task.outputs_of(0, 0, cut(1), batch(1), cut(2)) == []
    assert task.outputs_of(1, 0, batch(2), cut(1), batch(3)) == [[2]]
    assert task.outputs_of(0, 1, batch(4)) == [[4]]
    assert task.outputs_of(0, 1, Status(idle=True), cut(1)) == [cut(1), [1], [3]]
    assert task.outputs_of(0, 1, cut(2), batch(5)) == []
    assert task.outputs_of(1, 0, cut(2)) == [cut(2), [5]]
    assert task.cuts == [1, 2]
    assert task.counters.cut_pause > 0


@pytest.mark.parametrize("last", [End(), Leave()])
def test_a_channel_that_ends_is_not_waited_for(last):
    task = Input((0, 0), (0, 1), (1, 0), ports=2)
    assert task.outputs_of(0, 0, cut(1), batch(1)) == []
    assert task.outputs_of(1, 0, batch(2), last) == [[2]]
    assert task.outputs_of(0, 1, batch(3), last) == [[3], cut(1), [1]]
    assert task.outputs_of(0, 0, batch(4), End()) == [[4]]
    assert task.input.ended


def test_what_a_port_emits_at_its_end_is_before_the_cut():
    task = Input((0, 0), (1, 0), ports=2)
    task.operators[0].on_end = lambda port, reason: (batch(10 + port).data,)
    assert task.outputs_of(0, 0, cut(1), batch(1)) == []
    assert task.outputs_of(1, 0, End()) == [[11], cut(1), [1]]


def test_a_cut_that_no_channel_delivered_is_taken_among_the_final_results():
    task = Input((0, 0), (0, 1))
    task.operators[0].on_end = lambda port, reason: (batch(1).data, batch(2).data)
    task.put(0, 0, End())
    for number in (1, 2):
        task.input.take_cut(cut(number), hold=False)
    assert task.input.take_due_cut() is None
    assert task.take() == []
    assert task.input.takes_cut
    assert task.outputs_of(0, 1, End()) == [cut(1), [1], cut(2), [2]]
    assert task.input.ended
    assert task.cuts == [1, 2]


def test_a_command_for_a_cut_that_the_channels_have_delivered_has_no_effect():
    task = Input((0, 0))
    task.input.take_cut(cut(1), hold=False)
    assert task.outputs_of(0, 0, cut(1)) == [cut(1)]
    task.input.take_cut(cut(1), hold=False)
    assert task.outputs_of(0, 0, End()) == []
    assert task.cuts == [1]


def test_complete_event_time_waits_until_all_channels_with_event_time_have_ended():
    task = Input((0, 0), (0, 1), (1, 0), ports=2, timed={0})
    assert task.outputs_of(0, 0, Watermark(MAX_WATERMARK), End()) == []
    assert task.outputs_of(0, 1, Watermark(MAX_WATERMARK), Status(idle=True)) == [Status(idle=True)]
    assert task.calls == [[], []]
    assert task.outputs_of(0, 1, End()) == [Watermark(MAX_WATERMARK), Status(idle=False)]
    assert task.calls == [[MAX_WATERMARK, (0, EndReason.EXHAUSTED)], [MAX_WATERMARK]]
    assert not task.input.ended


def test_a_task_without_channels_takes_its_cut_by_command():
    task = Input(ports=2)
    for number in (1, 1, 2):
        task.input.take_cut(cut(number), hold=False)
    assert [item for _ in range(2) for item in task.input.take_due_cut()] == [cut(1), cut(2)]
    assert task.input.take_due_cut() is None
    assert task.cuts == [1, 2]


@pytest.mark.parametrize(("delivered", "wrong"), [((0, 1), 2), ((0, 2), 1), ((0, 1, 1, 1), 1)])
def test_a_cut_out_of_order_is_a_defect(delivered, wrong):
    task = Input((0, 0), (0, 1))
    for up, number in zip(delivered[::2], delivered[1::2], strict=True):
        task.outputs_of(0, up, cut(number))
    with pytest.raises(ProtocolError, match=f"delivered cut {wrong}, expected"):
        task.outputs_of(0, 1, cut(wrong))


@pytest.mark.parametrize("first", [0, 1], ids=["start", "element"])
def test_a_restored_task_first_sends_its_watermark_when_the_tasks_below_exist(first):
    task = Input((0, 0), (0, 1))
    task.input.restore(TaskRestore(event_times={"": 4, "first": 5}))
    assert task.take() == []
    if first:
        assert task.outputs_of(0, 0, batch(1)) == [Watermark(4), [1]]
    else:
        task.input.start()
        assert task.take() == [Watermark(4)]
        assert task.outputs_of(0, 0, batch(1)) == [[1]]


def test_a_marker_that_arrives_on_several_paths_is_passed_on_once():
    first, second = Marker("latency", '{"at": 0.0, "seq": 1}'), Marker("latency", '{"at": 1.0, "seq": 2}')
    task = Input((0, 0), (0, 1), (1, 0), ports=2)
    assert task.outputs_of(0, 0, first, second) == [first, second]
    assert task.outputs_of(0, 1, first, batch(1), second) == [[1]]
    assert task.outputs_of(1, 0, second, batch(2), first) == [[2]]
    assert sum(task.counters.latency.counts.values()) == 6
