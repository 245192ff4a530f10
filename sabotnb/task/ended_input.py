"""The input of a task that had ended before the cut that it is restored from."""

from __future__ import annotations

from sabotnb.errors import ProtocolError
from sabotnb.eventtime import DelayedRows, Times
from sabotnb.metrics import WatermarkHolder
from sabotnb.protocol import (
    MAX_WATERMARK,
    AssignSplits,
    Batch,
    ChannelEnd,
    Cut,
    Element,
    End,
    Gate,
    Leave,
    RaiseBound,
    TaskRestore,
    Watermark,
)
from sabotnb.task.task_input import Work


class EndedInput:
    """Ends when all ``channels`` of the gate have: the tasks above had ended as well, and send no rows.

    A task that sends finds the gates below only when all tasks run, so it waits for the start of the sources.
    """

    def __init__(self, gate: Gate, channels: int) -> None:
        self._gate = gate
        self._channels = channels
        self._next: tuple[int, ChannelEnd, Element] | None = None
        self._started = False
        self.ended = False

    @property
    def last_element(self) -> End:
        """The end of exhausted input."""
        return End()

    def take(self) -> Work | None:
        while self._channels:
            polled, self._next = self._next or self._gate.poll(0), None
            if polled is None:
                return None
            port, channel, element = polled
            if isinstance(element, Batch | Cut):
                what = f"a {type(element).__name__} on channel {channel} of port {port}"
                raise ProtocolError(f"{what} reached a task that had ended before the cut it was restored from")
            self._channels -= isinstance(element, End | Leave)
        return self._end() if self._started else None

    def _end(self) -> Work:
        yield Watermark(MAX_WATERMARK)  # as exhausted input does; an edge without event time ignores it
        self.ended = True

    def wait(self, timeout: float) -> None:
        if self._next is None:
            self._next = self._gate.poll(timeout)

    def start(self) -> None:
        self._started = True

    def restore(self, restore: TaskRestore) -> None:
        """Do nothing: there is nothing to continue."""

    def take_cut(self, cut: Cut, *, hold: bool) -> None:
        """Do nothing: the end of the task acknowledges the cut."""

    @property
    def takes_cut(self) -> bool:
        return False

    def take_due_cut(self) -> Work | None:
        return None

    def holder(self) -> WatermarkHolder | None:
        return None

    def advance_clock(self, times: Times) -> DelayedRows | None:
        """Raise ProtocolError: the task has no rows."""
        raise ProtocolError(f"{len(times)} event times were computed in a task that has ended")

    def stop(self) -> None:
        """Do nothing: it has ended."""

    def assign(self, command: AssignSplits | RaiseBound) -> None:
        """Do nothing: it has ended."""

    def pause(self) -> None:
        """Do nothing: it has ended."""

    def resume(self) -> None:
        """Do nothing: it has ended."""

    def close(self) -> None:
        """Do nothing: the task closes its gate."""
