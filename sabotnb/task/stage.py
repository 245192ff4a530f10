"""An operator in the chain of a task, and what leaves the chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import pyarrow as pa

from sabotnb.graph import Keys
from sabotnb.graph import Operator as Node
from sabotnb.protocol import Cut, Delayed, Marker, Operator, Out, Status, Watermark


class Emission(NamedTuple):
    """Rows that leave the chain after ``operator``, through its side output ``side`` if that is not None."""

    operator: str
    side: str | None
    batch: pa.RecordBatch


Item: TypeAlias = Emission | Watermark | Status | Marker | Cut | None
"""What a chain yields, in the order in which it leaves the task; None for nothing yet."""


class Stage(NamedTuple):
    """An operator of the chain, the node of the graph that it was created from, and if its output has event time.

    ``keys`` are the columns of its output by which rows are divided over tasks, ``returns`` is the schema it has.
    """

    node: Node
    operator: Operator
    timed: bool = True
    keys: Keys = ()
    returns: pa.Schema | None = None


class PassThrough(Operator):
    """Returns its input: stands for a source in a chain."""

    delayed = Delayed.KEEP

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        return (batch,)
