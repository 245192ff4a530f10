"""The mailbox of a task: commands and requests from other threads, and the event that wakes the task."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from sabotnb.protocol import CancelTasks, Command


class Wakeable(Protocol):
    """An object that a task sleeps in; ``protocol.Gate`` is one."""

    def wake(self) -> None:
        """End a waiting ``poll``."""
        ...


class Mailbox:
    """Commands for one task, requests of its operators and of metrics, and its sleep while it has no credit.

    A task sleeps in its gate while it waits for input, and in ``wait`` while it waits for credit (the gate would return
    an element that it cannot process yet); ``wake`` ends both.
    """

    def __init__(self, gate: Wakeable) -> None:
        self._gate = gate
        self._commands: deque[Command] = deque()
        self._woken = threading.Event()
        self._woken_operators: dict[str, bool] = {}
        self._measuring = False

    def post(self, command: Command) -> None:
        """Add ``command`` and wake the task; from any thread, never blocks."""
        self._commands.append(command)  # before the wake-up, so that the woken task finds it
        self.wake()

    def take(self) -> Command | None:
        """Remove and return the oldest command; None if there is none."""
        return self._commands.popleft() if self._commands else None

    @property
    def canceled(self) -> bool:
        """True while the command to cancel the task is pending."""
        return any(isinstance(command, CancelTasks) for command in tuple(self._commands))

    def wake_operator(self, operator: str) -> None:
        """Ask the task to call ``on_wake`` of an operator; from any thread."""
        self._woken_operators[operator] = True
        self.wake()

    def take_woken_operators(self) -> set[str]:
        """Return the operators that have asked to be woken since the last call.

        The caller wakes them after this, so a request that arrives meanwhile is answered by the same call.
        """
        if not self._woken_operators:
            return set()
        woken = set(self._woken_operators)
        for operator in woken:
            del self._woken_operators[operator]
        return woken

    def request_measurement(self) -> None:
        """Ask the task to measure its state; does not wake it, as its state does not change while it sleeps."""
        self._measuring = True

    def take_measurement_request(self) -> bool:
        """True if a measurement was requested since the last call."""
        if not self._measuring:
            return False
        self._measuring = False
        return True

    @property
    def has_requests(self) -> bool:
        """True while a command, or the request of an operator to be woken, is pending."""
        return bool(self._commands) or bool(self._woken_operators)

    def wake(self) -> None:
        """End the task's sleep, or its next one if it is awake; from any thread."""
        self._woken.set()
        self._gate.wake()

    def wait(self, timeout: float) -> None:
        """Sleep until ``wake`` is called, ``timeout`` seconds at most; returns at once if it was called meanwhile."""
        self._woken.wait(timeout)
        self._woken.clear()  # before the caller looks at commands and credit, so that no later wake-up is cleared
