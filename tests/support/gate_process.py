"""Gates in a process of their own, which read whatever arrives while a test changes the tasks at both ends."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from exchanges import agent_info, edge_graph, keys

from sabotnb.config import Config
from sabotnb.exchange import Exchange
from sabotnb.graph.job_graph import EdgeType
from sabotnb.protocol import Attempt, Batch, Placement, RunId, TaskId

RUN = RunId("job", 1)
HERE, THERE = "left", "right"


class Rescaled:
    """A HASH edge from tasks in this process to tasks in the other; both ends as they are now."""

    def __init__(self, up, down, agents=None):
        self.attempts = {"up": list(range(up)), "down": list(range(100, 100 + down))}
        self.agents = agents or {}

    @property
    def graph(self):
        return edge_graph(EdgeType.HASH, len(self.attempts["up"]), len(self.attempts["down"]))

    @property
    def placement(self):
        tasks = {"up": (HERE,) * len(self.attempts["up"]), "down": (THERE,) * len(self.attempts["down"])}
        return Placement(tasks, {vertex: tuple(numbers) for vertex, numbers in self.attempts.items()}, self.agents)

    def attempt(self, vertex, index):
        return Attempt(TaskId(RUN, vertex, index), self.attempts[vertex][index], 1)


class GateProcess:
    """The other process: each call returns when it has been carried out there."""

    def __init__(self, process):
        self._process = process
        self.endpoints = self._read()

    def _read(self):
        line = self._process.stdout.readline()
        assert line, "the process with the gates has ended"
        return json.loads(line)

    def call(self, what, *arguments):
        print(json.dumps([what, *arguments]), file=self._process.stdin, flush=True)
        return self._read()

    def agents(self):
        return {HERE: agent_info(HERE, {}), THERE: agent_info(THERE, self.endpoints)}


@contextmanager
def gate_process(gate_bytes):
    """Start the other process, whose gates have ``gate_bytes`` each."""
    command = [sys.executable, __file__, str(gate_bytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield GateProcess(process)
        process.kill()


class _Gates:
    def __init__(self, gate_bytes):
        self.exchange = Exchange(THERE, Config(gate_bytes=gate_bytes))
        self.edge = Rescaled(0, 0)
        self.gates = {}
        self.received = {}
        self.commands = SimpleQueue()

    def serve(self):
        _answer(dict(self.exchange.start()))
        Thread(target=self.listen, daemon=True).start()
        while True:
            while not self.commands.empty():
                what, *arguments = self.commands.get()
                if what == "stop":
                    return self.exchange.stop()
                _answer(getattr(self, what)(*arguments))
            for number, gate in self.gates.items():
                polled = gate.poll(0.0005)
                if polled is not None:
                    self.note(number, polled[1], polled[2])

    def listen(self):
        for line in sys.stdin:
            self.commands.put(json.loads(line))
        self.commands.put(["stop"])

    def note(self, number, up, element):
        noted = keys(element) if isinstance(element, Batch) else [type(element).__name__]
        self.received.setdefault(f"{up.attempt}->{number}", []).extend(noted)

    def change(self, up, down):
        """Open the gates of new attempts ``down``, and tell the others of the attempts ``up``."""
        self.edge.attempts = {"up": up, "down": down}
        for index, number in enumerate(down):
            arguments = self.edge.attempt("down", index), self.edge.graph, self.edge.placement
            if number not in self.gates:
                self.gates[number] = self.exchange.gate(*arguments)
            else:
                self.exchange.extend(self.gates[number], *arguments)
        return True

    def channels(self):
        """Return the number of channels of each gate."""
        return {number: gate.statistics().channels for number, gate in self.gates.items()}

    def elements(self):
        """Return what arrived on each channel, rows as their keys."""
        return self.received


def _answer(answer):
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    _Gates(int(sys.argv[1])).serve()
