"""The conformance suite of ``Transport``: subclass it in a test file to test an implementation.

Needs pytest (``pip install 'sabotnb[test]'``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from threading import Event

import pyarrow as pa
import pytest

from sabotnb.errors import AgentLost, StaleMessage
from sabotnb.eventtime import with_clock
from sabotnb.exchange.transport import Find, OnPeerLost, Transport
from sabotnb.protocol import (
    Batch,
    Element,
    End,
    Leave,
    Watermark,
)
from sabotnb.testing.suite_agents import (
    CONTROL,
    KEY,
    LAST,
    OTHER,
    RUN,
    SuiteAgent,
    Waker,
    channel_key,
    file_limit,
    keys,
    passed_alone,
    polled_element,
    received,
    rows,
    send_all,
)

Agents = tuple[SuiteAgent, SuiteAgent]
MakeAgent = Callable[[str], SuiteAgent]


class TransportSuite:
    """Tests that every ``Transport`` passes: order, credit, refused channels and peers, lost connections.

    A subclass defines ``make`` and ``cut``, and ``reachable`` if a peer is to use some of the endpoints only::

        class TestSockets(TransportSuite):
            def make(self, name, find, on_peer_lost):
                return SocketTransport(name, find, on_peer_lost)
    """

    def make(self, name: str, find: Find, on_peer_lost: OnPeerLost) -> Transport:
        """Return a transport that is not started yet."""
        raise NotImplementedError

    def cut(self, agent: SuiteAgent) -> None:
        """Break every connection of ``agent`` without a BYE."""
        raise NotImplementedError

    def reachable(self, endpoints: Mapping[str, str]) -> Mapping[str, str]:
        """Return the endpoints that a peer is to use."""
        return endpoints

    @pytest.fixture
    def make_agent(self) -> Iterator[MakeAgent]:
        """A function that makes an agent of a name; the agents are stopped after the test."""
        started: list[SuiteAgent] = []

        def make(name: str) -> SuiteAgent:
            agent = SuiteAgent(name, self.make)
            agent.endpoints = self.reachable(agent.endpoints)
            started.append(agent)
            return agent

        yield make
        for agent in started:
            agent.transport.stop()

    @pytest.fixture
    def agents(self, make_agent: MakeAgent) -> tuple[SuiteAgent, SuiteAgent]:
        return make_agent("left"), make_agent("right")

    @pytest.mark.parametrize("last", LAST, ids=str)
    def test_elements_of_every_kind_arrive_in_order(self, agents: Agents, last: Element) -> None:
        left, right = agents
        gate = right.gate(KEY)
        sender = left.send_to(right)
        sent: list[Element] = [rows(0, 3), *CONTROL[:3], rows(3, 5), *CONTROL[3:], last]
        for element in sent:
            sender.send(element)
        arrived = [received(gate) for _ in sent]
        assert [keys(e) if isinstance(e, Batch) else e for e in arrived] == [
            keys(e) if isinstance(e, Batch) else e for e in sent
        ]

    def test_delayed_rows_arrive_with_their_clocks(self, agents: Agents) -> None:
        left, right = agents
        gate, sender = right.gate(KEY), left.send_to(right)
        batch = rows(0, 3).data
        sent = [batch, with_clock(batch, pa.array([7, 5, 7])), batch]
        for data in sent:
            sender.send(Batch(data, data.nbytes))
        arrived = [received(gate) for _ in sent]
        assert [
            isinstance(element, Batch) and element.data.equals(data)
            for element, data in zip(arrived, sent, strict=True)
        ] == [True] * 3

    def test_many_channels_share_a_connection(self, agents: Agents) -> None:
        left, right = agents
        channels = [channel_key(up, edge=edge) for edge in range(3) for up in range(20)]
        gate = right.gate(*channels)
        senders = [left.send_to(right, key) for key in channels]
        for round_ in range(5):
            for number, sender in enumerate(senders):
                sender.send(rows(number * 100 + round_, number * 100 + round_ + 1))
        arrived: dict[int, list[int]] = {}
        for _ in range(5 * len(channels)):
            edge, up, element = polled_element(gate)
            arrived.setdefault(channels.index(channel_key(up.task, edge=edge)), []).extend(keys(element))
        assert arrived == {number: [number * 100 + i for i in range(5)] for number in range(len(channels))}
        assert left.transport.statistics().links == 1

    def test_both_directions_at_once(self, agents: Agents) -> None:
        left, right = agents
        gates = [left.gate(KEY), right.gate(KEY)]
        for sender in (right.send_to(left), left.send_to(right)):
            for start in range(0, 100, 10):
                sender.send(rows(start, start + 10))
            sender.send(End())
        for gate in gates:
            assert [k for _ in range(10) for k in keys(received(gate))] == list(range(100))
            assert received(gate) == End()

    def test_large_and_tiny_batches_mix(self, agents: Agents) -> None:
        left, right = agents
        gate = right.gate(KEY)
        sender = left.send_to(right)
        sizes = [1, 200_000, 2, 3, 100_000, 1]
        for size in sizes:
            sender.send(rows(0, size))
        assert [len(keys(received(gate))) for _ in sizes] == sizes

    def test_credit_comes_back_when_batches_are_read(self, agents: Agents) -> None:
        left, right = agents
        gate, woken = right.gate(KEY), Event()
        sender = left.send_to(right, budget=1000, wake=woken.set)
        sender.send(rows(0, 1000))  # oversize: taken all the same
        assert sender.credit() <= 0
        assert not woken.is_set()
        assert gate.poll(30) is not None
        assert woken.wait(30)
        assert sender.credit() == 1000

    def test_an_unknown_channel_is_refused(self, agents: Agents, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("WARNING")  # Dask silences every handler that it finds, while a local cluster runs
        left, right = agents
        gate, waker = right.gate(KEY), Waker()
        stale = left.send_to(right, channel_key(epoch=0), wake=waker)
        stale.send(rows(0, 1))
        left.send_to(right).send(End())
        assert received(gate) == End()
        with pytest.raises(StaleMessage, match="job@1 epoch 0 edge 0"):
            send_all(partial(waker.send, stale), rows(0, 1))
        assert right.transport.statistics().refused >= 2
        assert "refused channel" in caplog.text

    def test_a_released_channel_is_refused(self, agents: Agents) -> None:
        left, right = agents
        gate, waker = right.gate(KEY), Waker()
        sender = left.send_to(right, wake=waker)
        sender.send(Watermark(1))
        assert received(gate) == Watermark(1)
        right.transport.release(RUN, 1)
        with pytest.raises(StaleMessage, match="over"):
            send_all(partial(waker.send, sender), rows(0, 1))

    def test_a_channel_that_is_released_while_it_opens_is_refused(self, agents: Agents) -> None:
        left, right = agents
        right.gate(KEY)
        waker = Waker()

        def release() -> None:
            right.channels.clear()
            right.transport.release(RUN, 1)

        right.on_find = release
        sender = left.send_to(right, wake=waker)
        with pytest.raises(StaleMessage, match="over"):
            send_all(partial(waker.send, sender), rows(0, 1))

    def test_a_sender_without_credit_learns_that_its_channel_is_refused(self, agents: Agents) -> None:
        left, right = agents
        waker = Waker()
        sender = left.send_to(right, budget=1, wake=waker)
        with pytest.raises(StaleMessage, match="never deployed"):
            send_all(partial(waker.send, sender), rows(0, 1))
        assert waker.blocked.is_set()

    @pytest.mark.parametrize("end", ["cut", "stop"])
    def test_a_sender_without_credit_learns_that_its_connection_is_over(self, agents: Agents, end: str) -> None:
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

    def test_a_channel_that_its_reader_has_closed_is_refused(self, agents: Agents) -> None:
        left, right = agents
        gate, waker = right.gate(KEY), Waker()
        sender = left.send_to(right, budget=100, wake=waker)
        sender.send(Watermark(1))
        assert received(gate) == Watermark(1)
        gate.close()
        with pytest.raises(StaleMessage, match="no task reads"):
            send_all(partial(waker.send, sender), rows(0, 1000))
        assert right.transport.statistics().refused >= 1

    def test_a_channel_of_another_attempt_is_refused(self, agents: Agents) -> None:
        left, right = agents
        right.gate(channel_key(attempts=(3, 4)))
        for attempts in [(2, 4), (3, 3), (4, 4), (3, 5)]:
            waker = Waker()
            sender = left.send_to(right, channel_key(attempts=attempts), wake=waker)
            with pytest.raises(StaleMessage, match=f"0#{attempts[0]}->0#{attempts[1]}: no task reads"):
                send_all(partial(waker.send, sender), rows(0, 1000))

    @pytest.mark.parametrize("last", LAST, ids=str)
    def test_nothing_follows_the_last_element(self, agents: Agents, last: Element) -> None:
        left, right = agents
        gate, waker = right.gate(KEY), Waker()
        sender = left.send_to(right, wake=waker)
        sender.send(last)
        with pytest.raises(StaleMessage, match="no task reads"):
            send_all(partial(waker.send, sender), rows(0, 1000))
        assert received(gate) == last
        assert gate.poll(0) is None

    def test_a_sender_that_has_closed_its_channel_sends_no_more(self, agents: Agents) -> None:
        left, right = agents
        gate, sender = right.gate(KEY), left.send_to(right)
        sender.send(Leave())
        sender.close()
        with pytest.raises(StaleMessage, match="closed by its own task, which then sent a Watermark"):
            sender.send(Watermark(1))
        assert received(gate) == Leave()

    def test_a_discarded_gate_gives_credit_for_what_it_drops(self, agents: Agents) -> None:
        left, right = agents
        gate, woken = right.gate(KEY), Event()
        sender = left.send_to(right, budget=100, wake=woken.set)
        gate.discard()
        sender.send(rows(0, 1000))
        assert woken.wait(30)
        assert sender.credit() == 100

    @pytest.mark.parametrize("token", ["guess", ""])
    def test_a_stranger_is_refused(self, agents: Agents, token: str) -> None:
        left, right = agents
        sender = left.send_to(right, endpoints={**right.endpoints, "token": token})
        assert "wrong token" in left.wait_lost()[1]
        with pytest.raises(AgentLost, match=r"left lost the connection with right: .* Run the job again"):
            sender.send(End())
        assert right.transport.statistics().refused == 1

    def test_an_agent_of_another_name_refuses(self, agents: Agents) -> None:
        left, right = agents
        right.name = "other"
        left.send_to(right)
        assert "this is right" in left.wait_lost()[1]

    def test_a_peer_that_does_not_listen_is_lost(self, agents: Agents) -> None:
        left, right = agents
        right.transport.stop()
        left.send_to(right)
        assert left.wait_lost()[0] == "right"

    def test_a_peer_that_stops_on_purpose_is_not_lost(self, agents: Agents) -> None:
        left, right = agents
        gate = right.gate(KEY)
        left.send_to(right).send(End())
        assert received(gate) == End()
        left.transport.stop()
        right.transport.stop()
        assert (left.lost, right.lost) == ([], [])

    def test_what_was_sent_before_stopping_arrives(self, agents: Agents) -> None:
        left, right = agents
        gate = right.gate(KEY)
        sender = left.send_to(right)
        for start in range(50):
            sender.send(rows(start, start + 1))
        left.transport.stop()
        assert [keys(received(gate)) for _ in range(50)] == [[start] for start in range(50)]

    def test_new_channels_reconnect_to_a_lost_peer(self, agents: Agents) -> None:
        left, right = agents
        left.send_to(right, endpoints={**right.endpoints, "token": "guess"})
        left.wait_lost()
        gate = right.gate(KEY)
        left.send_to(right).send(End())
        assert received(gate) == End()

    def test_an_agent_that_ran_out_of_files_accepts_again(
        self,
        request: pytest.FixtureRequest,
        agents: Agents,
        make_agent: MakeAgent,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        if passed_alone(request):
            return
        caplog.set_level("WARNING")
        left, right = agents
        early, late = make_agent("early"), make_agent("late")
        gate = right.gate(KEY, OTHER)
        left.send_to(right).send(Watermark(1))  # Python has opened everything that connecting needs, then
        assert received(gate) == Watermark(1)
        with file_limit(1):  # the one that dialling takes
            early.send_to(right)
            while "right cannot accept a connection" not in caplog.text:
                assert left.lost == []
        late.send_to(right, OTHER).send(End())
        assert gate.poll(30) == (0, OTHER.up, End())

    def test_both_sides_report_each_lost_connection(self, agents: Agents) -> None:
        left, right = agents
        gate = right.gate(KEY)
        for _ in range(3):
            left.send_to(right).send(Watermark(1))
            assert received(gate) == Watermark(1)
            self.cut(left)
            assert (left.wait_lost()[0], right.wait_lost()[0]) == ("right", "left")
        assert (len(left.lost), len(right.lost)) == (3, 3)
