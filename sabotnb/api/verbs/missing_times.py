"""Say why a stream has no event time: which operator dropped it, and what keeps it."""

from __future__ import annotations

from sabotnb.api.operator_ids import operator_ids
from sabotnb.api.stream_node import StreamNode, StreamPlan, nodes_of
from sabotnb.api.verbs.event_time_verb import ROW_VERBS
from sabotnb.api.verbs.verb_options import is_time
from sabotnb.errors import SchemaError
from sabotnb.expr import duration_text
from sabotnb.graph import EventTime, Project, Source, Union


def no_event_time(flow: StreamPlan, verb: str, whose: str = "the stream") -> SchemaError:
    """The error of ``verb``, which goes by event time, for a stream without one."""
    return SchemaError(f"{verb} goes by event time, and {whose} has none{_why(flow, verb)}")


def _why(flow: StreamPlan, verb: str) -> str:
    end = _where_it_ends(flow)
    if end is None:
        return ": name it where the rows are read, event_time='column', or .with_event_time('column') before it"
    node = end.node
    name = operator_ids(nodes_of((flow,)))[node]
    times = list(dict.fromkeys(above.event_time.column for above in node.inputs if above.event_time is not None))
    if isinstance(node.spec, Union):
        named = ", ".join(map(repr, times))
        return f", as the inputs of {name} have different ones ({named}): give them one name, as in .rename({{...}})"
    column = times[0]
    declare = f".with_event_time({column!r}{_options(node)})"
    dropped = f", as {name} dropped event time {column!r}"
    if end.side is not None or not _is_near_source(node):
        return f"{dropped}: call {verb} before it"
    if column in node.schema.names and is_time(node.schema.field(column).type):
        return f"{dropped}: write {declare} behind it"
    if isinstance(node.spec, Project) and column not in node.schema.names:
        return f"{dropped}: keep {column!r} there, as in .select(..., {column!r})"
    return f"{dropped}: return {column!r} as a timestamp there, and write {declare} behind it"


def _options(node: StreamNode) -> str:
    """The options with which the source above ``node`` declares event time, as they continue a call."""
    while node.inputs:
        node = node.inputs[0].node
    time = node.spec.timing if isinstance(node.spec, Source) else None
    default = EventTime("")
    given = {name: getattr(time or default, name) for name in ("max_delay", "idle")}
    return "".join(
        f", {name}={duration_text(value)!r}" for name, value in given.items() if value != getattr(default, name)
    )


def _where_it_ends(flow: StreamPlan) -> StreamPlan | None:
    """The output nearest to ``flow`` whose operator gets event time and does not pass it on; None if there is none."""
    while flow.node.inputs:
        inputs = flow.node.inputs
        if isinstance(flow.node.spec, Union):
            untimed = [above for above in inputs if above.event_time is None]
            if not untimed:
                return flow
            flow = untimed[0]
        elif inputs[0].event_time is not None:
            return flow
        else:
            flow = inputs[0]
    return None


def _is_near_source(node: StreamNode) -> bool:
    """True if event time can be declared behind ``node``."""
    while isinstance(node.spec, ROW_VERBS) and node.inputs[0].side is None and node.inputs[0].hint is None:
        node = node.inputs[0].node
    return isinstance(node.spec, Source)
