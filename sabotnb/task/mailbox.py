"""How other threads reach a task: what it hears between two batches, and the bell that wakes it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from sabotnb.protocol import Command


class Wakeable(Protocol):
    """What a sleeping task may be waiting in; ``protocol.Gate`` is one."""

    def wake(self) -> None:
        """End a waiting ``poll``."""
        ...


class Mailbox:
    """Commands for one task, what its operators and who measures it ask for, and its sleep while it may take no input.

    A task sleeps in its gate while it waits for input, and in ``wait`` while it waits for credit (the gate would hand
    it an element that it cannot process yet); ``wake`` ends both.
    """

    def __init__(self, gate: Wakeable) -> None:
        self._gate = gate
        self._commands: deque[Command] = deque()
        self._bell = threading.Event()
        self._operator_woken = threading.Event()
        self._measuring = False

    def post(self, command: Command) -> None:
        """Leave ``command`` and wake the task; from any thread, never blocks."""
        self._commands.append(command)
        self.wake()

    def take(self) -> Command | None:
        """The oldest command; None if there is none."""
        return self._commands.popleft() if self._commands else None

    def wake_operator(self) -> None:
        """Have the task tell its operators that one of them has asked to be woken; from any thread."""
        self._operator_woken.set()
        self.wake()

    def take_operator_wake(self) -> bool:
        """True if that was asked for since the last time."""
        if not self._operator_woken.is_set():
            return False
        self._operator_woken.clear()
        return True

    def ask_measuring(self) -> None:
        """Have the task measure its state; it is not woken for that, as nothing changes while it sleeps."""
        self._measuring = True

    def take_measuring(self) -> bool:
        """True if that was asked for since the last time."""
        if not self._measuring:
            return False
        self._measuring = False
        return True

    @property
    def called(self) -> bool:
        """True while a command or an operator waits for the task."""
        return bool(self._commands) or self._operator_woken.is_set()

    def wake(self) -> None:
        """End the task's sleep, or its next one if it is awake; from any thread."""
        self._bell.set()
        self._gate.wake()

    def wait(self, timeout: float) -> None:
        """Sleep until somebody wakes the task, at most ``timeout`` seconds; not at all if that was since the last."""
        self._bell.wait(timeout)
        self._bell.clear()
