"""Tasks join and leave both ends of an edge between two processes while rows are in flight."""

import pytest
from exchanges import Waker, rows
from gate_process import HERE, Rescaled, gate_process

from sabotnb.config import Config
from sabotnb.exchange import Exchange
from sabotnb.protocol.elements import Cut, CutKind, End, Leave, Watermark

GATE_BYTES = 1 << 16
"""A few batches, so that senders wait for credit all the time."""
BATCH, BATCHES = 500, 12


class Senders:
    """The upstream tasks: each sends ascending keys of its own."""

    def __init__(self, process, up, down):
        self.process = process
        self.edge = Rescaled(up, down, process.agents())
        self.exchange = Exchange(HERE, Config(gate_bytes=GATE_BYTES))
        self.outputs, self.wakers, self.sent = {}, {}, {}
        self.cuts = 0
        self.tell()
        self.open(range(up))

    def tell(self):
        self.process.call("change", self.edge.attempts["up"], self.edge.attempts["down"])

    def open(self, indexes):
        for index in indexes:
            number, waker = self.edge.attempts["up"][index], Waker()
            self.wakers[number] = waker
            self.outputs[number] = self.exchange.output(
                self.edge.attempt("up", index), self.edge.graph.edges[0], self.edge.graph, self.edge.placement, waker
            )
            self.sent[number] = []

    def send(self):
        """Send rows from every task, in turn."""
        for _ in range(BATCHES):
            for index, number in enumerate(self.edge.attempts["up"]):
                start = 1_000_000 * index + sum(len(sent) for sent in self.sent.values())
                self.wakers[number].emit(self.outputs[number], rows(start, start + BATCH))
                self.sent[number] += range(start, start + BATCH)

    def rescale_up(self, attempts):
        """The upstream tasks are ``attempts`` from now on; new ones are known below before the old ones leave."""
        old, self.edge.attempts["up"] = self.edge.attempts["up"], attempts
        self.tell()
        self.open([index for index, number in enumerate(attempts) if number not in self.outputs])
        for number in set(old) - set(attempts):
            self.outputs[number].emit(Leave())
            self.outputs[number].close()

    def rescale_down(self, attempts):
        """The downstream tasks are ``attempts`` from now on."""
        self.edge.attempts["down"] = attempts
        self.tell()
        self.cuts += 1
        for index, number in enumerate(self.edge.attempts["up"]):
            output, edge = self.outputs[number], self.edge
            routing = self.exchange.routing(
                edge.attempt("up", index),
                edge.graph.edges[0],
                edge.graph,
                edge.placement,
                self.wakers[number],
                output.senders,
            )
            output.reroute(routing, Cut(self.cuts, CutKind.RESCALE, 1))

    def finish(self):
        """End every task; returns what arrived on each channel once all has."""
        for number in self.edge.attempts["up"]:
            self.outputs[number].emit(End())
        while any(self.process.call("channels").values()):
            pass
        self.exchange.stop()
        return self.process.call("elements")


def keys_of(elements):
    return [element for element in elements if isinstance(element, int)]


def check_rows(senders, received):
    """Every row has arrived once, and in order on each channel."""
    for number, sent in senders.sent.items():
        channels = [keys_of(elements) for name, elements in received.items() if name.startswith(f"{number}->")]
        assert sorted(k for keys in channels for k in keys) == sent
        assert all(keys == sorted(keys) for keys in channels)


@pytest.fixture
def process():
    with gate_process(GATE_BYTES) as process:
        yield process


def test_senders_4_2_4(process):
    senders = Senders(process, 4, 2)
    senders.send()
    senders.rescale_up([0, 1])
    senders.send()
    senders.rescale_up([0, 1, 12, 13])
    senders.send()
    received = senders.finish()
    check_rows(senders, received)
    last = {number: elements[-1] for name, elements in received.items() for number in [int(name.split("->")[0])]}
    assert last == {0: "End", 1: "End", 2: "Leave", 3: "Leave", 12: "End", 13: "End"}


def test_a_sender_moves_and_its_successor_starts_at_once(process):
    senders = Senders(process, 2, 2)
    for number in (7, 8, 9):
        senders.send()
        senders.rescale_up([0, number])
    senders.send()
    check_rows(senders, senders.finish())


def test_receivers_4_2_4(process):
    senders = Senders(process, 2, 4)
    senders.send()
    senders.rescale_down([100, 101])
    senders.send()
    senders.rescale_down([100, 101, 112, 113])
    senders.send()
    received = senders.finish()
    check_rows(senders, received)
    ends = {
        name: [element for element in elements if not isinstance(element, int)] for name, elements in received.items()
    }
    for up in (0, 1):
        assert [ends[f"{up}->{down}"] for down in (100, 102, 112)] == [
            ["Cut", "Cut", "End"],
            ["Cut", "Leave"],
            ["Cut", "End"],
        ]


def test_both_ends_4_2_4(process):
    senders = Senders(process, 4, 4)
    senders.send()
    senders.rescale_up([0, 1])
    senders.rescale_down([100, 101])
    senders.send()
    senders.rescale_down([100, 101, 112, 113])
    senders.rescale_up([0, 1, 12, 13])
    senders.send()
    for number in senders.edge.attempts["up"]:
        senders.outputs[number].emit(Watermark(1))
    check_rows(senders, senders.finish())
