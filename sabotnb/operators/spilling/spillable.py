"""Which operators have keyed state that may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from sabotnb.graph import Aggregate, Distinct, Join, Reduce, Top
from sabotnb.operators.spilling.spilling_operator import SpillingOperator
from sabotnb.operators.spilling.waiting_operator import WaitingOperator
from sabotnb.protocol import Operator


def spillable(
    spec: Aggregate | Distinct | Join | Reduce | Top, inputs: Sequence[pa.Schema], make: Callable[[], Operator]
) -> Operator:
    """Return the operator that ``make`` makes, as one whose key groups spill if it has some and its input may end."""
    match spec:
        case Join(strategy="broadcast"):
            return make()
        case Join():
            return WaitingOperator(make, inputs[0], spec.left_on, ("left", "delayed left"), ports=2)
        case Distinct():
            return WaitingOperator(make, inputs[0], spec.keys or inputs[0].names)
        case _ if not spec.keys or spec.every is not None:
            return make()
        case Reduce(init=init) if init is not None:
            return WaitingOperator(make, inputs[0], spec.keys)
        case _:
            return SpillingOperator(make)
