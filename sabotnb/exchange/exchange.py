"""The exchange of an agent: makes both ends of every channel of its tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from threading import Lock

from sabotnb.config import Config
from sabotnb.exchange.channel import Account, Channel, ChannelKey, LocalSender, Sender
from sabotnb.exchange.gate import InputGate
from sabotnb.exchange.output import OutputPartition, Spread
from sabotnb.exchange.rate_limiter import RateLimiter
from sabotnb.exchange.routing import splitter
from sabotnb.exchange.sockets import Security, SocketTransport
from sabotnb.exchange.timer import Timer
from sabotnb.exchange.transport import OnPeerLost, Peer, Transport, TransportStatistics
from sabotnb.plan import ExecutionGraph, Placed, ShuffleEdge, downstreams, input_edges, upstreams
from sabotnb.protocol import AgentInfo


class Exchange:
    """Moves elements between tasks: handed over within the agent, framed over the transport to other agents.

    Thread-safe. Without ``start`` nobody can connect, which is enough for jobs in one process. ``on_peer_lost(agent,
    reason)`` is called for every connection with an agent that ended without a BYE: the channels on it are dead, and
    tasks that send to them fail. ``host`` is the address that TCP listens on.
    """

    def __init__(
        self,
        agent: str,
        config: Config,
        security: Security | None = None,
        on_peer_lost: OnPeerLost | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.agent = agent
        self._config = config
        self._lock = Lock()
        self._channels: dict[tuple[str, int], dict[ChannelKey, Channel]] = {}
        self._alarm = Timer()
        self._pace = RateLimiter(time.monotonic)
        self._transport: Transport = SocketTransport(agent, self._find, on_peer_lost or _ignore, security, host)

    def start(self) -> Mapping[str, str]:
        """Listen. The endpoints (``unix``, ``tcp``, ``token``) let others in: pass them to agents only."""
        return self._transport.start()

    def gate(self, job: str, epoch: int, vertex: str, index: int, graph: ExecutionGraph) -> InputGate:
        """The input gate of a task. Make it before any upstream task sends: who finds no gate is refused."""
        gate = InputGate(_inputs(job, epoch, vertex, index, graph))
        self._let_in(job, epoch, gate.all_channels())
        return gate

    def extend(
        self, gate: InputGate, job: str, epoch: int, vertex: str, index: int, graph: ExecutionGraph
    ) -> list[tuple[int, int]]:
        """Let the tasks that only a newer ``graph`` has above ``vertex`` send to the gate, too.

        Gives (port, channel) of each channel that this adds. Who reads the gate has to know them before it polls again.
        """
        inputs = _inputs(job, epoch, vertex, index, graph)
        added = [gate.add(port, key) for port, key in inputs if key.up not in gate.channels(port)]
        self._let_in(job, epoch, added)
        return [(channel.port, channel.key.up) for channel in added]

    def _let_in(self, job: str, epoch: int, channels: Iterable[Channel]) -> None:
        with self._lock:
            self._channels.setdefault((job, epoch), {}).update((channel.key, channel) for channel in channels)

    def output(
        self,
        job: str,
        epoch: int,
        edge: ShuffleEdge,
        index: int,
        placed: Placed,
        wake: Callable[[], None],
    ) -> OutputPartition:
        """The output of task ``index`` of ``edge.up``.

        Each channel may hold an equal part of its gate's bytes, the last batch beyond it. ``wake`` is called from any
        thread when credit has come back or a held slice is due: then ask ``writable`` again, and ``flush`` before
        sleeping.
        """
        spread = self.spread(job, epoch, edge, index, placed, wake)
        alarm = partial(self._alarm.set, callback=wake)
        return OutputPartition(spread, self._config, time.monotonic, self._pace, alarm)

    def spread(
        self,
        job: str,
        epoch: int,
        edge: ShuffleEdge,
        index: int,
        placed: Placed,
        wake: Callable[[], None],
        known: Mapping[int, Sender] | None = None,
    ) -> Spread:
        """Where the rows of that task go, to ``reroute`` its output when the graph has changed.

        Channels that are ``known``, by index of the task below, are kept; the others are opened, so the gates of their
        tasks must be there.
        """
        graph, agents = placed.graph, placed.placement[edge.down]
        rivals = input_edges(graph, edge.down)
        senders = dict(known or {})
        tasks = downstreams(edge, graph, index)
        for down in tasks:
            if down not in senders:
                key = ChannelKey(job, epoch, edge.index, index, down)
                channels = sum(len(upstreams(rival, graph, down)) for rival in rivals)
                account = Account(max(1, self._config.gate_bytes // channels), wake)
                senders[down] = self._sender(key, account, agents[down], placed.agents)
        return Spread(edge.type, {down: senders[down] for down in tasks}, splitter(edge, graph))

    def _sender(self, key: ChannelKey, account: Account, agent: str, agents: Mapping[str, AgentInfo]) -> Sender:
        if agent == self.agent:
            return LocalSender(key, self._find, account)
        endpoints = dict(agents[agent].endpoints)
        if self.agent not in agents or agents[self.agent].host != agents[agent].host:
            endpoints.pop("unix", None)
        return self._transport.open(key, Peer(agent, endpoints), account)

    def _find(self, key: ChannelKey) -> Channel | None:
        with self._lock:
            return self._channels.get((key.job, key.epoch), {}).get(key)

    def release(self, job: str, epoch: int) -> None:
        """Forget every channel of a run of a job; what still comes for it is refused and counted."""
        with self._lock:
            channels = self._channels.pop((job, epoch), {})
        self._transport.release(job, epoch)
        for channel in channels.values():
            channel.close()

    def statistics(self) -> TransportStatistics:
        """Totals of the connections to and from other agents."""
        return self._transport.statistics()

    def stop(self) -> None:
        """Close all connections; waits about a second at most for what is queued."""
        self._alarm.stop()
        self._transport.stop()


def _inputs(job: str, epoch: int, vertex: str, index: int, graph: ExecutionGraph) -> list[tuple[int, ChannelKey]]:
    """(port, key) of every channel into a task."""
    return [
        (edge.port, ChannelKey(job, epoch, edge.index, up, index))
        for edge in input_edges(graph, vertex)
        for up in upstreams(edge, graph, index)
    ]


def _ignore(agent: str, reason: str) -> None:
    """Nobody asked to be told; the transport has logged it."""
