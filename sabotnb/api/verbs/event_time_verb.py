"""``with_event_time``: declares the event time of a stream in its source, or computes it in the task of the source.

A column of the source becomes the event time of the source itself, which knows its statistics. Any other column gets an
``AssignTimes`` behind the verb that makes it; the source keeps a clock for each split, over the rows that arrive there.
"""

from __future__ import annotations

from dataclasses import replace

from sabotnb.api.stream_node import Naming, StreamNode, StreamPlan, reading
from sabotnb.api.verbs import columns, row_verbs
from sabotnb.api.verbs.verb_options import Duration, event_time
from sabotnb.errors import SchemaError
from sabotnb.expr import all_of, column_name, functions, substitute
from sabotnb.graph import (
    AssignTimes,
    EventTime,
    Filter,
    FilterBatches,
    MapBatches,
    MapRows,
    Project,
    Source,
    Spec,
    TimeColumn,
)

ROW_VERBS = (Filter, FilterBatches, Project, MapBatches, MapRows, AssignTimes)
"""Operators that keep the rows of a split in order."""


def with_event_time(flow: StreamPlan, column: columns.Column, max_delay: Duration, idle: Duration) -> StreamPlan:
    """Declare the event time: a column, or an expression that becomes one. It replaces an earlier one.

    The clock of each split runs over the rows that the verbs before let pass.
    """
    ((name, expr),) = columns.named((column,), {}, flow.schema)
    if column_name(expr) != name:
        flow = row_verbs.with_columns(flow, (column,), {})
    time = event_time(name, max_delay, idle, flow.schema)
    assert time is not None
    path = _path(flow, name)
    source = path[-1].spec
    assert isinstance(source, Source)
    times = _times_above(path, time)
    if times is not None:
        timed = replace(path[-1], spec=replace(source, event_time=times[-1], computed_time=None))
        for node, above in zip(reversed(path[:-1]), reversed(times[1:]), strict=True):
            timed = reading(node, _behind(node.inputs[0], timed, TimeColumn(above.column)))
        return _behind(flow, timed, TimeColumn(name))
    _demand_one_task(flow, path, name)
    untimed = replace(path[-1], spec=replace(source, event_time=None, computed_time=time))
    for node in reversed(path[:-1]):
        untimed = _beside(path[-1], reading(node, _behind(node.inputs[0], untimed, None)))
    assigned = _behind(flow, untimed, None).then(AssignTimes(name, time.max_delay))
    return replace(assigned, node=_beside(path[-1], assigned.node))


def _path(flow: StreamPlan, column: str) -> list[StreamNode]:
    """The operators from the last to the source, without those that assign another event time."""
    path = [flow.node]
    while not isinstance(path[-1].spec, Source):
        if not isinstance(path[-1].spec, ROW_VERBS):
            raise _too_late(path[-1].spec.kind, column)
        path.append(path[-1].inputs[0].node)
    return [node for node in path if not isinstance(node.spec, AssignTimes)]


def _behind(flow: StreamPlan, node: StreamNode, time: TimeColumn | None) -> StreamPlan:
    """``flow`` behind ``node``, with this event time."""
    return replace(flow, node=node, type=replace(flow.type, time=time))


def _beside(source: StreamNode, node: StreamNode) -> StreamNode:
    """``node`` in the tasks of ``source``."""
    return replace(node, naming=replace(source.naming, name=node.naming.name))


def _times_above(path: list[StreamNode], time: EventTime) -> list[EventTime] | None:
    """The event time behind each operator of ``path``, down to the source; None if the source does not have it."""
    times = [time]
    for node in path[:-1]:
        above = _time_above(node.spec, times[-1])
        if above is None:
            return None
        times.append(above)
    return times


def _time_above(spec: Spec, time: EventTime) -> EventTime | None:
    """``time`` in the columns before an operator with ``spec``, for the rows that pass it; None if it is made there."""
    if isinstance(spec, Filter) and not functions(spec.predicate):
        conditions = [spec.predicate] if time.predicate is None else [spec.predicate, time.predicate]
        return replace(time, predicate=all_of(conditions))
    if not isinstance(spec, Project):
        return None
    computed = dict(spec.columns)
    source = column_name(computed[time.column])
    predicate = None if time.predicate is None else substitute(time.predicate, computed)
    if source is None or (predicate is not None and functions(predicate)):
        return None
    return replace(time, column=source, predicate=predicate)


def _demand_one_task(flow: StreamPlan, path: list[StreamNode], column: str) -> None:
    """Raise a SchemaError if rows leave the task of the source, whose splits have the clocks, before event time."""
    source = path[-1].naming
    for node in path[:-1]:
        if _placement(node.naming) not in (_placement(source), _placement(Naming())):
            raise SchemaError(
                f"{node.naming.name or node.spec.kind} has tasks of its own, and event time {column!r} is computed in "
                "those of the source: set the parallelism there, Stream.from_parquet(path).named(parallelism=4)"
            )
    for above in (flow, *(node.inputs[0] for node in path[:-1])):
        if above.hint is not None:
            raise _too_late(f"rows are sent to other tasks ({above.hint.type.value})", column)
        if above.side is not None:
            raise _too_late(f"the side output {above.side!r}", column)


def _placement(naming: Naming) -> tuple[object, ...]:
    return naming.parallelism, naming.tags, naming.slot_group


def _too_late(what: str, column: str) -> SchemaError:
    return SchemaError(f"event time must be known before {what}; call .with_event_time({column!r}) before it")
