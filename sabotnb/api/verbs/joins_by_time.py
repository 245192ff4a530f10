"""Join streams, also endless ones, on equal keys and event time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sabotnb.api.stream_node import StreamPlan, is_bounded
from sabotnb.api.verbs import row_verbs
from sabotnb.api.verbs.columns import Column, as_expr, free_name
from sabotnb.api.verbs.joins import Pair, checked_how, checked_suffix, joined_by, key_columns
from sabotnb.api.verbs.missing_times import no_event_time
from sabotnb.api.verbs.time_pairs import demand_bound_like_time, demand_one_kind_of_time, demand_other_keys
from sabotnb.api.verbs.verb_options import Duration
from sabotnb.api.verbs.windows import windowing
from sabotnb.errors import GraphError, SchemaError, TypeMismatch
from sabotnb.expr import Expr, bind, column_name, duration_us
from sabotnb.graph import (
    AsofJoin,
    Bound,
    IntervalJoin,
    SameWindow,
    SlidingWindow,
    TimeColumn,
    TumblingWindow,
    WindowJoin,
    uses_event_time,
)

DIRECTIONS = ("backward", "forward", "nearest")

On = Column | Sequence[Column] | None


def interval_joined(
    left: StreamPlan,
    right: StreamPlan,
    on: tuple[On, On, On],
    between: Any,
    *,
    how: str,
    suffix: str,
) -> StreamPlan:
    """Rows with equal keys whose event times are within ``between``; ``on`` is on, left_on and right_on."""
    verb = "interval_join"
    checked_how(how)
    checked_suffix(suffix)
    _times(left, right, verb)
    if not isinstance(between, tuple | list) or len(between) != 2:
        raise SchemaError(f"between={between!r} is not a pair of bounds; write between=('0s', '10m')")
    made, helpers = left, list[str]()
    bounds = []
    for bound in between:
        if isinstance(bound, Expr):
            made, name = _bound_column(made, right, bound, helpers)
            bounds.append(Bound(column=name))
        else:
            bounds.append(Bound(duration_us(bound)))
    low, high = bounds
    if low.column is None and high.column is None and low.us > high.us:
        raise TypeMismatch(f"between={tuple(between)!r} is empty: the first bound is after the second; swap them")
    if low.column is not None and not is_bounded(right):
        raise GraphError(
            "between= has a column as its first bound, so no right row could ever be dropped, and the right stream is "
            "endless; write a duration as the first bound: between=('-1h', ...)"
        )
    pairs = _keys(made, right, on, verb)

    def make(mine: StreamPlan, others: StreamPlan, left_on: tuple[str, ...], right_on: tuple[str, ...]) -> StreamPlan:
        times = _times(mine, others, verb)
        return mine.then(IntervalJoin(left_on, right_on, *times, low, high, how, suffix), others)

    joined = joined_by(made, right, pairs, how, make)
    return row_verbs.dropped(joined, helpers) if helpers else joined


def window_joined(
    left: StreamPlan, right: StreamPlan, on: tuple[On, On, On], shape: Any, *, how: str, suffix: str
) -> StreamPlan:
    """Rows with equal keys in the same window, when it ends."""
    checked_how(how)
    checked_suffix(suffix)
    for flow in (left, right):
        windowing(flow, shape, "0s", None)
    if not isinstance(shape, TumblingWindow | SlidingWindow | SameWindow) or not uses_event_time(shape):
        raise GraphError(
            f"a join takes windows that both streams have at the same time, and {shape.kind} is not one of these; "
            "write window=sb.tumbling('10s'), sb.sliding(...) or sb.same_window()"
        )
    _times(left, right, "join")
    pairs = _keys(left, right, on, "join")

    def make(mine: StreamPlan, others: StreamPlan, left_on: tuple[str, ...], right_on: tuple[str, ...]) -> StreamPlan:
        times = _times(mine, others, "join")
        return mine.then(WindowJoin(left_on, right_on, shape, *times, how, suffix), others)

    return joined_by(left, right, pairs, how, make)


def joined_with_ttl(
    left: StreamPlan, right: StreamPlan, on: tuple[On, On, On], ttl: Duration, *, how: str, suffix: str
) -> StreamPlan:
    """Rows with equal keys whose event times, or times of arrival without these, are at most ``ttl`` apart."""
    checked_how(how)
    checked_suffix(suffix)
    age = duration_us(ttl)
    if age <= 0:
        raise TypeMismatch(f"ttl={ttl!r} is not the age of a row; write a duration of more than '0s'")
    if how != "inner":
        raise GraphError(
            f"ttl= is for how='inner', not {how!r}: rows without a partner leave .interval_join(other, ..., "
            f"between=('-{ttl}', '{ttl}'), how={how!r})"
        )
    if left.event_time is not None and right.event_time is not None:
        demand_one_kind_of_time(left, right, "join")
    pairs = key_columns(left, right, *on)

    def make(mine: StreamPlan, others: StreamPlan, left_on: tuple[str, ...], right_on: tuple[str, ...]) -> StreamPlan:
        times = (mine.event_time, others.event_time)
        if None in times:
            times = (None, None)
        return mine.then(IntervalJoin(left_on, right_on, *times, Bound(-age), Bound(age), how, suffix), others)

    return joined_by(left, right, pairs, how, make)


def asof_joined(
    left: StreamPlan,
    right: StreamPlan,
    on: tuple[On, On, On],
    tolerance: Duration | None,
    *,
    direction: str,
    suffix: str,
) -> StreamPlan:
    """Each left row with the right row that is next to it in event time."""
    verb = "asof_join"
    checked_suffix(suffix)
    if direction not in DIRECTIONS:
        raise GraphError(f"direction is {direction!r}; choose one of {', '.join(DIRECTIONS)}")
    farthest = None if tolerance is None else duration_us(tolerance)
    if farthest is not None and farthest < 0:
        raise TypeMismatch(
            f"tolerance={tolerance!r} is negative; it is the largest distance of two times: '0s' or more"
        )
    _times(left, right, verb)
    pairs = _keys(left, right, on, verb)

    def make(mine: StreamPlan, others: StreamPlan, left_on: tuple[str, ...], right_on: tuple[str, ...]) -> StreamPlan:
        times = _times(mine, others, verb)
        return mine.then(AsofJoin(left_on, right_on, *times, farthest, direction, suffix), others)

    return joined_by(left, right, pairs, "left", make)


def _keys(left: StreamPlan, right: StreamPlan, on: tuple[On, On, On], verb: str) -> list[Pair]:
    """The keys that ``on`` names; SchemaError for event time among them."""
    pairs = key_columns(left, right, *on, verb=verb)
    demand_other_keys(left, right, pairs, verb)
    return pairs


def _times(left: StreamPlan, right: StreamPlan, verb: str) -> tuple[TimeColumn, TimeColumn]:
    """The time columns of both sides; SchemaError if one has none, or only one has a time zone."""
    for side, flow in (("left", left), ("right", right)):
        if flow.event_time is None:
            raise no_event_time(flow, verb, f"the {side} stream")
    assert left.event_time is not None
    assert right.event_time is not None
    demand_one_kind_of_time(left, right, verb)
    return left.event_time, right.event_time


def _bound_column(left: StreamPlan, right: StreamPlan, bound: Expr, helpers: list[str]) -> tuple[StreamPlan, str]:
    """The column that has a bound; one is added (and named in ``helpers``) if it is calculated."""
    kind = bind(bound, left.schema)
    if not pa.types.is_timestamp(kind):
        raise TypeMismatch(
            f"the bound {bound} is {kind}; a bound is a duration, '10m', or a timestamp of the left stream, "
            "as in col('expires')"
        )
    assert left.event_time is not None
    time = left.schema.field(left.event_time.column)
    demand_bound_like_time(pa.field(str(bound), kind), time)
    known = column_name(as_expr(bound))
    if known is not None:
        return left, known
    name = free_name(f"{len(helpers)}:bound", [*left.schema.names, *right.schema.names])
    helpers.append(name)
    return row_verbs.with_columns(left, (), {name: bound}), name
