"""Calls of the operators of a chain, whose results are pulled one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from sabotnb.eventtime import by_clock, with_clock
from sabotnb.protocol import Operator, Out


@dataclass(slots=True)
class OperatorCall:
    """A call of an operator and its remaining results; ``complete`` if pulling them runs no code of the operator.

    ``over`` if there are no further results.

    ``yielded`` is the number of items that were yielded before the last pull; -1 before the first. ``rest`` are the
    rows of ``port`` that the operator has to process after this call. ``measured`` is the number of rows of a call into
    a function of the user, 0 for others, and ``began`` the time that its operator had taken before.
    """

    position: int
    step: str
    batch: pa.RecordBatch | None
    outs: Iterator[Out]
    complete: bool
    yielded: int = -1
    port: int = 0
    rest: pa.RecordBatch | None = None
    measured: int = 0
    began: float = 0.0
    over: bool = False


class CallOver:
    """The type of ``OVER``, which marks the end of an operator's results."""


OVER = CallOver()


def processed_by_clock(operator: Operator, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
    """Process the delayed rows of each clock apart; the rows that come of them inherit the clock."""
    for clock, rows in by_clock(batch):
        for out in operator.process(port, rows):
            yield out if isinstance(out, tuple) else with_clock(out, clock)


def started(outs: Iterable[Out]) -> tuple[Out, ...] | Iterator[Out]:
    """Start the iteration inside the step, as ``__iter__`` is code of the operator; a tuple needs no start."""
    return outs if isinstance(outs, tuple) else iter(outs)
