"""What every transport must do. A test class subclasses this and says how to make one."""

import os
import resource
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event, Semaphore

import pytest
from exchanges import Waker, keys, rows

from sabotnb.errors import AgentLost, StaleMessage
from sabotnb.exchange.channel import Account, ChannelKey
from sabotnb.exchange.gate import InputGate
from sabotnb.exchange.transport import Peer
from sabotnb.protocol.elements import Batch, Cut, CutKind, End, EndReason, Leave, Marker, Status, Watermark

KEY, OTHER = (ChannelKey("job", 1, 0, up, 0) for up in range(2))
CONTROL = [
    Watermark(5),
    Status(idle=True),
    Marker("probe", "{}"),
    Cut(1, CutKind.CHECKPOINT, 1, 7, {"k": 2}),
    Leave(),
    End(EndReason.STOPPED),
]


@contextmanager
def all_files_but(left):
    """This process can open ``left`` more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 50, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(taken[0]))
        for _ in range(left):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for file in taken:
            os.close(file)


class Agent:
    """One end: a transport, its gates by channel, and what it said about lost peers."""

    def __init__(self, name, make):
        self.name = name
        self.channels = {}
        self.lost = []
        self.losing = Semaphore(0)
        self.transport = make(name, self.channels.get, self._lose)
        self.endpoints = self.transport.start()

    def _lose(self, agent, reason):
        self.lost.append((agent, reason))
        self.losing.release()

    def gate(self, *keys):
        gate = InputGate((key.edge, key) for key in keys)
        self.channels.update((channel.key, channel) for channel in gate.all_channels())
        return gate

    def wait_lost(self):
        """The peer and the reason of the next loss."""
        assert self.losing.acquire(timeout=30), "no loss was told"
        return self.lost[-1]

    def send_to(self, other, key=KEY, budget=1 << 20, wake=lambda: None, endpoints=None):
        return self.transport.open(key, Peer(other.name, endpoints or other.endpoints), Account(budget, wake))


def send_all(send, element):
    """Send ``element`` again and again; ends when the channel is refused or lost, which takes its time on the wire."""
    while True:
        send(element)


class TransportSuite:
    """Subclasses define ``make(name, find, on_peer_lost)``, ``cut(agent)`` and ``reachable(endpoints)``."""

    def make(self, name, find, on_peer_lost):
        raise NotImplementedError

    def cut(self, agent):
        """Break every connection of ``agent`` without a BYE."""
        raise NotImplementedError

    def reachable(self, endpoints):
        """The endpoints that a peer is to use."""
        return endpoints

    @pytest.fixture
    def another(self):
        """Makes an agent of a given name."""
        made = []

        def make(name):
            agent = Agent(name, self.make)
            agent.endpoints = self.reachable(agent.endpoints)
            made.append(agent)
            return agent

        yield make
        for agent in made:
            agent.transport.stop()

    @pytest.fixture
    def agents(self, another):
        return another("left"), another("right")

    def test_elements_of_every_kind_arrive_in_order(self, agents):
        left, right = agents
        gate = right.gate(KEY)
        sender = left.send_to(right)
        sent = [rows(0, 3), *CONTROL[:3], rows(3, 5), *CONTROL[3:]]
        for element in sent:
            sender.send(element)
        found = [gate.poll(30)[2] for _ in sent]
        assert [keys(e) if isinstance(e, Batch) else e for e in found] == [
            keys(e) if isinstance(e, Batch) else e for e in sent
        ]

    def test_many_channels_share_a_connection(self, agents):
        left, right = agents
        channels = [ChannelKey("job", 1, edge, up, 0) for edge in range(3) for up in range(20)]
        gate = right.gate(*channels)
        senders = [left.send_to(right, key) for key in channels]
        for round_ in range(5):
            for number, sender in enumerate(senders):
                sender.send(rows(number * 100 + round_, number * 100 + round_ + 1))
        found = {}
        for _ in range(5 * len(channels)):
            edge, up, element = gate.poll(30)
            found.setdefault(channels.index(ChannelKey("job", 1, edge, up, 0)), []).extend(keys(element))
        assert found == {number: [number * 100 + i for i in range(5)] for number in range(len(channels))}
        assert left.transport.statistics().links == 1

    def test_both_directions_at_once(self, agents):
        left, right = agents
        gates = [left.gate(KEY), right.gate(KEY)]
        for sender in (right.send_to(left), left.send_to(right)):
            for start in range(0, 100, 10):
                sender.send(rows(start, start + 10))
            sender.send(End())
        for gate in gates:
            assert [k for _ in range(10) for k in keys(gate.poll(30)[2])] == list(range(100))
            assert gate.poll(30)[2] == End()

    def test_large_and_tiny_batches_mix(self, agents):
        left, right = agents
        gate = right.gate(KEY)
        sender = left.send_to(right)
        sizes = [1, 200_000, 2, 3, 100_000, 1]
        for size in sizes:
            sender.send(rows(0, size))
        assert [gate.poll(30)[2].data.num_rows for _ in sizes] == sizes

    def test_credit_comes_back_when_batches_are_read(self, agents):
        left, right = agents
        gate, woken = right.gate(KEY), Event()
        sender = left.send_to(right, budget=1000, wake=woken.set)
        sender.send(rows(0, 1000))  # oversize: taken all the same
        assert sender.credit() <= 0
        assert not woken.is_set()
        assert gate.poll(30) is not None
        assert woken.wait(30)
        assert sender.credit() == 1000

    def test_an_unknown_channel_is_refused(self, agents, caplog):
        caplog.set_level("WARNING")  # Dask silences every handler that it finds, as long as a local cluster lives
        left, right = agents
        gate, waker = right.gate(KEY), Waker()
        stale = left.send_to(right, ChannelKey("job", 0, 0, 0, 0), wake=waker)
        stale.send(rows(0, 1))
        left.send_to(right).send(End())
        assert gate.poll(30)[2] == End()
        with pytest.raises(StaleMessage, match="job@0 edge 0"):
            send_all(partial(waker.send, stale), rows(0, 1))
        assert right.transport.statistics().refused >= 2
        assert "refused channel" in caplog.text

    def test_a_released_channel_is_refused(self, agents):
        left, right = agents
        gate, waker = right.gate(KEY), Waker()
        sender = left.send_to(right, wake=waker)
        sender.send(Watermark(1))
        assert gate.poll(30)[2] == Watermark(1)
        right.transport.release("job", 1)
        with pytest.raises(StaleMessage, match="over"):
            send_all(partial(waker.send, sender), rows(0, 1))

    def test_a_sender_without_credit_hears_that_its_channel_is_refused(self, agents):
        left, right = agents
        waker = Waker()
        sender = left.send_to(right, budget=1, wake=waker)
        with pytest.raises(StaleMessage, match="never deployed"):
            send_all(partial(waker.send, sender), rows(0, 1))
        assert waker.blocked.is_set()

    @pytest.mark.parametrize("end", ["cut", "stop"])
    def test_a_sender_without_credit_hears_that_its_connection_is_over(self, agents, end):
        left, right = agents
        gate, waker = right.gate(KEY), Waker()
        sender = left.send_to(right, budget=1, wake=waker)
        sender.send(rows(0, 1))
        while not gate.statistics().held:
            assert sender.credit() <= 0
        if end == "cut":
            self.cut(right)
        else:
            right.transport.stop()
        with pytest.raises(AgentLost, match="left lost the connection with right"):
            waker.send(sender, rows(0, 1))

    def test_a_closed_gate_gives_credit_for_what_it_drops(self, agents):
        left, right = agents
        gate, woken = right.gate(KEY), Event()
        sender = left.send_to(right, budget=100, wake=woken.set)
        gate.close()
        sender.send(rows(0, 1000))
        assert woken.wait(30)
        assert sender.credit() == 100

    @pytest.mark.parametrize("token", ["guess", ""])
    def test_a_stranger_is_refused(self, agents, token):
        left, right = agents
        sender = left.send_to(right, endpoints={**right.endpoints, "token": token})
        assert "wrong token" in left.wait_lost()[1]
        with pytest.raises(AgentLost, match=r"left lost the connection with right: .* Run the job again"):
            sender.send(End())
        assert right.transport.statistics().refused == 1

    def test_an_agent_that_is_not_who_was_meant_refuses(self, agents):
        left, right = agents
        right.name = "somebody else"
        left.send_to(right)
        assert "this is right" in left.wait_lost()[1]

    def test_nobody_listening_is_a_lost_peer(self, agents):
        left, right = agents
        right.transport.stop()
        left.send_to(right)
        assert left.wait_lost()[0] == "right"

    def test_a_peer_that_stops_on_purpose_is_not_lost(self, agents):
        left, right = agents
        gate = right.gate(KEY)
        left.send_to(right).send(End())
        assert gate.poll(30)[2] == End()
        left.transport.stop()
        right.transport.stop()
        assert (left.lost, right.lost) == ([], [])

    def test_what_was_sent_before_stopping_arrives(self, agents):
        left, right = agents
        gate = right.gate(KEY)
        sender = left.send_to(right)
        for start in range(50):
            sender.send(rows(start, start + 1))
        left.transport.stop()
        assert [keys(gate.poll(30)[2]) for _ in range(50)] == [[start] for start in range(50)]

    def test_a_lost_peer_is_dialled_again_for_new_channels(self, agents):
        left, right = agents
        left.send_to(right, endpoints={**right.endpoints, "token": "guess"})
        left.wait_lost()
        gate = right.gate(KEY)
        left.send_to(right).send(End())
        assert gate.poll(30)[2] == End()

    def test_an_agent_that_had_no_file_left_for_a_moment_accepts_again(self, agents, another, caplog):
        caplog.set_level("WARNING")
        left, right = agents
        early, late = another("early"), another("late")
        gate = right.gate(KEY, OTHER)
        left.send_to(right).send(Watermark(1))  # Python has opened everything that connecting needs, then
        assert gate.poll(30)[2] == Watermark(1)
        with all_files_but(1):  # the one that dialling takes
            early.send_to(right)
            while "right cannot accept a connection" not in caplog.text:
                assert left.lost == []
        late.send_to(right, OTHER).send(End())
        assert gate.poll(30) == (0, 1, End())

    def test_both_sides_are_told_of_each_lost_connection(self, agents):
        left, right = agents
        gate = right.gate(KEY)
        for _ in range(3):
            left.send_to(right).send(Watermark(1))
            assert gate.poll(30)[2] == Watermark(1)
            self.cut(left)
            assert (left.wait_lost()[0], right.wait_lost()[0]) == ("right", "left")
        assert (len(left.lost), len(right.lost)) == (3, 3)
