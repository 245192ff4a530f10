"""Join streams on equal keys, at least one of them bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from sabotnb.api.stream_node import StreamPlan, is_bounded
from sabotnb.api.verbs import columns, row_verbs
from sabotnb.api.verbs.columns import Column
from sabotnb.errors import GraphError, SchemaError
from sabotnb.expr import col, common, exact_number, known_column
from sabotnb.graph import Join, Keys, Project, right_output_names
from sabotnb.native import plain_type

HOW = ("inner", "left", "right", "full", "semi", "anti")
OTHER_HOW = {
    **dict.fromkeys(("outer", "full_outer", "fullouter", "full outer"), "full"),
    **{f"{side}{joint}outer": side for side in ("left", "right") for joint in ("", "_", " ")},
    **{f"left{joint}{kind}": kind for kind in ("semi", "anti") for joint in ("", "_", " ")},
}
"""What other libraries call them."""
CROSS = ".with_columns(one=sb.lit(1)).join(other.with_columns(one=sb.lit(1)), on='one')"
STRATEGIES = ("auto", "broadcast", "hash")

Pair = tuple[str, str]
"""A left and a right key."""

Make = Callable[[StreamPlan, StreamPlan, Keys, Keys], StreamPlan]
"""Joins two flows on left and right keys."""


def joined(
    left: StreamPlan,
    right: StreamPlan,
    on: Column | Sequence[Column] | None,
    left_on: Column | Sequence[Column] | None,
    right_on: Column | Sequence[Column] | None,
    *,
    how: str,
    suffix: str,
    strategy: str,
) -> StreamPlan:
    """Rows of both sides whose keys are equal; the key types must agree, which the join's schema checks."""
    checked_how(how)
    if strategy not in STRATEGIES:
        raise GraphError(f"strategy is {strategy!r}; choose one of {', '.join(STRATEGIES)}")
    if strategy == "broadcast" and how in ("right", "full"):
        raise GraphError(
            f"how={how!r} keeps unmatched rows of the right side, which every task of a broadcast has: strategy='hash'"
        )
    checked_suffix(suffix)
    pairs = key_columns(left, right, on, left_on, right_on)
    if not is_bounded(right):
        _demand_bounded(left, how, ("inner", "right"), "right")
        return joined_by(left, right, pairs, how, partial(_swapped, how=how, suffix=suffix, strategy=strategy))
    if not is_bounded(left):
        _demand_bounded(right, how, ("inner", "left", "semi", "anti"), "left")

    def make(mine: StreamPlan, others: StreamPlan, left_keys: Keys, right_keys: Keys) -> StreamPlan:
        return mine.then(Join(left_keys, right_keys, how, suffix, strategy), others)

    return joined_by(left, right, pairs, how, make)


def _demand_bounded(other: StreamPlan, how: str, possible: Sequence[str], endless: str) -> None:
    """Raise GraphError unless ``other`` ends and the join needs only that end; the side ``endless`` has none."""
    if not is_bounded(other):
        raise GraphError(
            "both streams are endless, so the join would hold all their rows; say which rows meet: "
            "window=sb.tumbling('10s'), ttl='1h', or .interval_join(other, ..., between=('0s', '10m'))"
        )
    if how not in possible:
        raise GraphError(
            f"how={how!r} waits for the end of the {endless} stream, which is endless; choose "
            f"{' or '.join(map(repr, possible))}, or say which rows meet: window=sb.tumbling('10s')"
        )


def _swapped(
    left: StreamPlan, right: StreamPlan, left_on: Keys, right_on: Keys, *, how: str, suffix: str, strategy: str
) -> StreamPlan:
    """The join of a bounded left side and an endless right side, with the bounded one on the right, as it is held."""
    spec = Join(right_on, left_on, "left" if how == "right" else how, suffix, strategy)
    joined = right.then(spec, left)
    names = right_output_names(spec, right.schema, left.schema)
    key_of = dict(zip(left_on, right_on, strict=True))
    columns = []
    for field in left.schema:
        if field.name not in key_of:
            columns.append((field.name, known_column(names[field.name])))
            continue
        key = right.schema.field(key_of[field.name])
        same = plain_type(key.type).equals(plain_type(field.type))
        columns.append((field.name, known_column(key.name) if same else col(key.name).cast(plain_type(field.type))))
    taken = set(left.schema.names)
    others = [name for name in right.schema.names if name not in right_on]
    columns += [(name + suffix if name in taken else name, known_column(name)) for name in others]
    return joined.then(Project(tuple(columns)))


def checked_how(how: Any) -> None:
    """Raise GraphError for a kind of join that there is not, with the name that it has here."""
    if how not in HOW:
        near = OTHER_HOW.get(how.lower()) if isinstance(how, str) else None
        advice = f"write how={near!r}" if near is not None else f"choose one of {', '.join(HOW)}"
        if how == "cross":
            advice = f"join on a key that all rows have: {CROSS}"
        raise GraphError(f"how is {how!r}; {advice}")


def checked_suffix(suffix: Any) -> None:
    """Raise GraphError for a suffix that is not a string."""
    if not isinstance(suffix, str):
        raise GraphError(f"suffix is {suffix!r}; give text, suffix='_right'")


def joined_by(left: StreamPlan, right: StreamPlan, pairs: Sequence[Pair], how: str, make: Make) -> StreamPlan:
    """The join that ``make`` returns of both sides and their keys, once keys of different number types are cast."""
    left_keys, right_keys = (tuple(pair[side] for pair in pairs) for side in (0, 1))
    if how in ("right", "full"):  # these put right keys into left columns, which need a type that holds both
        shared = {pair: kind for pair in pairs if (kind := _shared_number(left, right, *pair)) is not None}
        left = row_verbs.cast(left, {mine: kind for (mine, _), kind in shared.items()})
        right = row_verbs.cast(right, {other: kind for (_, other), kind in shared.items()})
        return make(left, right, left_keys, right_keys)
    shared = {pair: kind for pair in pairs if (kind := _shared_decimal(left, right, *pair)) is not None}
    if not shared:
        return make(left, right, left_keys, right_keys)
    hidden = _hidden_names(shared, {*left.schema.names, *right.schema.names})
    mine = row_verbs.with_columns(left, (), {hidden[pair]: col(pair[0]).cast(kind) for pair, kind in shared.items()})
    others = row_verbs.with_columns(right, (), {hidden[pair]: col(pair[1]).cast(kind) for pair, kind in shared.items()})
    others = row_verbs.dropped(others, [other for _, other in shared])
    left_on = tuple(hidden.get(pair, pair[0]) for pair in pairs)
    right_on = tuple(hidden.get(pair, pair[1]) for pair in pairs)
    return row_verbs.dropped(make(mine, others, left_on, right_on), list(hidden.values()))


def _shared_decimal(left: StreamPlan, right: StreamPlan, mine: str, other: str) -> pa.DataType | None:
    """The type in which decimals of different types, or decimals and integers, are equal; None for other keys.

    Keys are compared and hashed by their bytes, which differ between scales.
    """
    types = [plain_type(flow.schema.field(name).type) for flow, name in ((left, mine), (right, other))]
    exact = all(pa.types.is_decimal(kind) or pa.types.is_integer(kind) for kind in types)
    if not exact or types[0].equals(types[1]) or not any(map(pa.types.is_decimal, types)):
        return None
    return common(*types)


def _shared_number(left: StreamPlan, right: StreamPlan, mine: str, other: str) -> pa.DataType | None:
    """The type of a column that holds the keys of both sides, if they are numbers of different types."""
    types = [plain_type(flow.schema.field(name).type) for flow, name in ((left, mine), (right, other))]
    is_float = [pa.types.is_floating(kind) for kind in types]
    return None if types[0].equals(types[1]) or any(is_float) != all(is_float) else exact_number(types)


def _hidden_names(pairs: Iterable[Pair], taken: set[str]) -> dict[Pair, str]:
    """Names for helper columns that no other column has."""
    names = {}
    for pair in pairs:
        name = f"{pair[0]}:key"
        while name in taken:
            name += "'"
        names[pair] = name
        taken.add(name)
    return names


def key_columns(
    left: StreamPlan,
    right: StreamPlan,
    on: Column | Sequence[Column] | None,
    left_on: Column | Sequence[Column] | None,
    right_on: Column | Sequence[Column] | None,
    verb: str = "a join",
) -> list[Pair]:
    """The keys that ``on``, or ``left_on`` and ``right_on``, name."""
    if (on is None) == (left_on is None and right_on is None):
        raise SchemaError(f"{verb} takes on='key', or left_on='key' and right_on='other_key'")
    if on is not None:
        left_on = right_on = on
    if left_on is None or right_on is None:
        raise SchemaError("left_on and right_on go together; give both, or on='key'")
    keys = columns.names(columns.listed(left_on), left.schema), columns.names(columns.listed(right_on), right.schema)
    if len(keys[0]) != len(keys[1]) or not keys[0]:
        raise SchemaError(f"left_on has {len(keys[0])} keys and right_on {len(keys[1])}; give as many on both sides")
    return list(zip(*keys, strict=True))
