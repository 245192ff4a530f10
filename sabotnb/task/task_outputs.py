"""Everything that leaves a task: each emission to the outputs of the operator, or side output, that it left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sabotnb.metrics import TaskCounters
from sabotnb.protocol import Batch, Element, Output
from sabotnb.task.chain import Emission

LOOK_SECONDS = 0.01
"""How often outputs are asked for slices that have waited long enough; there may be a thousand channels."""


@dataclass(slots=True)
class OutputRoute:
    """An output and where it belongs; ``edge`` is None for rows that the client pulls. Counts what it sent."""

    operator: str
    side: str | None
    edge: int | None
    output: Output
    sent: list[int] = field(default_factory=lambda: [0, 0])


class TaskOutputs:
    """The outputs of one task; only its thread calls anything but ``sent``. ``clock`` gives seconds.

    ``unread`` tells whether rows wait that a client has to take before the task is done.
    """

    def __init__(
        self,
        routes: Sequence[OutputRoute],
        counters: TaskCounters,
        unread: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._all = tuple(routes)
        self.unread = unread
        self._counters = counters
        self._clock = clock
        self._looked = clock()
        self._routes: dict[tuple[str, str | None], list[OutputRoute]] = {}
        for route in routes:
            self._routes.setdefault((route.operator, route.side), []).append(route)

    def emit(self, emission: Emission) -> None:
        """Hand rows on; those of a side output that nobody reads are dropped."""
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
        """Hand a watermark, status, marker or end to every output."""
        for route in self._all:
            route.output.emit(element)

    def send_aged(self) -> None:
        """Send the slices that have waited long enough, also while the task finds nothing to send; cheap to call."""
        now = self._clock()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            for route in self._all:
                route.output.send_aged()

    def writable(self) -> bool:
        """True while every output has credit: the next emission may go to any of them."""
        return all(route.output.writable() for route in self._all)

    def flush(self) -> None:
        """Send every pending slice."""
        for route in self._all:
            route.output.flush()

    def close(self) -> None:
        """Give up all channels."""
        for route in self._all:
            route.output.close()

    def sent(self) -> dict[int, tuple[int, int]]:
        """(rows, bytes) by edge; from any thread."""
        return {route.edge: (route.sent[0], route.sent[1]) for route in self._all if route.edge is not None}
