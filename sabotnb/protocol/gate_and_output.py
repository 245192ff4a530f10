"""The two ends of a task: its input gate and its outputs."""

from __future__ import annotations

from typing import Protocol

from sabotnb.protocol.elements import Element


class Output(Protocol):
    """Everything that leaves a task through one edge. Only the task's thread touches it."""

    def emit(self, element: Element) -> None:
        """Hand ``element`` on; never blocks, and takes the element even without credit."""
        ...

    def writable(self) -> bool:
        """True while every channel that the next batch may need has credit."""
        ...

    def send_aged(self) -> None:
        """Send the pending slices that have waited long enough; never blocks. Called while the task is busy."""
        ...

    def flush(self) -> None:
        """Send pending slices now (before the task sleeps, at cuts and at the end)."""
        ...

    def close(self) -> None:
        """Give up channels; what was not sent is dropped."""
        ...


class Gate(Protocol):
    """Everything that enters a task."""

    def poll(self, timeout: float) -> tuple[int, int, Element] | None:
        """The next ``(port, channel, element)``; waits at most ``timeout`` seconds; None if there is nothing.

        A channel is known by the index of the task that sends to the port. ``wake`` from any thread ends the waiting
        early.
        """
        ...

    def wake(self) -> None:
        """End a waiting ``poll``."""
        ...

    def close(self) -> None:
        """Give up channels; unread elements are dropped and their credit returned."""
        ...
