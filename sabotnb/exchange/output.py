"""The output partition of one task on one edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.exchange.channel import Sender
from sabotnb.exchange.coalescing import CoalescingBuffer, MostCredit, Traffic
from sabotnb.exchange.rate_limiter import CRUMB_ROWS, RateLimiter
from sabotnb.exchange.routing import Split
from sabotnb.graph import EdgeType
from sabotnb.protocol import Batch, Cut, Element, End, Leave, Marker

MAX_AGE_SECONDS = 5.0
"""A pending slice of this age leaves even if the agent's pace is used up."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the rows of an output go: over the channels ``senders``, by index of the task below and in that order.

    ``split`` cuts a batch into a piece for each of them; None if all rows of a batch go the same way.
    """

    type: EdgeType
    senders: Mapping[int, Sender]
    split: Split | None

    def lanes(self, config: Config, traffic: Mapping[int, Traffic]) -> tuple[CoalescingBuffer, ...]:
        """One lane per channel where rows are split; else one for all: every channel's, or the freest one's."""
        senders = tuple(self.senders.values())
        if self.split is not None:
            return tuple(CoalescingBuffer([sender], config, traffic) for sender in senders)
        return (CoalescingBuffer(senders, config, traffic, MostCredit() if self.type is EdgeType.REBALANCE else None),)


class OutputPartition:
    """Cuts batches, coalesces the slices and sends them. Implements ``protocol.channel.Output``.

    Slices leave when they are enough, when a call finds that they are ``Config.coalesce_seconds`` old, and with
    ``flush``; the last two at the agent's ``pace``. ``alarm(seconds)`` has the task woken when ``flush`` has to wait
    for its turn.
    """

    def __init__(
        self,
        spread: Spread,
        config: Config,
        clock: Callable[[], float],
        pace: RateLimiter,
        alarm: Callable[[float], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._pace = pace
        self._alarm = alarm
        self._woken_at = float("-inf")
        self._traffic: dict[int, Traffic] = {}
        self._go_by(spread)
        self._turn = self._lanes[0].senders[0].key.up  # so that not all senders begin with the same channel

    def _go_by(self, spread: Spread) -> None:
        self._traffic |= {down: Traffic(down) for down in spread.senders if down not in self._traffic}
        self._spread = spread
        self._lanes = spread.lanes(self._config, self._traffic)

    @property
    def senders(self) -> Mapping[int, Sender]:
        """The channels, by index of the task below."""
        return self._spread.senders

    def reroute(self, spread: Spread, cut: Cut) -> None:
        """Send what is pending and then ``cut`` on every channel, old and new; what comes goes as ``spread`` says.

        Channels that it lacks get a ``Leave`` behind the cut and are closed.
        """
        for lane in self._lanes:
            lane.send()
        before, after = self._spread.senders, spread.senders
        joining = [sender for down, sender in after.items() if before.get(down) is not sender]
        leaving = [sender for down, sender in before.items() if after.get(down) is not sender]
        for sender in (*before.values(), *joining):
            sender.send(cut)
        for sender in leaving:
            sender.send(Leave())
            sender.close()
        self._go_by(spread)

    def emit(self, element: Element) -> None:
        if not isinstance(element, Batch):
            self._control(element)
            return
        batch = element.data
        if batch.num_rows == 0:
            return
        now = self._clock()
        split = self._spread.split
        pieces: Sequence[pa.RecordBatch | None] = (batch,) if split is None else split(batch)
        for lane, piece in zip(self._lanes, pieces, strict=True):
            if piece is not None:
                lane.add(piece, element.nbytes * piece.num_rows // batch.num_rows, now)
        self._send_older(now)

    def send_aged(self) -> None:
        self._send_older(self._clock())

    def _send_older(self, now: float) -> None:
        aged = [lane for lane in self._lanes if lane.rows and now - lane.since >= self._config.coalesce_seconds]
        if self._pace.wait(_crumbs(aged)):
            aged = [lane for lane in aged if now - lane.since >= MAX_AGE_SECONDS]
        for lane in aged:
            lane.send()

    def _control(self, element: Element) -> None:
        if isinstance(element, Marker):  # to one channel in turn: their number must not grow with that of channels
            self._lanes[self._turn % len(self._lanes)].follow(element)
            self._turn += 1
            return
        for lane in self._lanes:
            if isinstance(element, Cut | Leave | End):
                lane.send()
            lane.follow(element)

    def writable(self) -> bool:
        return all(lane.writable() for lane in self._lanes)

    def flush(self) -> None:
        """Send pending slices where there is credit; if the agent's pace is used up, wake the task when it may."""
        lanes = [lane for lane in self._lanes if lane.rows and lane.writable()]
        seconds = self._pace.wait(_crumbs(lanes))
        if not seconds:
            for lane in lanes:
                lane.send()
            return
        now = self._clock()
        if self._woken_at <= now:
            self._woken_at = now + seconds
            self._alarm(seconds)

    def statistics(self) -> tuple[Traffic, ...]:
        """What each channel has sent so far, by downstream task; from any thread."""
        return tuple(replace(traffic) for traffic in list(self._traffic.values()))

    def close(self) -> None:
        for lane in self._lanes:
            lane.drop()


def _crumbs(lanes: Sequence[CoalescingBuffer]) -> int:
    return sum(lane.rows < CRUMB_ROWS for lane in lanes)
