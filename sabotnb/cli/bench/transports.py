"""Batches from one process to another, every byte read there; and small slices to a hundred tasks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from threading import Event

import numpy as np
import pyarrow as pa

from sabotnb.cli.bench.measure import Case, Make, Work
from sabotnb.config import Config
from sabotnb.exchange import Exchange, InputGate, OutputPartition
from sabotnb.graph import EdgeType
from sabotnb.plan import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.protocol import FIRST_EPOCH, AgentInfo, Attempt, Batch, End, Marker, Placement, RunId, TaskId

ROWS = 65_536
SCHEMA = pa.schema([(name, pa.int64()) for name in "abcd"])
HERE, THERE = "here", "there"
PLACE = {"out": (HERE,), "far": (THERE,), "back": (HERE,)}
GRAPH = ExecutionGraph(
    {name: Vertex(name, (), (SCHEMA,), (SCHEMA,), 1) for name in PLACE},
    (
        ShuffleEdge(0, "out", "far", 0, EdgeType.FORWARD, SCHEMA, "out"),
        ShuffleEdge(1, "far", "back", 0, EdgeType.FORWARD, SCHEMA, "far"),
    ),
    {},
    128,
)


def cases() -> Iterator[Case]:
    """Rates include encoding, decoding and a sum over each column."""
    for kind in ("unix", "tcp"):
        yield Case(f"wire: 2 MB batches over {kind} to another process", _transfer(kind, ROWS, 300), ROWS * 300)
    yield Case("wire: 128 KB batches over unix to another process", _transfer("unix", 4096, 2000), 4096 * 2000)
    figures: dict[str, float] = {}
    yield Case("shuffle of 100 tasks to 100 tasks", _fan(figures), 100 * 5 * ROWS, figures=lambda: figures)


def _agents(endpoints: Mapping[str, Mapping[str, str]]) -> dict[str, AgentInfo]:
    return {name: AgentInfo(name, "", "host", 0, 1, endpoints=ends) for name, ends in endpoints.items()}


def _output(exchange: Exchange, edge: int, agents: Mapping[str, AgentInfo], woken: Event) -> OutputPartition:
    return exchange.output(
        _attempt(GRAPH.edges[edge].up), GRAPH.edges[edge], GRAPH, _placement(PLACE, agents), woken.set
    )


def _placement(place: Mapping[str, tuple[str, ...]], agents: Mapping[str, AgentInfo]) -> Placement:
    return Placement(place, {vertex: (0,) * len(tasks) for vertex, tasks in place.items()}, agents)


def _attempt(vertex: str, index: int = 0) -> Attempt:
    return Attempt(TaskId(RunId("bench", 1), vertex, index), 0, FIRST_EPOCH)


def _batch(rows: int) -> Batch:
    data = pa.record_batch([np.arange(rows)] * 4, schema=SCHEMA)
    return Batch(data, data.nbytes)


def _send(output: OutputPartition, woken: Event, element: Batch | Marker) -> None:
    while not output.writable():
        woken.wait()
        woken.clear()
    output.emit(element)


def _transfer(kind: str, rows: int, batches: int) -> Make:
    def make() -> Work:
        exchange = Exchange(HERE, Config())
        ours = exchange.start()
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, json.dumps(dict(ours))],
            stdin=subprocess.PIPE,  # closed with this process, which ends the other one
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        theirs = json.loads(process.stdout.readline())
        gate = exchange.gate(_attempt("back"), GRAPH, _placement(PLACE, {}))
        usable = {name: theirs[name] for name in (kind, "token")}
        woken = Event()
        output = _output(exchange, 0, _agents({HERE: ours, THERE: usable}), woken)
        batch = _batch(rows)

        def run() -> None:
            for _ in range(batches):
                _send(output, woken, batch)
            _send(output, woken, Marker("done", "{}"))
            output.flush()
            while gate.poll(60) is None:
                assert process.poll() is None, "the other process has ended"

        return run

    return make


def _fan(figures: dict[str, float]) -> Make:
    """Each task emits 5 batches and asks for a flush after each, as one does that waits for its input."""
    edge = ShuffleEdge(0, "up", "down", 0, EdgeType.HASH, SCHEMA, "up", ("a",), "a")
    vertices = {name: Vertex(name, (), (SCHEMA,), (SCHEMA,), 100) for name in ("up", "down")}
    graph = ExecutionGraph(vertices, (edge,), {"a": tuple(group * 100 // 128 for group in range(128))}, 128)
    place = dict.fromkeys(vertices, (HERE,) * 100)

    def run() -> None:
        exchange = Exchange(HERE, Config())
        placement = _placement(place, {})
        gates = [exchange.gate(_attempt("down", index), graph, placement) for index in range(100)]
        outputs = [exchange.output(_attempt("up", index), edge, graph, placement, lambda: None) for index in range(100)]
        batch = _batch(ROWS)
        for _ in range(5):
            for output in outputs:
                output.emit(batch)
                output.flush()
            _read(gates)
        for output in outputs:
            output.emit(End())
        _read(gates)
        traffic = [statistic for output in outputs for statistic in output.statistics()]
        figures["rows_per_batch"] = sum(statistic.rows for statistic in traffic) / sum(
            statistic.batches for statistic in traffic
        )
        exchange.stop()

    return lambda: run


def _read(gates: list[InputGate]) -> None:
    for gate in gates:
        while gate.poll(0) is not None:
            continue


def _far() -> None:
    """The other process: reads every byte and answers each marker."""
    exchange = Exchange(THERE, Config())
    theirs = json.loads(sys.argv[1])
    ours = exchange.start()
    gate = exchange.gate(_attempt("far"), GRAPH, _placement(PLACE, {}))
    print(json.dumps(dict(ours)), flush=True)
    woken = Event()
    output = _output(exchange, 1, _agents({HERE: theirs, THERE: ours}), woken)
    lost = Event()
    _watch_stdin(lost, gate)
    while not lost.is_set():
        polled = gate.poll(60)
        if polled is None:
            continue
        element = polled[2]
        if isinstance(element, Batch):
            for column in element.data.columns:
                np.asarray(column).sum()
        elif isinstance(element, Marker):
            output.emit(element)
    exchange.stop()


def _watch_stdin(lost: Event, gate: InputGate) -> None:
    from threading import Thread

    def watch() -> None:
        sys.stdin.read()
        lost.set()
        gate.wake()

    Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _far()
