"""The sentences on the card of a stream: when results leave, what is kept, and how times are read."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sabotnb.api.stream_node import StreamNode, StreamPlan, is_bounded, nodes_of
from sabotnb.display import operator_labels
from sabotnb.expr import duration_text
from sabotnb.graph import (
    Aggregate,
    AssignTimes,
    CountWindow,
    Distinct,
    GlobalWindow,
    MapAsync,
    MapBatches,
    MapRows,
    Process,
    Reduce,
    SessionWindow,
    Source,
    TimeJoin,
    Top,
    TumblingWindow,
    Unit,
    Window,
    needs_end,
)
from sabotnb.plan import summary


def notes_of(flow: StreamPlan) -> tuple[str, ...]:
    """Return sentences about what the stream will do, in the order in which it happens, each once."""
    notes = [note for node in nodes_of((flow,)) for note in _notes(node)]
    naive = [field.name for field in flow.schema if pa.types.is_timestamp(field.type) and field.type.tz is None]
    if naive:
        notes.append(f"times without a zone are UTC: {', '.join(naive)}")
    return tuple(dict.fromkeys(notes))


def _notes(node: StreamNode) -> Iterator[str]:
    spec = node.spec
    if isinstance(spec, Source):
        yield from _of_source(spec)
    elif isinstance(spec, AssignTimes):
        yield _of_time(spec.column, spec.max_delay)
    elif isinstance(spec, Aggregate | Reduce | Top):
        yield from _of_groups(spec, bounded=node.bounded)
    elif isinstance(spec, Distinct) and not node.bounded:
        yield f"distinct({', '.join(spec.keys)}): {_growth(spec.keys)}: count them in windows, {_IN_WINDOWS}"
    elif isinstance(spec, Process) and not node.bounded and spec.keys:
        yield (
            f"{spec.function.name}: {_growth(spec.keys)} whose state is not cleared: let it expire, as in "
            "sb.value('int64', ttl='1d')"
        )
    elif isinstance(spec, Window):
        yield from _of_window(spec, node)
    elif isinstance(spec, TimeJoin) and spec.left_time is not None:
        yield f"{spec.kind}: rows wait for the watermarks of both inputs; late ones go to .side('late')"
    elif isinstance(spec, MapBatches | MapRows | MapAsync) and spec.inferred:
        yield f"{spec.function.name}() ({spec.function.origin}): schema inferred by calling it"
    if any(needs_end(spec, port) and not is_bounded(above) for port, above in enumerate(node.inputs)):
        yield f"{spec.kind} waits for the end of its input, which is endless: .head() shows a part of it"


_IN_WINDOWS = "as in .window(sb.tumbling('1h'))"


def _growth(keys: tuple[str, ...]) -> str:
    return f"state grows with every new {', '.join(keys)}"


def _of_source(spec: Source) -> Iterator[str]:
    if not spec.replayable:
        yield f"{operator_labels.brief(spec)}: can be read only once"
    if spec.event_time is not None:
        yield f"{operator_labels.brief(spec)}: {_of_time(spec.event_time.column, spec.event_time.max_delay)}"


def _of_time(column: str, delay: int) -> str:
    order = f"up to {duration_text(delay)} out of order" if delay else "in order (max_delay 0s)"
    return f"event time is {column}, rows are expected {order}"


def _of_groups(spec: Aggregate | Reduce | Top, *, bounded: bool) -> Iterator[str]:
    if spec.every is not None:
        yield f"{_call(spec)}: updates every {_spaced(spec.every)} (input is endless)"
        if spec.keys:
            yield f"{_call(spec)}: {_growth(spec.keys)}: add a window, {_IN_WINDOWS}"
    elif bounded:
        yield f"{_call(spec)}: final values (input is bounded)"


def _of_window(spec: Window, node: StreamNode) -> Iterator[str]:
    shape = summary(spec).partition(": ")[0]
    grouped = _call(spec.verb) if spec.keys else "all rows"
    extra = f"; rows up to {duration_text(spec.lateness)} later correct it" if spec.lateness else ""
    if spec.early is not None:
        extra += f"; results so far every {_spaced(spec.early)}"
    yield f"{grouped} in {shape}: a result leaves {_leaving(spec, node)}{extra}"
    if isinstance(spec.shape, TumblingWindow) and spec.shape.unit is not Unit.MICROSECOND:
        days = "on Mondays, " if spec.shape.unit is Unit.WEEK else ""
        yield f"windows begin {days}at midnight in {spec.shape.tz}"
    if spec.time is not None:
        yield 'rows that come later are counted as late: .side("late") has them'


def _leaving(spec: Window, node: StreamNode) -> str:
    match spec.shape:
        case CountWindow(every=every):
            return f"after every {operator_labels.count(every)} of a key"
        case GlobalWindow():
            return "when the input has ended"
        case _ if spec.time is None:
            return "when the clock of the worker has passed the end of its window"
        case SessionWindow(gap=gap):
            return f"when no more rows are expected within {duration_text(gap)} of its last one{_delay(node)}"
        case _:
            return f"when no more rows of its window are expected{_delay(node)}"


def _delay(node: StreamNode) -> str:
    """The longest delay of the sources below, as an aside; empty if none has event time."""
    specs = (below.spec for flow in node.inputs for below in nodes_of((flow,)))
    delays = [spec.timing.max_delay for spec in specs if isinstance(spec, Source) and spec.timing is not None]
    return f" (max_delay {duration_text(max(delays))})" if delays else ""


def _call(spec: Aggregate | Reduce | Top) -> str:
    name = "agg" if isinstance(spec, Aggregate) else spec.kind
    return f"group_by({', '.join(spec.keys)})" if spec.keys else f"{name} of all rows"


def _spaced(us: int) -> str:
    text = duration_text(us)
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return f"{digits} {text[len(digits) :]}"
