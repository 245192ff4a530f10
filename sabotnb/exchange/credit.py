"""How much credit the channels of a gate have: what their task consumes in about 200 ms.

Theory of operation. Unread bytes are a queue that everything sent later has to wait behind: rows, and a cut. So the
credit of a channel is bounded by memory (its part of the gate's budget) and by time (``QUEUE_SECONDS`` of work).

- The gate decides, in its task's thread. A sender begins with its part of the budget. After that, credit is raised by
  refunds of more bytes than were consumed, and lowered by refunds of less: see ``Channel.take``. So a sender is never
  asked to return credit, and nothing on the wire says how much it has.
- A change reaches each channel with the next batch that is polled from it. For more credit that is in time: a channel
  without any has a batch in the queue or under way. Less credit comes late for a channel that is silent, which keeps
  what it had when it last spoke.
- Consumption is measured while the task does not wait in the gate for input. A task that gets too little would be
  measured as slow otherwise, would get less, and so on. Time in which it waits for credit of its own outputs counts: a
  cut has to wait for that as well.
- The rate rises at once and falls by half per measurement, so that a slow batch among fast ones does no harm.
- The rate is shared by the channels that are in use: those polled since the last measurement, or those that have
  elements now, if they are more. So a single busy channel among a hundred is not throttled.
"""

from __future__ import annotations

import time
from collections.abc import Callable

QUEUE_SECONDS = 0.2
"""What a channel may hold, as time that its task takes to consume it."""

MEASURE_SECONDS = 0.05
"""Working time between two measurements."""


def channel_credit(rate: float | None, budget: int, batch: float) -> int:
    """Return the credit, in bytes, of a channel that is consumed at ``rate`` bytes per second.

    It is what is consumed in ``QUEUE_SECONDS``, at least one ``batch`` and at most ``budget``, all in bytes; the budget
    while no rate was measured (None). It is always positive: a channel that holds nothing takes one batch of any size.
    """
    if rate is None:
        return max(1, budget)
    return max(1, min(budget, int(max(batch, rate * QUEUE_SECONDS))))


class GateCredit:
    """The credit of each channel of a gate, by the rate at which its task consumes.

    ``nbytes`` is the budget of all channels together; without it, each channel keeps the credit that it has. ``clock``
    returns seconds. The task's thread calls the methods, except ``seconds``.
    """

    def __init__(self, nbytes: int | None, channels: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._nbytes = nbytes
        self._channels = channels
        self._clock = clock
        self._batch = 0.0
        self._in_use = 1
        self._worked = 0.0
        self._consumed = 0
        self._batches = 0
        self._polled: set[int] = set()
        self._since: float | None = None
        self.rate: float | None = None
        """Bytes per second; None before the first measurement."""
        self.per_channel: int | None = None
        """Bytes that each channel may hold; None for what it has."""
        self.resize(channels)

    def resize(self, channels: int) -> None:
        """Share the budget among this number of channels from now on."""
        self._channels = channels
        if self._nbytes is not None:
            rate = None if self.rate is None else self.rate / self._in_use
            self.per_channel = channel_credit(rate, self._nbytes // max(1, channels), self._batch)

    def begin_poll(self, ready: int) -> None:
        """The task asks for an element, and has worked since the last one; ``ready`` channels have elements."""
        now = self._clock()
        if self._since is not None:
            self._worked += now - self._since
            if self._worked >= MEASURE_SECONDS and self._consumed:
                self._measure(ready)
        self._since = now

    def end_wait(self) -> None:
        """The task has waited for an element: that was no work."""
        self._since = self._clock()

    def consume(self, channel: int, nbytes: int) -> None:
        """The task takes a batch of ``nbytes`` from ``channel``, a number that only this channel of the gate has."""
        self._consumed += nbytes
        self._batches += 1
        self._polled.add(channel)

    def seconds(self, nbytes: int) -> float | None:
        """Return how long the task takes to consume ``nbytes``; None before the first measurement. From any thread."""
        rate = self.rate
        return None if rate is None else nbytes / rate

    def _measure(self, ready: int) -> None:
        measured = self._consumed / self._worked
        self.rate = measured if self.rate is None else max(measured, (self.rate + measured) / 2)
        self._batch = self._consumed / self._batches
        self._in_use = max(len(self._polled), ready)
        self._worked, self._consumed, self._batches = 0.0, 0, 0
        self._polled.clear()
        self.resize(self._channels)
