"""Compute the type of an operator's output: its event time, and whether its rows are final, beside its schema."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabotnb.errors import GraphError
from sabotnb.expr import Expr, column_name, columns
from sabotnb.graph.output_schemas import right_output_names
from sabotnb.graph.specs import (
    Aggregate,
    AssignTimes,
    Distinct,
    Filter,
    FilterBatches,
    Join,
    Keys,
    LookupJoin,
    Phase,
    Project,
    Reduce,
    Sink,
    Sort,
    Source,
    Spec,
    Top,
    Union,
    Window,
)
from sabotnb.graph.stream_type import StreamType
from sabotnb.graph.time_column import TimeColumn
from sabotnb.graph.time_joins import JOIN_TIME, AsofJoin, IntervalJoin, WindowJoin
from sabotnb.graph.window_shapes import PLACE, WINDOW_END, WINDOW_START, SameWindow, bound_columns, has_bounds

APPEND_ONLY = (
    "its input gives updates, which replace earlier rows: leave out early= and lateness= of windows, and close endless "
    "groups with .window(...)"
)


def output_type(spec: Spec, inputs: Sequence[StreamType], schema: pa.Schema) -> StreamType:
    """Return the type of the main output, whose columns are ``schema`` (``output_schema``).

    Raises:
        GraphError: the operator cannot take updates, or a projection drops the key of updates.
    """
    if isinstance(spec, Source):
        time = TimeColumn(spec.event_time.column) if spec.event_time is not None else None
        return StreamType(schema, time, bounded=spec.bounded)
    bounded = all(of.bounded for of in inputs)
    key = _key(spec, inputs)
    if key is None:
        return StreamType(schema, _time(spec, inputs), None, bounded)
    lateness = spec.lateness if isinstance(spec, Window) else inputs[0].lateness
    return StreamType(schema, _time(spec, inputs), key, bounded, lateness, _lasting(spec, inputs[0].lasting, key))


def _time(  # noqa: PLR0911  one case per kind of operator
    spec: Spec, inputs: Sequence[StreamType]
) -> TimeColumn | None:
    first = inputs[0].time
    match spec:
        case Filter() | FilterBatches() | Distinct() | Sort() | Sink():
            return first
        case AssignTimes(column=column):
            return TimeColumn(column)
        case Project(columns=columns) if first is not None:
            behind = [name for name, expr in columns if column_name(expr) == first.column]
            return TimeColumn(behind[0], first.shift) if behind else None
        case Union():
            return first if all(other.time == first for other in inputs) else None
        case Join(how="inner" | "left" | "semi" | "anti") | AsofJoin() | LookupJoin():
            return first
        case Window(verb=Aggregate(phase=Phase.PARTIAL)):
            return TimeColumn(PLACE.names[1], -1)
        case IntervalJoin() if spec.left_time is not None:
            return _later(spec, inputs)
        case WindowJoin():
            return TimeColumn(WINDOW_END, -1)
        case Window(shape=shape) if has_bounds(shape) and spec.time is not None:
            return TimeColumn(WINDOW_END, -1)
        case _:  # aggregates end event time; a function of the user may change the column
            return None


def _later(spec: IntervalJoin, inputs: Sequence[StreamType]) -> TimeColumn | None:
    if spec.is_left_later:
        return spec.left_time
    if not spec.is_right_later or spec.right_time is None:
        return TimeColumn(JOIN_TIME)
    names = right_output_names(spec, inputs[0].schema, inputs[1].schema)
    return TimeColumn(names[spec.right_time.column], spec.right_time.shift)


def _key(spec: Spec, inputs: Sequence[StreamType]) -> Keys | None:
    """Return the key of updates; None if every row is final."""
    if isinstance(spec, Top | Window):
        _check_updated(spec, inputs[0])
    if any(of.key is not None for of in inputs):
        return _key_of_updates(spec, inputs[0].key or ())
    if isinstance(spec, Window) and isinstance(spec.verb, Aggregate) and spec.verb.phase is Phase.PARTIAL:
        return None
    if isinstance(spec, Window):
        makes_updates = bool(spec.lateness) or spec.early is not None
        return (*bound_columns(spec.shape), *updated_by(spec.verb)) if makes_updates else None
    if isinstance(spec, Aggregate) and spec.phase is Phase.PARTIAL:
        return None
    return updated_by(spec) if isinstance(spec, Aggregate | Reduce | Top) and spec.every is not None else None


def _key_of_updates(spec: Spec, before: Keys) -> Keys | None:
    match spec:
        case Filter() | FilterBatches():
            return before
        case Sink() if spec.pulled:
            return before
        case Project(columns=columns):
            return _renamed(before, columns)
        case Window(shape=SameWindow()):
            return (WINDOW_START, WINDOW_END, *updated_by(spec.verb))
        case Top(every=int()):
            return updated_by(spec)
    if isinstance(spec, Sink):
        raise GraphError(f"{spec.connector} output cannot replace rows, but {APPEND_ONLY}, or end it with .sink_live()")
    raise GraphError(f"{spec.kind} takes final rows, but {APPEND_ONLY}")


def _check_updated(spec: Top | Window, before: StreamType) -> None:
    """Raise GraphError if rows that were replaced would count on."""
    if before.key is None or not (isinstance(spec, Window) or spec.every is not None):
        return
    if spec.updated is None or set(spec.updated) != set(before.key):
        raise GraphError(
            f"{spec.kind} takes updates by {_listed(before.key)}, and its updated= is {spec.updated}: write "
            f"updated={before.key!r}"
        )
    needed = (*spec.keys, WINDOW_START, WINDOW_END) if isinstance(spec, Window) else spec.keys
    changing = [column for column in needed if column not in before.lasting]
    if changing:
        kept = [column for column in before.key if column not in (WINDOW_START, WINDOW_END)]
        raise GraphError(
            f"{spec.kind} takes updates by {_listed(before.key)}, and an update may change {_listed(changing)}: the "
            f"row would count in its earlier group too. Group by what stays, as in "
            f"{f'.group_by({kept[0]!r})' if kept else 'a verb without keys'}, or {APPEND_ONLY.partition(': ')[2]}"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no column"


def _lasting(spec: Spec, before: frozenset[str], key: Keys) -> frozenset[str]:
    match spec:
        case Filter() | FilterBatches() | Sink():
            return before
        case Project(columns=projected):
            return frozenset(name for name, expr in projected if columns(expr) <= before)
        case _:
            return frozenset(key)


def updated_by(verb: Aggregate | Reduce | Top) -> Keys:
    """Return the columns that say which earlier row an update of ``verb`` replaces."""
    return (*verb.keys, verb.rank) if isinstance(verb, Top) and verb.rank is not None else verb.keys


def _renamed(key: Keys, columns: Sequence[tuple[str, Expr]]) -> Keys:
    names = {column_name(expr): name for name, expr in reversed(columns)}
    lost = [column for column in key if column not in names]
    if lost:
        raise GraphError(
            f"the rows are updates by {', '.join(key)}, and without {', '.join(lost)} nothing tells which row each "
            f"replaces: keep it, as in .select({', '.join(map(repr, key))}, ...)"
        )
    return tuple(names[column] for column in key)
