"""Small execution graphs and elements for tests of the exchange package."""

from sabotnb.graph.job_graph import EdgeType
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.protocol import AgentInfo
from sabotnb.protocol.elements import End, Leave
from sabotnb.testing.suite_agents import SCHEMA, Waker, channel_key, keys, rows

__all__ = ["SCHEMA", "Waker", "agent_info", "channel_key", "drain", "edge_graph", "keys", "no_wake", "rows", "vertex"]


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


def agent_info(agent, endpoints):
    return AgentInfo(agent, "", "host", 0, 1, endpoints=endpoints)


def no_wake():
    """For outputs whose task does not sleep."""


def drain(gate, ends):
    """Poll ``gate`` until ``ends`` channels have ended or been left; returns (port, channel, element) of each."""
    found = []
    while ends:
        polled = gate.poll(30)
        assert polled is not None, "no element arrived within 30 s"
        found.append(polled)
        ends -= isinstance(polled[2], End | Leave)
    return found
