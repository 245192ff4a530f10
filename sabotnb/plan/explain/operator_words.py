"""Summarize an operator or an edge in a few words, for explain and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from sabotnb.expr import Expr, column_name, duration_text
from sabotnb.graph import (
    Aggregate,
    AggregateColumn,
    AsofJoin,
    AssignTimes,
    Bound,
    CountWindow,
    Distinct,
    EdgeType,
    Filter,
    FilterBatches,
    GlobalWindow,
    IntervalJoin,
    Join,
    KeyedJoin,
    LookupJoin,
    MapAsync,
    MapBatches,
    MapRows,
    Phase,
    Process,
    Project,
    Reduce,
    SameWindow,
    SessionWindow,
    Sink,
    SlidingWindow,
    Sort,
    Source,
    Spec,
    Top,
    TumblingWindow,
    Union,
    Unit,
    UntilWindow,
    Window,
    WindowJoin,
    WindowShape,
)

LISTED = 8
"""At most so many columns are named; the others are counted."""


def summary(spec: Spec) -> str:  # noqa: C901, PLR0911, PLR0912  one case per kind of operator
    """Return what the operator does: ``by carrier: n = count()``, ``col('dep_delay') > 15``."""
    match spec:
        case Source():
            return _source(spec)
        case Sink():
            return _endpoint(spec)
        case Filter(predicate=predicate):
            return str(predicate)
        case Project(columns=columns):
            return _projection(columns)
        case AssignTimes(column=column, max_delay=max_delay):
            order = f"up to {duration_text(max_delay)} out of order" if max_delay else "in order"
            return f"{column}, rows {order}"
        case MapBatches(function=function) | MapRows(function=function) | FilterBatches(function=function):
            return f"{function.name}()"
        case MapAsync(function=function, concurrency=concurrency):
            return f"{function.name}(), {concurrency} at a time"
        case Aggregate():
            return _aggregate(spec)
        case Reduce(keys=keys, function=function) | Process(keys=keys, function=function):
            return f"{function.name}(){_by(keys)}"
        case Distinct(keys=keys):
            return ", ".join(keys)
        case Top(keys=keys, n=n, by=by, reverse=reverse):
            return f"{n} {'smallest' if reverse else 'largest'} {by}{_by(keys)}"
        case Window():
            return f"{window_words(spec.shape)}: {summary(spec.verb)}"
        case Sort(by=by, descending=ways):
            return ", ".join(f"{name} desc" if down else name for name, down in zip(by, ways, strict=True))
        case Join(how=how, strategy=strategy):
            return f"{how} on {key_pairs(spec)}{'' if strategy == 'auto' else f', {strategy}'}"
        case IntervalJoin(how=how, low=low, high=high):
            return f"{how} on {key_pairs(spec)}, from {bound_words(low)} to {bound_words(high)}"
        case LookupJoin(source=source, refresh=refresh):
            return f"{_endpoint(source)} on {key_pairs(spec)}, read every {duration_text(refresh)}"
        case WindowJoin(how=how, shape=shape):
            return f"{how} on {key_pairs(spec)}, {window_words(shape)}"
        case AsofJoin(direction=direction, tolerance=tolerance):
            limit = "" if tolerance is None else f" within {duration_text(tolerance)}"
            return f"{direction} on {key_pairs(spec)}{limit}"
        case Union(inputs=inputs):
            return f"{inputs} streams"


def key_pairs(spec: KeyedJoin) -> str:
    """Return the keys of a join, as one name where both sides have it: ``carrier, origin = faa``."""
    pairs = zip(spec.left_on, spec.right_on, strict=True)
    return ", ".join(key if key == other else f"{key} = {other}" for key, other in pairs)


def bound_words(bound: Bound) -> str:
    """Return a bound of an interval join: a time, or the column that has it."""
    if bound.column is not None:
        return bound.column
    return f"-{duration_text(-bound.us)}" if bound.us < 0 else duration_text(bound.us)


def window_words(shape: WindowShape) -> str:  # noqa: PLR0911  one case per shape
    """Return a window shape in the words of the API: ``tumbling 10s``, ``session 5m``."""
    match shape:
        case TumblingWindow(size=size, unit=unit):
            return f"tumbling {size}{unit.value}" if unit is not Unit.MICROSECOND else f"tumbling {duration_text(size)}"
        case SlidingWindow(size=size, every=every):
            return f"sliding {duration_text(size)} every {duration_text(every)}"
        case SessionWindow(gap=gap):
            return f"session {duration_text(gap)}"
        case CountWindow(n=n, every=every):
            return f"count {n}" if n == every else f"count {n} every {every}"
        case UntilWindow(column=column):
            return f"until {column}"
        case GlobalWindow():
            return "global window"
        case SameWindow():
            return "same window"


def spread(kind: EdgeType, keys: Sequence[str]) -> str:
    """Return how an edge spreads its rows: ``hash(carrier, origin)``, ``forward``."""
    return f"{kind.value}({', '.join(keys)})" if keys else kind.value


def _source(spec: Source) -> str:
    where = f", where {spec.predicate}" if spec.predicate is not None else ""
    return f"{_endpoint(spec)}: {_listed(spec.schema.names)}{where}"


def _projection(columns: Sequence[tuple[str, Expr]]) -> str:
    written = {name: name if column_name(expr) == name else f"{name} = {expr}" for name, expr in columns}
    same = [name for name, text in written.items() if name == text]
    if len(same) <= LISTED:
        return ", ".join(written.values())
    return ", ".join([_listed(same), *(text for name, text in written.items() if name != text)])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _endpoint(spec: Source | Sink) -> str:
    paths = spec.options.get("paths") or spec.options.get("files") or spec.options.get("path")
    if not paths:
        return spec.connector
    listed = [paths] if isinstance(paths, str) else list(paths)
    more = f" and {len(listed) - 1} more" if len(listed) > 1 else ""
    return f"{spec.connector} {PurePath(str(listed[0])).name}{more}"


def _aggregate(spec: Aggregate) -> str:
    phase = "" if spec.phase is Phase.FULL else f"{spec.phase.value} "
    grouped = f"by {', '.join(spec.keys)}" if spec.keys else "all rows"
    return f"{phase}{grouped}: {', '.join(map(_column, spec.columns))}"


def _column(column: AggregateColumn) -> str:
    return f"{column.name} = {column.fn}({column.column or ''})"


def _by(keys: Sequence[str]) -> str:
    return f" by {', '.join(keys)}" if keys else ""
