"""The exchange of an agent: creates both ends of every channel of its tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from threading import Lock

from sabotnb.config import Config
from sabotnb.exchange.channel import Account, Channel, ChannelKey, LocalSender, Sender
from sabotnb.exchange.gate import InputGate
from sabotnb.exchange.output import ChannelRouting, OutputPartition
from sabotnb.exchange.rate_limiter import RateLimiter
from sabotnb.exchange.routing import splitter
from sabotnb.exchange.sockets import Security, SocketTransport
from sabotnb.exchange.timer import Timer
from sabotnb.exchange.transport import OnPeerLost, Peer, Transport, TransportStatistics
from sabotnb.plan import ExecutionGraph, ShuffleEdge, downstreams, input_edges, upstreams
from sabotnb.protocol import AgentInfo, Attempt, ChannelEnd, Placement, RunId


class Exchange:
    """Moves elements between tasks: by reference within the agent, over the transport to other agents.

    Thread-safe. Without ``start`` no other agent can connect, which is enough for jobs in one process.
    ``on_peer_lost(agent, reason)`` is called for every connection with an agent that ends without a BYE: the channels
    on it are dead, and tasks that send to them fail. ``host`` is the address that TCP listens on.
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
        self._channels: dict[tuple[RunId, int], dict[ChannelKey, Channel]] = {}
        self._timer = Timer()
        self._rate_limiter = RateLimiter(time.monotonic)
        self._transport: Transport = SocketTransport(agent, self._find, on_peer_lost or _ignore, security, host)

    def start(self) -> Mapping[str, str]:
        """Start to listen; returns the endpoints (``unix``, ``tcp``, ``token``).

        They are secret, as they allow to connect: pass them to agents only.
        """
        return self._transport.start()

    def gate(self, attempt: Attempt, graph: ExecutionGraph, placement: Placement) -> InputGate:
        """Create the input gate of a task, before any upstream task sends: a sender without a gate is refused."""
        gate = InputGate(_inputs(attempt, graph, placement), self._forget, self._config.gate_bytes)
        self._register(attempt, gate.all_channels())
        return gate

    def extend(
        self, gate: InputGate, attempt: Attempt, graph: ExecutionGraph, placement: Placement
    ) -> list[tuple[int, ChannelEnd]]:
        """Add channels to a task's gate for the attempts above its vertex that are new in ``graph`` and ``placement``.

        Returns (port, channel) of each new channel. The task has to know them before it polls the gate again.
        """
        inputs = _inputs(attempt, graph, placement)
        added = [gate.add(port, key) for port, key in inputs if not gate.knows(port, key.up)]
        self._register(attempt, added)
        return [(channel.port, channel.key.up) for channel in added]

    def _register(self, attempt: Attempt, channels: Iterable[Channel]) -> None:
        with self._lock:
            self._channels.setdefault((attempt.run, attempt.epoch), {}).update(
                (channel.key, channel) for channel in channels
            )

    def _forget(self, key: ChannelKey) -> None:
        with self._lock:
            self._channels.get((key.run, key.epoch), {}).pop(key, None)

    def output(
        self,
        attempt: Attempt,
        edge: ShuffleEdge,
        graph: ExecutionGraph,
        placement: Placement,
        wake: Callable[[], None],
    ) -> OutputPartition:
        """Create the output of a task of ``edge.up`` on ``edge``.

        Each channel begins with an equal share of its gate's bytes as credit; after that the gate decides (``credit``).
        ``wake`` is called from any thread when credit has returned or a pending slice is due: the task then asks
        ``writable`` again, and calls ``flush`` before it sleeps.
        """
        routing = self.routing(attempt, edge, graph, placement, wake)
        wake_after = partial(self._timer.set, callback=wake)
        return OutputPartition(routing, self._config, time.monotonic, self._rate_limiter, wake_after)

    def routing(
        self,
        attempt: Attempt,
        edge: ShuffleEdge,
        graph: ExecutionGraph,
        placement: Placement,
        wake: Callable[[], None],
        existing: Mapping[int, Sender] | None = None,
    ) -> ChannelRouting:
        """Return the channels of that task and how its rows are split, also to ``reroute`` an output.

        ``existing`` channels, by downstream task index, are kept if they lead to the same attempts; the others are
        opened, which requires that the gates of their tasks exist.
        """
        agents, index = placement.tasks[edge.down], attempt.task.index
        edges_in = input_edges(graph, edge.down)
        senders = dict(existing or {})
        here = ChannelEnd(index, attempt.number)
        tasks = downstreams(edge, graph, index)
        for down in tasks:
            end = placement.end(edge.down, down)
            if down not in senders or senders[down].key.down != end:
                key = ChannelKey(attempt.run, attempt.epoch, edge.index, here, end)
                channels = sum(len(upstreams(edge_in, graph, down)) for edge_in in edges_in)
                account = Account(max(1, self._config.gate_bytes // channels), wake)
                senders[down] = self._sender(key, account, agents[down], placement.agents)
        return ChannelRouting(edge.type, {down: senders[down] for down in tasks}, splitter(edge, graph))

    def _sender(self, key: ChannelKey, account: Account, agent: str, agents: Mapping[str, AgentInfo]) -> Sender:
        if agent == self.agent:
            return LocalSender(key, self._find, account)
        endpoints = dict(agents[agent].endpoints)
        if self.agent not in agents or agents[self.agent].host != agents[agent].host:
            endpoints.pop("unix", None)  # the path of a unix socket means nothing, or another socket, on another host
        return self._transport.open(key, Peer(agent, endpoints), account)

    def _find(self, key: ChannelKey) -> Channel | None:
        with self._lock:
            return self._channels.get((key.run, key.epoch), {}).get(key)

    def release(self, run: RunId, epoch: int) -> None:
        """Close every channel of a run and epoch; tasks that still send get an error."""
        with self._lock:
            channels = self._channels.pop((run, epoch), {})
        self._transport.release(run, epoch)
        for channel in channels.values():
            channel.close()

    def statistics(self) -> TransportStatistics:
        """Return the totals of the connections to and from other agents."""
        return self._transport.statistics()

    def stop(self) -> None:
        """Close all connections; waits about a second at most for queued frames."""
        self._timer.stop()
        self._transport.stop()


def _inputs(attempt: Attempt, graph: ExecutionGraph, placement: Placement) -> list[tuple[int, ChannelKey]]:
    """Return (port, key) of every channel into a task."""
    index = attempt.task.index
    end = ChannelEnd(index, attempt.number)
    return [
        (edge.port, ChannelKey(attempt.run, attempt.epoch, edge.index, placement.end(edge.up, up), end))
        for edge in input_edges(graph, attempt.task.vertex)
        for up in upstreams(edge, graph, index)
    ]


def _ignore(agent: str, reason: str) -> None:
    """Do nothing: the transport has logged the loss already."""
