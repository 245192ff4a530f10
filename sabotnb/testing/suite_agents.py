"""Agents that are only transports, and the elements that they send, for tests of transports and channels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Semaphore
from typing import Any, NoReturn

import pyarrow as pa
import pytest

from sabotnb.exchange import InputGate
from sabotnb.exchange.channel import Account, Channel, ChannelKey, Sender
from sabotnb.exchange.transport import Find, OnPeerLost, Peer, Transport
from sabotnb.protocol import (
    Batch,
    ChannelEnd,
    Cut,
    CutKind,
    Element,
    End,
    EndReason,
    Leave,
    Marker,
    RunId,
    Status,
    Watermark,
)

SCHEMA = pa.schema([("k", pa.int64()), ("s", pa.string())])
"""The columns of every batch that the suite sends."""

RUN = RunId("job", 1)


def channel_key(
    up: int = 0, down: int = 0, edge: int = 0, epoch: int = 1, attempts: tuple[int, int] = (0, 0)
) -> ChannelKey:
    """Return the key of a channel from task ``up`` to task ``down``, in these attempts."""
    return ChannelKey(RUN, epoch, edge, ChannelEnd(up, attempts[0]), ChannelEnd(down, attempts[1]))


KEY, OTHER = (channel_key(up) for up in range(2))
CONTROL: list[Element] = [
    Watermark(5),
    Status(idle=True),
    Marker("probe", "{}"),
    Cut(1, CutKind.CHECKPOINT, 1, 7, {"k": 2}),
]
LAST: list[Element] = [Leave(), End(), End(EndReason.STOPPED)]


def rows(start: int, stop: int) -> Batch:
    """Return a batch element whose column ``k`` counts from ``start`` to ``stop`` (exclusive)."""
    data = pa.record_batch([list(range(start, stop)), [f"row {k}" for k in range(start, stop)]], schema=SCHEMA)
    return Batch(data, data.nbytes)


def keys(element: Element) -> list[int]:
    """Return column ``k`` of a batch element."""
    assert isinstance(element, Batch)
    values: list[int] = element.data.column("k").to_pylist()
    return values


class Waker:
    """Blocks a thread that sends until there is credit, as a task does."""

    def __init__(self) -> None:
        self.event = Event()
        self.blocked = Event()
        """Set once a thread had to wait."""

    def __call__(self) -> None:
        self.event.set()

    def emit(self, output: Any, element: Element) -> None:
        """Emit ``element`` to an ``OutputPartition`` when it is writable."""
        self._wait(output.writable)
        output.emit(element)

    def send(self, sender: Sender, element: Element) -> None:
        """Send ``element`` when ``sender`` has credit."""
        self._wait(lambda: sender.credit() > 0)
        sender.send(element)

    def _wait(self, writable: Callable[[], bool]) -> None:
        while not writable():
            self.blocked.set()
            assert self.event.wait(30), "the sender waits for credit and was not woken within 30 s"
            self.event.clear()


@contextmanager
def file_limit(left: int) -> Iterator[None]:
    """Let this process open only ``left`` more files while inside."""
    import resource  # not on Windows

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


def passed_alone(request: pytest.FixtureRequest) -> bool:
    """Run the test of ``request`` in a process of its own; False in that process, where the test has to be done.

    For tests of what a whole process shares: the threads that other tests left would take part.
    """
    if os.environ.get("SABOTNB_TEST_ALONE"):
        return False
    environment = os.environ | {"SABOTNB_TEST_ALONE": "1"}
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    done = subprocess.run(  # noqa: S603  the test itself, again
        [sys.executable, "-m", "pytest", "-q", request.node.nodeid],
        cwd=request.config.rootpath,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return True


def received(gate: InputGate) -> Element:
    """Return the next element of ``gate``; waits up to 30 seconds."""
    return polled_element(gate)[2]


def polled_element(gate: InputGate) -> tuple[int, ChannelEnd, Element]:
    """Return the next element of ``gate`` with its edge and sender; waits up to 30 seconds."""
    polled = gate.poll(30)
    assert polled is not None, "no element arrived within 30 s"
    return polled


class SuiteAgent:
    """One end of a connection: a transport, its receiving channels by key, and the losses that it reported."""

    def __init__(self, name: str, make: Callable[[str, Find, OnPeerLost], Transport]) -> None:
        self.name = name
        self.channels: dict[ChannelKey, Channel] = {}
        self.on_find: Callable[[], None] = lambda: None
        """Called after the transport has found a channel, before it uses it."""
        self.lost: list[tuple[str, str]] = []
        self._losses = Semaphore(0)
        self.transport = make(name, self._find, self._lose)
        self.endpoints = self.transport.start()

    def _find(self, key: ChannelKey) -> Channel | None:
        channel = self.channels.get(key)
        self.on_find()
        return channel

    def _lose(self, agent: str, reason: str) -> None:
        self.lost.append((agent, reason))
        self._losses.release()

    def gate(self, *keys: ChannelKey) -> InputGate:
        """Return a gate for the channels ``keys``, and make them known to the transport."""
        gate = InputGate((key.edge, key) for key in keys)
        self.channels.update((channel.key, channel) for channel in gate.all_channels())
        return gate

    def wait_lost(self) -> tuple[str, str]:
        """Wait for the next loss; returns the peer and the reason."""
        assert self._losses.acquire(timeout=30), "no lost peer was reported within 30 s"
        return self.lost[-1]

    def send_to(
        self,
        other: SuiteAgent,
        key: ChannelKey = KEY,
        budget: int = 1 << 20,
        wake: Callable[[], None] = lambda: None,
        endpoints: Mapping[str, str] | None = None,
    ) -> Sender:
        """Open channel ``key`` to ``other`` and return its sending end."""
        return self.transport.open(key, Peer(other.name, endpoints or other.endpoints), Account(budget, wake))


def send_all(send: Callable[[Element], None], element: Element) -> NoReturn:
    """Send ``element`` until that raises: a refusal or a loss takes its time on the wire."""
    while True:
        send(element)
