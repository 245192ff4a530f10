"""How other threads reach a task: commands that it reads between two batches, and the bell that wakes it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from sabotnb.protocol.control import Command


class Wakeable(Protocol):
    """What a sleeping task may be waiting in; ``protocol.Gate`` is one."""

    def wake(self) -> None:
        """End a waiting ``poll``."""
        ...


class Mailbox:
    """Commands for one task, and its sleep while it may take no input.

    A task sleeps in its gate while it waits for input, and in ``wait`` while it waits for credit (the gate would hand
    it an element that it cannot process yet); ``wake`` ends both.
    """

    def __init__(self, gate: Wakeable) -> None:
        self._gate = gate
        self._commands: deque[Command] = deque()
        self._bell = threading.Event()

    def post(self, command: Command) -> None:
        """Leave ``command`` and wake the task; from any thread, never blocks."""
        self._commands.append(command)
        self.wake()

    def __len__(self) -> int:
        """How many commands wait."""
        return len(self._commands)

    def take(self) -> Command | None:
        """The oldest command; None if there is none."""
        return self._commands.popleft() if self._commands else None

    def wake(self) -> None:
        """End the task's sleep, or its next one if it is awake; from any thread."""
        self._bell.set()
        self._gate.wake()

    def wait(self, timeout: float) -> None:
        """Sleep until somebody wakes the task, at most ``timeout`` seconds; not at all if that was since the last."""
        self._bell.wait(timeout)
        self._bell.clear()
