"""Small execution graphs and exchanges for tests of the exchange room."""

from threading import Event

import pyarrow as pa

from sabotnb.graph.job_graph import EdgeType
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.protocol.control import AgentInfo
from sabotnb.protocol.elements import Batch, End, Leave

SCHEMA = pa.schema([("k", pa.int64()), ("s", pa.string())])


def vertex(name, parallelism, ports=1):
    return Vertex(name, (), (SCHEMA,) * ports, (SCHEMA,), parallelism)


def edge_graph(kind=EdgeType.FORWARD, up=1, down=1, schema=SCHEMA, **edge):
    """Vertices ``up`` and ``down``, one edge."""
    edge = {"keys": ("k",), "domain": "k"} | edge
    table = tuple(group * down // 128 for group in range(128))
    return ExecutionGraph(
        {"up": vertex("up", up), "down": vertex("down", down)},
        (ShuffleEdge(0, "up", "down", 0, kind, schema, "up", **edge),),
        {"k": table},
        128,
    )


def rows(start, stop):
    """A batch element with k from ``start`` to ``stop``."""
    data = pa.record_batch([list(range(start, stop)), [f"row {k}" for k in range(start, stop)]], schema=SCHEMA)
    return Batch(data, data.nbytes)


def keys(element):
    return element.data.column("k").to_pylist()


def agent_info(agent, endpoints):
    return AgentInfo(agent, "", "host", 0, 1, endpoints=endpoints)


def no_wake():
    """For outputs whose task does not sleep."""


class Waker:
    """Makes a thread wait for credit, as a task does."""

    def __init__(self):
        self.event = Event()
        self.blocked = Event()

    def __call__(self):
        self.event.set()

    def emit(self, output, element):
        self._wait(output.writable)
        output.emit(element)

    def send(self, sender, element):
        self._wait(lambda: sender.credit() > 0)
        sender.send(element)

    def _wait(self, writable):
        while not writable():
            self.blocked.set()
            assert self.event.wait(30), "nobody wakes the sender"
            self.event.clear()


def drain(gate, ends):
    """Everything until ``ends`` channels have ended or been left, as (port, channel, element)."""
    found = []
    while ends:
        polled = gate.poll(30)
        assert polled is not None, "nothing comes any more"
        found.append(polled)
        ends -= isinstance(polled[2], End | Leave)
    return found
