"""Protocols of the two ends of a task: its input gate and its outputs."""

from __future__ import annotations

from typing import Protocol

from sabotnb.protocol.elements import Element
from sabotnb.protocol.ids import ChannelEnd


class Output(Protocol):
    """Sends a task's elements along one edge. Only the task's thread uses it."""

    def emit(self, element: Element) -> None:
        """Accept ``element`` for sending; never blocks, even without credit."""
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
        """Close the channels; unsent elements are dropped."""
        ...


class Gate(Protocol):
    """Receives the elements of all channels into a task."""

    def poll(self, timeout: float) -> tuple[int, ChannelEnd, Element] | None:
        """The next ``(port, channel, element)``; waits at most ``timeout`` seconds; None if there is nothing.

        A channel is identified by the task that sends to the port. ``wake`` ends the wait early.
        """
        ...

    def wake(self) -> None:
        """End a waiting ``poll``; may be called from any thread."""
        ...

    def block(self, port: int, channel: ChannelEnd) -> None:
        """Return no element of this channel until ``resume``; the channel still receives them."""
        ...

    def resume(self, port: int, channel: ChannelEnd) -> None:
        """Return the elements of this channel again, those received since ``block`` first."""
        ...

    def close(self) -> None:
        """Close the channels at the end of the input: a task that still sends gets an error."""
        ...

    def discard(self) -> None:
        """Drop what is unread and what arrives later, and return its credit: the task has failed or was canceled."""
        ...
