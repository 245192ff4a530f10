"""Check what a join by time compares: keys beside event time, and event times that are of one kind."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabotnb.api.stream_node import StreamPlan
from sabotnb.api.verbs.joins import Pair
from sabotnb.errors import SchemaError
from sabotnb.native import plain_type


def demand_other_keys(left: StreamPlan, right: StreamPlan, pairs: Sequence[Pair], verb: str) -> None:
    """Raise SchemaError for a key that is the event time of its side: only equal times would meet."""
    times = _plain_time(left), _plain_time(right)
    wrong = [name for pair in pairs for name, time in zip(pair, times, strict=True) if name == time]
    if not wrong:
        return
    others = [pair for pair in pairs if pair[0] != times[0] and pair[1] != times[1]]
    others = others or _shared(left, right)[:1]
    advice = f"write {_written(others)}" if others else "write .with_columns(every=1) behind both sides, and on='every'"
    raise SchemaError(
        f"{verb} goes by event time {wrong[0]!r} already, and as a key it would match equal times only; {advice}"
    )


def demand_one_kind_of_time(left: StreamPlan, right: StreamPlan, verb: str) -> None:
    """Raise SchemaError if the event times of one side have a time zone and those of the other have none."""
    fields = [flow.schema.field(flow.event_time.column) for flow in (left, right) if flow.event_time is not None]
    mixed = _mixed(*fields)
    if mixed is not None:
        naive, zoned = mixed
        side = "left" if naive is fields[0] else "right"
        raise SchemaError(
            f"{verb} needs event times that both have a time zone or both have none; {naive.name!r} on the {side} is "
            f"{plain_type(naive.type)}, not {plain_type(zoned.type)}. Make them equal there: "
            f"{_with_zone(naive, zoned)}.with_event_time({naive.name!r})"
        )


def demand_bound_like_time(bound: pa.Field, time: pa.Field) -> None:
    """Raise SchemaError if one of a bound, named by its expression, and event time has a zone and the other none."""
    mixed = _mixed(bound, time)
    if mixed is not None:
        raise SchemaError(
            f"the bound {bound.name} is {plain_type(bound.type)}, and event time {time.name!r} is "
            f"{plain_type(time.type)}. Make them equal: cast {mixed[0].name} to '{plain_type(mixed[1].type)}'"
        )


def demand_end_like_time(end: pa.Field, time: pa.Field) -> None:
    """Raise SchemaError if one of the end of a window and event time has a time zone and the other none."""
    mixed = _mixed(end, time)
    if mixed is not None:
        naive, zoned = mixed
        advice = f".with_event_time({naive.name!r})" if naive is time else ""
        raise SchemaError(
            f"until({end.name!r}) has {plain_type(end.type)}, and event time {time.name!r} is {plain_type(time.type)}: "
            f"one has a time zone and the other has none. Make them equal: {_with_zone(naive, zoned)}{advice}"
        )


def _mixed(first: pa.Field, second: pa.Field) -> tuple[pa.Field, pa.Field] | None:
    """The one without a zone and the one with it; None if both are alike."""
    zones = [getattr(plain_type(field.type), "tz", None) for field in (first, second)]
    if (zones[0] is None) == (zones[1] is None):
        return None
    return (first, second) if zones[0] is None else (second, first)


def _with_zone(naive: pa.Field, zoned: pa.Field) -> str:
    column = repr(naive.name)
    return f".with_columns(**{{{column}: col({column}).cast('{plain_type(zoned.type)}')}})"


def _plain_time(flow: StreamPlan) -> str | None:
    """The column of event time; None for the end of a window, which is a key like its beginning."""
    return flow.event_time.column if flow.event_time is not None and not flow.event_time.shift else None


def _shared(left: StreamPlan, right: StreamPlan) -> list[Pair]:
    """Columns of both sides that may be keys: of one name and type, and not event time."""
    times = {_plain_time(left), _plain_time(right)}
    types = {field.name: plain_type(field.type) for field in right.schema}
    return [
        (field.name, field.name)
        for field in left.schema
        if field.name not in times and types.get(field.name) == plain_type(field.type)
    ]


def _written(pairs: Sequence[Pair]) -> str:
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    if sides[0] == sides[1]:
        return f"on={_names(sides[0])}"
    return f"left_on={_names(sides[0])}, right_on={_names(sides[1])}"


def _names(names: list[str]) -> str:
    return repr(names[0] if len(names) == 1 else names)
