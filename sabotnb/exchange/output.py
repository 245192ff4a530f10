"""The output partition of one task on one edge: splits batches over channels and coalesces the slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.eventtime import is_delayed
from sabotnb.exchange.channel import Sender
from sabotnb.exchange.coalescing import CoalescingBuffer, MostCredit, Traffic
from sabotnb.exchange.rate_limiter import SMALL_BATCH_ROWS, RateLimiter
from sabotnb.exchange.routing import Split
from sabotnb.graph import EdgeType
from sabotnb.protocol import Batch, Cut, Element, End, Leave, Marker

MAX_AGE_SECONDS = 5.0
"""A pending slice of this age is sent even if the agent's rate limit is reached."""


@dataclass(frozen=True, slots=True)
class ChannelRouting:
    """The channels of an output and the function that splits its batches over them.

    ``senders`` are by downstream task index, in that order. ``split`` returns a slice of a batch for each of them; None
    if all rows of a batch go the same way.
    """

    type: EdgeType
    senders: Mapping[int, Sender]
    split: Split | None

    def buffers(self, config: Config, traffic: Mapping[int, Traffic]) -> tuple[CoalescingBuffer, ...]:
        """Create a buffer per channel if rows are split, else one for all channels."""
        senders = tuple(self.senders.values())
        if self.split is not None:
            return tuple(CoalescingBuffer([sender], config, traffic) for sender in senders)
        return (CoalescingBuffer(senders, config, traffic, MostCredit() if self.type is EdgeType.REBALANCE else None),)


class OutputPartition:
    """Splits batches, coalesces the slices and sends them. Implements ``protocol.Output``.

    Slices are sent when they are enough, when a call finds that they are ``Config.coalesce_seconds`` old, and by
    ``flush``. The last two may send small batches, so they ask the agent's ``rate_limiter``; when ``flush`` has to
    wait, it asks ``wake_after(seconds)`` to wake the task.
    """

    def __init__(
        self,
        routing: ChannelRouting,
        config: Config,
        clock: Callable[[], float],
        rate_limiter: RateLimiter,
        wake_after: Callable[[float], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._rate_limiter = rate_limiter
        self._wake_after = wake_after
        self._woken_at = float("-inf")
        self._traffic: dict[int, Traffic] = {}
        self._use(routing)
        self._turn = self._buffers[0].senders[0].key.up.task  # so that not all senders begin with the same channel

    def _use(self, routing: ChannelRouting) -> None:
        self._traffic |= {down: Traffic(down) for down in routing.senders if down not in self._traffic}
        self._routing = routing
        self._buffers = routing.buffers(self._config, self._traffic)

    @property
    def senders(self) -> Mapping[int, Sender]:
        """The channels, by downstream task index."""
        return self._routing.senders

    def reroute(self, routing: ChannelRouting, cut: Cut) -> None:
        """Send pending rows and then ``cut`` on every channel, old and new; later rows follow ``routing``.

        Channels that are not in ``routing`` get a ``Leave`` behind the cut and are closed.
        """
        for buffer in self._buffers:
            buffer.send()
        before, after = self._routing.senders, routing.senders
        joining = [sender for down, sender in after.items() if before.get(down) is not sender]
        leaving = [sender for down, sender in before.items() if after.get(down) is not sender]
        for sender in (*before.values(), *joining):
            sender.send(cut)
        for sender in leaving:
            sender.send(Leave())
            sender.close()
        self._use(routing)

    def emit(self, element: Element) -> None:
        if not isinstance(element, Batch):
            self._control(element)
            return
        batch = element.data
        if batch.num_rows == 0:
            return
        now = self._clock()
        split = self._routing.split
        delayed = is_delayed(batch)
        slices: Sequence[pa.RecordBatch | None] = (batch,) if split is None else split(batch)
        for buffer, rows in zip(self._buffers, slices, strict=True):
            if rows is not None:  # its bytes are estimated: counting them would visit every column of every slice
                buffer.add(rows, element.nbytes * rows.num_rows // batch.num_rows, now, delayed=delayed)
        self._send_older(now)

    def send_aged(self) -> None:
        self._send_older(self._clock())

    def _send_older(self, now: float) -> None:
        aged = [
            buffer for buffer in self._buffers if buffer.rows and now - buffer.since >= self._config.coalesce_seconds
        ]
        if self._rate_limiter.wait(_small_batches(aged)):
            aged = [buffer for buffer in aged if now - buffer.since >= MAX_AGE_SECONDS]
        for buffer in aged:
            buffer.send()

    def _control(self, element: Element) -> None:
        if isinstance(element, Marker):  # to one channel in turn: their number must not grow with that of channels
            self._buffers[self._turn % len(self._buffers)].add_control(element)
            self._turn += 1
            return
        for buffer in self._buffers:
            if isinstance(element, Cut | Leave | End):  # no row may overtake these, see ``coalescing``
                buffer.send()
            buffer.add_control(element)

    def writable(self) -> bool:
        return all(buffer.writable() for buffer in self._buffers)

    def flush(self) -> None:
        """Send pending slices that have credit; if the rate limit is reached, have the task woken to try again."""
        buffers = [buffer for buffer in self._buffers if buffer.rows and buffer.writable()]
        seconds = self._rate_limiter.wait(_small_batches(buffers))
        if not seconds:
            for buffer in buffers:
                buffer.send()
            return
        now = self._clock()
        if self._woken_at <= now:  # else a call is set already; a task that sleeps often would set many
            self._woken_at = now + seconds
            self._wake_after(seconds)

    def statistics(self) -> tuple[Traffic, ...]:
        """Return what each channel has sent so far, in the order of the downstream tasks; from any thread."""
        return tuple(replace(traffic) for traffic in list(self._traffic.values()))

    def close(self) -> None:
        for buffer in self._buffers:
            buffer.drop()


def _small_batches(buffers: Sequence[CoalescingBuffer]) -> int:
    return sum(buffer.rows < SMALL_BATCH_ROWS for buffer in buffers)
