"""Which partitioning of its input an operator keeps in its output.

An operator keeps one only if it holds no rows, or holds them in keyed state: a restore gives state of scope TASK to the
tasks in turn, whatever the keys of its rows are. So a broadcast join, whose left rows wait for the right side, keeps
none: the keyed operator behind it may find the rows in any task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sabotnb.expr import Expr, column_name
from sabotnb.graph import (
    Aggregate,
    AsofJoin,
    AssignTimes,
    Distinct,
    Filter,
    FilterBatches,
    IntervalJoin,
    Join,
    Keys,
    LookupJoin,
    Project,
    Spec,
    Top,
    Union,
    Window,
    WindowJoin,
    input_ports,
    port_keys,
)


@dataclass(frozen=True, slots=True)
class Partitioning:
    """Each row is in the task that the table of ``domain`` has for the hash of ``keys`` (in this order)."""

    keys: tuple[str, ...]
    domain: str


def partitioning_behind(spec: Spec, inputs: Sequence[Partitioning | None]) -> Partitioning | None:
    """Return the partitioning of an operator's output; None where none is provable, as behind a user's function."""
    first = inputs[0] if inputs else None
    if first is None or (isinstance(spec, Join) and spec.strategy == "broadcast"):
        return None
    match spec:
        case (
            Filter()
            | FilterBatches()
            | AssignTimes()
            | Distinct()
            | Top()
            | Join()
            | IntervalJoin()
            | AsofJoin()
            | WindowJoin()
            | LookupJoin()
        ):
            return first
        case Aggregate(keys=keys) | Window(keys=keys):
            return first if set(first.keys) <= set(keys) else None
        case Project(columns=columns):
            return _renamed(first, columns)
        case Union():
            return first if all(other == first for other in inputs) else None
        case _:
            return None


def keys_behind(spec: Spec) -> Keys:
    """The columns of a keyed operator's output by which its rows are divided over tasks; () if there are none."""
    keys = port_keys(spec, 0)
    behind = partitioning_behind(spec, [Partitioning(keys, "")] * input_ports(spec)) if keys else None
    return () if behind is None else behind.keys


def _renamed(before: Partitioning, columns: Sequence[tuple[str, Expr]]) -> Partitioning | None:
    names = {source: name for name, expr in reversed(columns) if (source := column_name(expr))}
    if not all(key in names for key in before.keys):
        return None
    return replace(before, keys=tuple(names[key] for key in before.keys))
