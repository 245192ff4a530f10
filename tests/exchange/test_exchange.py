"""Edges of every type, within an agent and between two agents."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pytest
from exchanges import SCHEMA, Waker, agent_info, drain, edge_graph, keys, no_wake, rows, vertex

from sabotnb.blobs import capture
from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.exchange import Exchange
from sabotnb.graph.job_graph import EdgeHint, EdgeType
from sabotnb.native import hash_rows, key_groups
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge
from sabotnb.protocol import Placement
from sabotnb.protocol.elements import Batch, Cut, CutKind, End, Leave, Watermark
from sabotnb.protocol.ids import Attempt, RunId, TaskId
from sabotnb.testing.suite_agents import send_all

UP, DOWN = 2, 3
RUN = RunId("job", 1)


def attempt(vertex, index, epoch=1, number=0):
    return Attempt(TaskId(RUN, vertex, index), number, epoch)


class Pair:
    """Agents left and right: tasks with an even index are on left and the others on right, or all are on left."""

    def __init__(self, config=None, spread=True):
        self.exchanges = {name: Exchange(name, config or Config()) for name in ("left", "right")}
        self.agents = {name: agent_info(name, exchange.start()) for name, exchange in self.exchanges.items()}
        self.spread = spread
        self.attempts = {}
        """The newest attempt at each task (vertex, index) that has had more than one."""

    def placement(self, graph):
        both = ("left", "right" if self.spread else "left")
        tasks = {name: tuple(both[i % 2] for i in range(v.parallelism)) for name, v in graph.vertices.items()}
        numbers = {name: tuple(self.attempts.get((name, i), 0) for i in range(len(on))) for name, on in tasks.items()}
        return Placement(tasks, numbers, self.agents)

    def attempt(self, vertex, index, epoch=1):
        return attempt(vertex, index, epoch, self.attempts.get((vertex, index), 0))

    def gate(self, graph, index, vertex="down"):
        placement = self.placement(graph)
        return self.exchanges[placement.tasks[vertex][index]].gate(self.attempt(vertex, index), graph, placement)

    def output(self, graph, index, wake=no_wake, edge=0, epoch=1):
        placement, edge = self.placement(graph), graph.edges[edge]
        exchange = self.exchanges[placement.tasks[edge.up][index]]
        return exchange.output(self.attempt(edge.up, index, epoch), edge, graph, placement, wake)

    def extend(self, gate, graph, index):
        placement = self.placement(graph)
        added = self.exchanges[placement.tasks["down"][index]].extend(
            gate, self.attempt("down", index), graph, placement
        )
        return [(port, up.task) for port, up in added]

    def reroute(self, output, graph, index, cut, number=None):
        """Reroute the output of a task, which is attempt ``number`` if it is not the newest."""
        placement, edge = self.placement(graph), graph.edges[0]
        exchange = self.exchanges[placement.tasks[edge.up][index]]
        number = self.attempts.get((edge.up, index), 0) if number is None else number
        sender = attempt(edge.up, index, number=number)
        output.reroute(exchange.routing(sender, edge, graph, placement, no_wake, output.senders), cut)

    def stop(self):
        for exchange in self.exchanges.values():
            exchange.stop()


@pytest.fixture(params=[False, True], ids=["one agent", "two agents"])
def pair(request):
    pair = Pair(spread=request.param)
    yield pair
    pair.stop()


def tasks_of(gate, port):
    return [up.task for up in gate.channels(port)]


def run(pair, graph, batches):
    """Send ``batches[up]`` from each upstream task; return the sorted keys that each downstream task has read."""
    down = graph.vertices["down"].parallelism
    gates = [pair.gate(graph, index) for index in range(down)]
    for index, sent in enumerate(batches):
        output = pair.output(graph, index)
        for element in [*sent, End()]:
            output.emit(element)
        output.close()
    received = []
    for gate in gates:
        elements = [element for _, _, element in drain(gate, len(gate.channels(0)))]
        received.append(sorted(k for element in elements if isinstance(element, Batch) for k in keys(element)))
        gate.close()
    return received


BATCHES = [[rows(0, 10), rows(10, 11)], [rows(100, 5000)]]
SENT = [[*range(11)], [*range(100, 5000)]]
ALL = [*SENT[0], *SENT[1]]


def owners(tasks, sent=ALL):
    groups = key_groups(hash_rows([pa.array(sent)]), 128).to_pylist()
    return [[k for k, group in zip(sent, groups, strict=True) if group * tasks // 128 == task] for task in range(tasks)]


@pytest.mark.parametrize(
    ("kind", "tasks", "edge", "expected"),
    [
        (EdgeType.FORWARD, 2, {}, SENT),
        (EdgeType.HASH, DOWN, {}, owners(DOWN)),
        (EdgeType.BROADCAST, DOWN, {}, [ALL] * DOWN),
        (EdgeType.GATHER, 1, {}, [ALL]),
        (
            EdgeType.RANGE,
            DOWN,
            {"bounds": EdgeHint(EdgeType.RANGE, ("k",), (5, 200)).bounds},
            [[*range(5)], [*range(5, 11), *range(100, 200)], [*range(200, 5000)]],
        ),
        (
            EdgeType.CUSTOM,
            DOWN,
            {"function": capture(lambda batch, n: batch.column("k").to_numpy() % n, "partition_by")},
            [[k for k in ALL if k % DOWN == task] for task in range(DOWN)],
        ),
    ],
    ids=lambda value: value.value if isinstance(value, EdgeType) else "",
)
def test_every_edge_type_delivers_each_row_where_it_belongs(pair, kind, tasks, edge, expected):
    assert run(pair, edge_graph(kind, UP, tasks, **edge), BATCHES) == expected


def test_rebalance_delivers_each_row_once(pair):
    received = run(pair, edge_graph(EdgeType.REBALANCE, UP, DOWN), BATCHES)
    assert sorted(k for of_task in received for k in of_task) == ALL


def test_a_gather_edge_ends_in_task_0_only(pair):
    graph = edge_graph(EdgeType.GATHER, 3, 2)
    assert [tasks_of(pair.gate(graph, index), 0) for index in (0, 1)] == [[0, 1, 2], []]


def test_edges_into_several_ports(pair):
    graph = ExecutionGraph(
        {"a": vertex("a", 2), "b": vertex("b", 1), "down": vertex("down", 1, ports=3)},
        tuple(
            ShuffleEdge(index, up, "down", port, EdgeType.REBALANCE, SCHEMA, up)
            for index, (up, port) in enumerate([("b", 2), ("a", 0), ("a", 1)])
        ),
        {},
        128,
    )
    gate = pair.gate(graph, 0)
    assert [tasks_of(gate, port) for port in range(3)] == [[0, 1], [0, 1], [0]]
    for edge, index in [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)]:
        output = pair.output(graph, index, edge=edge)
        output.emit(Watermark(edge * 10 + index))
        output.emit(End())
    watermarks = {
        (port, channel.task): element.us for port, channel, element in drain(gate, 5) if isinstance(element, Watermark)
    }
    assert watermarks == {(0, 0): 10, (0, 1): 11, (1, 0): 20, (1, 1): 21, (2, 0): 0}


@pytest.mark.parametrize(("up", "down"), [(3, 3), (2, 4), (3, 2), (2, 1)])
def test_tasks_join_and_leave_a_running_edge(pair, up, down):
    before, after = edge_graph(EdgeType.HASH, 2, 2), edge_graph(EdgeType.HASH, up, down)
    cut = Cut(1, CutKind.RESCALE, 1)
    gates = [pair.gate(before, index) for index in range(2)]
    outputs = [pair.output(before, index) for index in range(2)]
    for index, output in enumerate(outputs):
        output.emit(rows(1000 * index, 1000 * index + 500))
    gates += [pair.gate(after, index) for index in range(2, down)]
    added = [pair.extend(gates[index], after, index) for index in range(min(2, down))]
    assert added == [[(0, index) for index in range(2, up)]] * min(2, down)
    outputs += [pair.output(after, index) for index in range(2, up)]
    for index in range(2):
        pair.reroute(outputs[index], after, index, cut)
    for index, output in enumerate(outputs):
        output.emit(rows(1000 * index + 500, 1000 * index + 1000))
        output.emit(End())
    received = {}
    for index, gate in enumerate(gates):
        behind = dict.fromkeys(range(2, up), True)  # a task that joins with the cut has no rows before it
        for _, channel, element in drain(gate, len(gate.channels(0))):
            if isinstance(element, Batch):
                received.setdefault((index, behind.get(channel.task, False)), []).extend(keys(element))
            elif isinstance(element, Cut):
                behind[channel.task] = True
            else:
                assert element == (End() if index < down else Leave())
    for behind, tasks, start in [(False, 2, 0), (True, down, 500)]:
        sent = [k for task in range(up if behind else 2) for k in range(1000 * task + start, 1000 * task + start + 500)]
        assert [sorted(received.get((task, behind), [])) for task in range(tasks)] == owners(tasks, sent)
    assert len(received) <= 2 + down


@pytest.mark.parametrize("joins", ["before", "after"])
def test_a_task_moves_above_a_gate(pair, joins):
    """Attempt 5 at task 1 takes the place of attempt 0, which sends its last rows before or after it has joined."""
    graph = edge_graph(EdgeType.GATHER, 2, 1)
    gate = pair.gate(graph, 0)
    old, stays = pair.output(graph, 1), pair.output(graph, 0)
    pair.attempts["up", 1] = 5
    if joins == "before":
        assert pair.extend(gate, graph, 0) == [(0, 1)]
        new = pair.output(graph, 1)
        new.emit(rows(10, 20))
    for element in (rows(0, 10), Leave()):
        old.emit(element)
    elements = drain(gate, 1)
    if joins == "after":
        assert pair.extend(gate, graph, 0) == [(0, 1)]
        new = pair.output(graph, 1)
        new.emit(rows(10, 20))
    assert pair.extend(gate, graph, 0) == []
    for output in (new, stays):
        output.emit(End())
    elements += drain(gate, 2)
    of = {}
    for _, up, element in elements:
        of.setdefault(up, []).append(keys(element) if isinstance(element, Batch) else element)
    assert of == {(1, 0): [[*range(10)], Leave()], (1, 5): [[*range(10, 20)], End()], (0, 0): [End()]}
    assert gate.channels(0) == []


def test_a_task_moves_below_an_output(pair):
    """Task 1 moves: its new attempt has a gate of its own, and the cut divides the rows between the two."""
    graph, cut = edge_graph(EdgeType.HASH, 1, 2), Cut(1, CutKind.RESCALE, 1)
    gates = [pair.gate(graph, index) for index in range(2)]
    output = pair.output(graph, 0)
    output.emit(rows(0, 500))
    pair.attempts["down", 1] = 5
    moved = pair.gate(graph, 1)
    pair.reroute(output, graph, 0, cut)
    output.emit(rows(500, 1000))
    output.emit(End())
    last = [Leave(), End(), End()]
    received = [[element for _, _, element in drain(gate, 1)] for gate in (gates[1], moved, gates[0])]
    assert [elements[-1] for elements in received] == last
    between = [split_at(elements[:-1], cut) for elements in received]
    before, after = owners(2, [*range(500)]), owners(2, [*range(500, 1000)])
    assert between == [[before[1], []], [[], after[1]], [before[0], after[0]]]


def split_at(elements, cut):
    """Return the keys before and behind ``cut``."""
    at = elements.index(cut)
    return [[k for element in part for k in keys(element)] for part in (elements[:at], elements[at + 1 :])]


def test_a_sender_that_has_sent_before_is_refused_when_its_channel_is_closed(pair):
    graph = edge_graph(EdgeType.GATHER, 2, 1)
    gate, wakers = pair.gate(graph, 0), [Waker(), Waker()]
    outputs = [pair.output(graph, index, wakers[index]) for index in range(2)]
    for output in outputs:
        output.emit(Watermark(1))
    assert [gate.poll(30)[2] for _ in range(2)] == [Watermark(1)] * 2
    gate.close()
    for index, output in enumerate(outputs):
        with pytest.raises(StaleMessage, match=f"{index}#0->0#0"):
            send_all(partial(wakers[index].emit, output), rows(0, 5000))


def test_a_local_batch_is_not_copied():
    pair, graph = Pair(spread=False), edge_graph()
    gate, batch = pair.gate(graph, 0), rows(0, 5000)
    pair.output(graph, 0).emit(batch)
    assert gate.poll(0)[2].data is batch.data
    pair.stop()


def test_a_dictionary_column_stays_dictionary_encoded(pair):
    column = pa.array(["a", "b", "a", "c"] * 2000).dictionary_encode()
    schema = pa.schema([("k", column.type)])
    graph = edge_graph(EdgeType.HASH, 2, 2, schema=schema)
    gates = [pair.gate(graph, index) for index in range(2)]
    data = pa.record_batch([column], schema=schema)
    for index in range(2):
        output = pair.output(graph, index)
        for element in (Batch(data, data.nbytes), End()):
            output.emit(element)
    batches = [element.data for gate in gates for _, _, element in drain(gate, 2) if isinstance(element, Batch)]
    assert {batch.schema.field(0).type for batch in batches} == {column.type}
    assert sorted(k for batch in batches for k in batch.column(0).to_pylist()) == sorted(column.to_pylist() * 2)


def test_senders_of_another_epoch_and_of_released_jobs_are_refused(pair):
    graph = edge_graph(EdgeType.GATHER, 2, 1)
    pair.gate(graph, 0)
    wakers = [Waker() for _ in range(4)]
    stale = [pair.output(graph, index, wakers[index], epoch=0) for index in range(2)]
    fresh = [pair.output(graph, index, wakers[2 + index]) for index in range(2)]
    for exchange in pair.exchanges.values():
        exchange.release(RUN, 1)
    for output, waker in zip(stale + fresh, wakers, strict=True):
        with pytest.raises(StaleMessage, match="edge 0"):
            send_all(partial(waker.emit, output), rows(0, 5000))


def test_a_fast_sender_holds_no_more_than_the_gate_s_budget(pair):
    budget = 1 << 20
    for exchange in pair.exchanges.values():
        exchange._config = Config(gate_bytes=budget)
    graph = edge_graph(EdgeType.HASH, UP, DOWN)
    gates = [pair.gate(graph, index) for index in range(DOWN)]
    batch = rows(0, 20_000)
    wakers = [Waker() for _ in range(UP)]

    def send(index):
        output = pair.output(graph, index, wakers[index])
        for _ in range(30):
            wakers[index].emit(output, batch)
        wakers[index].emit(output, End())

    before = pa.total_allocated_bytes()
    threads = [Thread(target=send, args=(index,)) for index in range(UP)]
    for thread in threads:
        thread.start()
    assert all(waker.blocked.wait(30) for waker in wakers)
    read, held, allocated, open_ = 0, 0, 0, [UP] * DOWN
    while any(open_):
        for index, gate in enumerate(gates):
            held = max(held, gate.statistics().held)
            allocated = max(allocated, pa.total_allocated_bytes() - before)
            polled = gate.poll(0.001) if open_[index] else None
            if polled is not None:
                open_[index] -= isinstance(polled[2], End)
                read += polled[2].data.num_rows if isinstance(polled[2], Batch) else 0
    for thread in threads:
        thread.join()
    excess = 3 * batch.nbytes  # the last batch, whose slices are charged for the memory that they keep alive
    assert read == UP * 30 * 20_000
    assert held <= budget + UP * excess
    assert allocated <= DOWN * budget + UP * 4 * batch.nbytes


def test_a_gate_reports_how_full_its_channels_are(pair):
    graph = edge_graph(EdgeType.GATHER, UP, 1)
    gate, output = pair.gate(graph, 0), pair.output(graph, 1)
    output.emit(rows(0, 5000))
    while not (queues := gate.queues()):
        assert gate.statistics().channels == UP  # still under way
    (queue,) = queues
    assert (queue.edge, queue.sender, queue.held + queue.credit) == (0, 1, Config().gate_bytes // UP)
    assert queue.seconds is None


def test_a_hundred_by_a_hundred_channels_share_few_connections():
    pair, graph = Pair(), edge_graph(EdgeType.HASH, 100, 100)
    gates = [pair.gate(graph, index) for index in range(100)]
    for index in range(100):
        output = pair.output(graph, index)
        output.emit(rows(0, 1000))
        output.emit(End())
    assert sum(len(gate.channels(0)) for gate in gates) == 10_000
    elements = [element for gate in gates for _, _, element in drain(gate, 100)]
    assert sum(element.data.num_rows for element in elements if isinstance(element, Batch)) == 100_000
    assert sum(exchange.statistics().links for exchange in pair.exchanges.values()) == 4
    pair.stop()


OTHER = """
import json, sys
from exchanges import agent_info, drain, edge_graph, keys
from sabotnb.config import Config
from sabotnb.exchange import Exchange
from sabotnb.graph.job_graph import EdgeType
from sabotnb.protocol import Placement
from sabotnb.protocol.ids import Attempt, RunId, TaskId
from sabotnb.protocol.elements import Batch

exchange = Exchange("right", Config())
print(json.dumps(dict(exchange.start())), flush=True)
attempt = Attempt(TaskId(RunId("job", 1), "down", 0), 0, 1)
placement = Placement({"up": ("left", "left"), "down": ("right",)}, {"up": (0, 0), "down": (0,)}, {})
gate = exchange.gate(attempt, edge_graph(EdgeType.GATHER, 2, 1), placement)
print("ready", flush=True)
elements = [element for _, _, element in drain(gate, 2)]
print(sum(k for element in elements if isinstance(element, Batch) for k in keys(element)), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def process():
    support = Path(__file__).parent.parent / "support"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(support)!r})\n{OTHER}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def outputs_to(process, exchange):
    endpoints = json.loads(process.stdout.readline())
    assert process.stdout.readline() == "ready\n"
    agents = {"left": agent_info("left", {}), "right": agent_info("right", endpoints)}
    graph = edge_graph(EdgeType.GATHER, 2, 1)
    placement = {"up": ("left", "left"), "down": ("right",)}
    wakers = [Waker(), Waker()]
    edge = graph.edges[0]
    at = Placement(placement, {"up": (0, 0), "down": (0,)}, agents)
    return wakers, [exchange.output(attempt(edge.up, i), edge, graph, at, wakers[i]) for i in range(2)]


def test_two_processes(process):
    exchange = Exchange("left", Config(gate_bytes=1 << 16))
    wakers, outputs = outputs_to(process, exchange)
    for start in range(0, 100_000, 1000):
        wakers[0].emit(outputs[0], rows(start, start + 1000))
        wakers[1].emit(outputs[1], rows(start, start + 10))
    for output in outputs:
        output.emit(End())
    assert int(process.stdout.readline()) == sum(range(100_000)) + sum(
        k for start in range(0, 100_000, 1000) for k in range(start, start + 10)
    )
    exchange.stop()


def test_a_killed_process_is_a_lost_peer(process):
    lost = Waker()
    losses = []
    exchange = Exchange("left", Config(), on_peer_lost=lambda *loss: (losses.append(loss), lost()))
    _, outputs = outputs_to(process, exchange)
    outputs[0].emit(Watermark(1))
    process.kill()
    assert lost.event.wait(30)
    assert [agent for agent, _ in losses] == ["right"]
    exchange.stop()
