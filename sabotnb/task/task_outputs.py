"""The outputs of a task: sends each emission to the outputs of its operator or side output."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sabotnb.metrics import TaskCounters
from sabotnb.protocol import Batch, Element, Output
from sabotnb.task.result_buffers import ResultOutput
from sabotnb.task.stage import Emission

AGE_CHECK_SECONDS = 0.01
"""Time between two checks for aged slices; a check visits each channel, of which there may be a thousand."""


@dataclass(slots=True)
class OutputRoute:
    """An output and the operator, side and edge that it belongs to; ``edge`` is None for rows that the client pulls.

    ``sent`` counts rows and bytes.
    """

    operator: str
    side: str | None
    edge: int | None
    output: Output
    sent: list[int] = field(default_factory=lambda: [0, 0])


def never() -> bool:
    """Return False."""
    return False


class TaskOutputs:
    """The outputs of one task; other threads may call ``sent`` only. ``clock`` returns seconds.

    ``unread`` returns True while there are rows that the client has to read before the task may end; ``pulled`` is the
    one of ``routes`` that a client reads.
    """

    def __init__(
        self,
        routes: Sequence[OutputRoute],
        counters: TaskCounters,
        unread: Callable[[], bool] = never,
        pulled: ResultOutput | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._all = tuple(routes)
        self.unread = unread
        self.pulled = pulled
        self._counters = counters
        self._clock = clock
        self._checked_at = clock()
        self._routes: dict[tuple[str, str | None], list[OutputRoute]] = {}
        for route in routes:
            self._routes.setdefault((route.operator, route.side), []).append(route)

    @property
    def awaits_client(self) -> bool:
        """True if the task must not end before a client has read its rows."""
        return self.unread is not never

    def emit(self, emission: Emission) -> None:
        """Send rows; those of a side output without a reader are dropped."""
        routes = self._routes.get((emission.operator, emission.side))
        if routes is None:
            return
        element = Batch(emission.batch, emission.batch.nbytes)
        self._counters.rows_out += emission.batch.num_rows
        self._counters.batches_out += 1
        self._counters.bytes_out += element.nbytes
        for route in routes:
            route.output.emit(element)
            route.sent[0] += emission.batch.num_rows
            route.sent[1] += element.nbytes

    def broadcast(self, element: Element) -> None:
        """Send a watermark, status, marker or end to every output."""
        for route in self._all:
            route.output.emit(element)

    def send_aged(self) -> None:
        """Send the slices that have waited long enough; cheap to call often."""
        now = self._clock()
        if now - self._checked_at >= AGE_CHECK_SECONDS:
            self._checked_at = now
            for route in self._all:
                route.output.send_aged()

    def writable(self, *, for_cut: bool = False) -> bool:
        """True while every output has credit: the next emission may go to any of them.

        ``for_cut``: a client that reads slowly must not hold a cut up.
        """
        if for_cut and self.pulled is not None and self.pulled.writable_for_cut():
            return all(route.output.writable() for route in self._all if route.output is not self.pulled)
        return all(route.output.writable() for route in self._all)

    def flush(self) -> None:
        """Send every pending slice."""
        for route in self._all:
            route.output.flush()

    def close(self) -> None:
        """Close all channels."""
        for route in self._all:
            route.output.close()

    def sent(self) -> dict[int, tuple[int, int]]:
        """Return (rows, bytes) sent by edge; from any thread."""
        return {route.edge: (route.sent[0], route.sent[1]) for route in self._all if route.edge is not None}
