"""The output partition of one task on one edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.exchange.channel import Sender
from sabotnb.exchange.coalescing import Lane, Traffic, most_credit
from sabotnb.exchange.routing import Split
from sabotnb.graph.job_graph import EdgeType
from sabotnb.protocol.elements import Batch, Cut, Element, End, Leave

FLUSH_SECONDS = 0.001
"""``flush`` makes at most one batch in this time: a task that often sleeps must not send crumbs to 100 channels."""

MAX_AGE_SECONDS = 1.0


class OutputPartition:
    """Cuts batches, coalesces the slices and sends them. Implements ``protocol.channel.Output``.

    ``alarm(seconds, wake)`` calls ``wake`` later, where ``flush`` found that it is too early to send.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        split: Split | None,
        config: Config,
        clock: Callable[[], float],
        alarm: Callable[[float], None],
    ) -> None:
        self._lanes = tuple(lanes)
        self._split = split
        self._max_age = config.coalesce_seconds
        self._clock = clock
        self._alarm = alarm
        self._interval = 0.0
        self._emitted = clock()
        self._flushed = 0.0

    def emit(self, element: Element) -> None:
        if not isinstance(element, Batch):
            self._control(element)
            return
        batch = element.data
        if batch.num_rows == 0:
            return
        now = self._clock()
        pieces: Sequence[pa.RecordBatch | None] = (batch,) if self._split is None else self._split(batch)
        for lane, piece in zip(self._lanes, pieces, strict=True):
            if piece is not None:
                lane.add(piece, element.nbytes * piece.num_rows // batch.num_rows, now)
        self._send_aged(now)

    def _send_aged(self, now: float) -> None:
        """Send slices that are too old; where batches come slowly, let each slice wait for two of them."""
        self._interval += (now - self._emitted - self._interval) / 4
        self._emitted = now
        age = min(max(self._max_age, 2 * self._interval), MAX_AGE_SECONDS)
        for lane in self._lanes:
            if lane.rows and now - lane.since >= age:
                lane.send()

    def _control(self, element: Element) -> None:
        for lane in self._lanes:
            if isinstance(element, Cut | Leave | End):
                lane.send()
            lane.follow(element)

    def writable(self) -> bool:
        return all(lane.writable() for lane in self._lanes)

    def flush(self) -> None:
        """Send pending slices where there is credit; if the last flush was too recent, have the task woken for it."""
        lanes = [lane for lane in self._lanes if lane.rows and lane.writable()]
        if not lanes:
            return
        now = self._clock()
        early = self._flushed + FLUSH_SECONDS * len(lanes) - now
        if early > 0:
            self._alarm(early)
            return
        self._flushed = now
        for lane in lanes:
            lane.send()

    def statistics(self) -> tuple[Traffic, ...]:
        """What each channel has sent so far, by downstream task; from any thread."""
        return tuple(replace(traffic) for lane in self._lanes for traffic in lane.traffic.values())

    def close(self) -> None:
        for lane in self._lanes:
            lane.drop()


def lanes_of(kind: EdgeType, senders: Sequence[Sender], config: Config) -> list[Lane]:
    """One lane per channel where rows are split; else one for all: every channel's, or the freest one's."""
    if kind in (EdgeType.HASH, EdgeType.RANGE, EdgeType.CUSTOM):
        return [Lane([sender], config) for sender in senders]
    return [Lane(senders, config, most_credit if kind is EdgeType.REBALANCE else None)]
