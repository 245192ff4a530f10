"""The output partition of one task on one edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.exchange.channel import Sender
from sabotnb.exchange.coalescing import Lane, MostCredit, Traffic
from sabotnb.exchange.pace import CRUMB_ROWS, Pace
from sabotnb.exchange.routing import Split
from sabotnb.graph.job_graph import EdgeType
from sabotnb.protocol.elements import Batch, Cut, Element, End, Leave, Marker

MAX_AGE_SECONDS = 5.0
"""A pending slice of this age leaves even if the agent's pace is used up."""


class OutputPartition:
    """Cuts batches, coalesces the slices and sends them. Implements ``protocol.channel.Output``.

    Slices leave when they are enough, when a call finds that they are ``Config.coalesce_seconds`` old, and with
    ``flush``; the last two at the agent's ``pace``. ``alarm(seconds)`` has the task woken when ``flush`` has to wait
    for its turn.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        split: Split | None,
        config: Config,
        clock: Callable[[], float],
        pace: Pace,
        alarm: Callable[[float], None],
    ) -> None:
        self._lanes = tuple(lanes)
        self._split = split
        self._age = config.coalesce_seconds
        self._clock = clock
        self._pace = pace
        self._alarm = alarm
        self._woken_at = float("-inf")
        self._turn = self._lanes[0].senders[0].key.up  # so that not all senders begin with the same channel

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
        self._send_older(now)

    def send_aged(self) -> None:
        self._send_older(self._clock())

    def _send_older(self, now: float) -> None:
        aged = [lane for lane in self._lanes if lane.rows and now - lane.since >= self._age]
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
        """Send pending slices where there is credit; if it is not our turn, have the task woken to flush again."""
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
        return tuple(replace(traffic) for lane in self._lanes for traffic in lane.traffic.values())

    def close(self) -> None:
        for lane in self._lanes:
            lane.drop()


def _crumbs(lanes: Sequence[Lane]) -> int:
    return sum(lane.rows < CRUMB_ROWS for lane in lanes)


def lanes_of(kind: EdgeType, senders: Sequence[Sender], config: Config) -> list[Lane]:
    """One lane per channel where rows are split; else one for all: every channel's, or the freest one's."""
    if kind in (EdgeType.HASH, EdgeType.RANGE, EdgeType.CUSTOM):
        return [Lane([sender], config) for sender in senders]
    return [Lane(senders, config, MostCredit() if kind is EdgeType.REBALANCE else None)]
