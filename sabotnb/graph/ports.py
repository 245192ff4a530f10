"""Properties of an operator's inputs: number of ports, keys, and whether all rows must meet in one task."""

from __future__ import annotations

from sabotnb.graph.specs import (
    Aggregate,
    Distinct,
    Join,
    Keys,
    MapAsync,
    MapBatches,
    MapRows,
    OnError,
    Phase,
    Process,
    Reduce,
    Sort,
    Source,
    Spec,
    TimeJoin,
    Top,
    Union,
    Window,
)
from sabotnb.graph.time_joins import AsofJoin, IntervalJoin, WindowJoin
from sabotnb.graph.window_shapes import GlobalWindow

ERRORS = "errors"
"""Side output of maps with ``on_error="side"``: the rows for which the function raised."""

LATE = "late"
"""Side output of windows and joins by event time: the rows that came behind the clock of their split."""


def input_ports(spec: Spec) -> int:
    """Return the number of input ports; each is fed by exactly one edge."""
    match spec:
        case Source():
            return 0
        case Join() | IntervalJoin() | AsofJoin() | WindowJoin():
            return 2
        case Union(inputs=inputs):
            return inputs
        case Process(side_input=True):
            return 2
        case _:
            return 1


def side_tags(spec: Spec) -> tuple[str, ...]:
    """Return the names of the operator's side outputs."""
    if isinstance(spec, MapBatches | MapRows | MapAsync) and spec.on_error is OnError.SIDE:
        return (ERRORS,)
    if isinstance(spec, Window) and spec.time is not None:
        return (LATE,)
    if isinstance(spec, TimeJoin) and spec.left_time is not None:
        return (LATE,)
    if isinstance(spec, Process):
        return (*(name for name, _ in spec.sides), *((LATE,) if spec.time is not None else ()))
    return ()


def port_keys(spec: Spec, port: int) -> Keys | None:  # noqa: PLR0911  one case per kind of operator
    """Return the key columns of input ``port``: rows equal in them must meet. () means all rows, None no rows.

    A broadcast join has no keyed port: its right side goes to every task, as does the side input of a process function.
    """
    match spec:
        case _ if is_partial(spec):
            return None
        case Aggregate(keys=keys) | Reduce(keys=keys) | Distinct(keys=keys) | Top(keys=keys) | Window(keys=keys):
            return keys
        case Process(keys=keys):
            return None if port else keys
        case Sort():
            return ()
        case Join(strategy="broadcast"):
            return None
        case Join() | IntervalJoin() | AsofJoin() | WindowJoin():
            return spec.right_on if port else spec.left_on
        case _:
            return None


def is_broadcast_port(spec: Spec, port: int) -> bool:
    """True for an input of which every task needs all rows."""
    return port == 1 and (isinstance(spec, Process) or (isinstance(spec, Join) and spec.strategy == "broadcast"))


def is_partial(spec: Spec) -> bool:
    """True if the operator aggregates within batches, in front of the operator that merges its results."""
    verb = spec.verb if isinstance(spec, Window) else spec
    return isinstance(verb, Aggregate) and verb.phase is Phase.PARTIAL


def is_global(spec: Spec) -> bool:
    """True if all rows meet in one task, so that the operator's parallelism is 1."""
    return port_keys(spec, 0) == ()


def is_stateful(spec: Spec) -> bool:
    """True if the operator's output depends on earlier rows."""
    if is_partial(spec):
        return False
    return isinstance(spec, Aggregate | Reduce | Distinct | Top | Window | Process | Sort | Join | TimeJoin)


def needs_end(spec: Spec, port: int) -> bool:
    """True if the operator returns nothing before input ``port`` has ended, so that this must be bounded."""
    match spec:
        case Aggregate(phase=phase, every=every):
            return phase is not Phase.PARTIAL and every is None
        case Join(how=how):
            return port == 1 or how in ("right", "full")
        case Reduce(every=every) | Top(every=every):
            return every is None
        case Sort():
            return True
        case Window(shape=GlobalWindow(), early=None):
            return True
        case _:
            return False
