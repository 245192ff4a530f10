"""Joins of bounded streams on equal keys."""

from __future__ import annotations

from collections.abc import Sequence

from sabotnb.api import columns
from sabotnb.api.columns import Column
from sabotnb.api.flow import Flow, is_bounded
from sabotnb.errors import GraphError, SchemaError
from sabotnb.graph import Join

HOW = ("inner", "left", "right", "full", "semi", "anti")
STRATEGIES = ("auto", "broadcast", "hash")


def joined(
    left: Flow,
    right: Flow,
    on: Column | Sequence[Column] | None,
    left_on: Column | Sequence[Column] | None,
    right_on: Column | Sequence[Column] | None,
    *,
    how: str,
    suffix: str,
    strategy: str,
) -> Flow:
    """Rows of both sides whose keys are equal; the key types must agree, which the join's schema checks."""
    if how not in HOW:
        raise GraphError(f"how is {how!r}; choose one of {', '.join(HOW)}")
    if strategy not in STRATEGIES:
        raise GraphError(f"strategy is {strategy!r}; choose one of {', '.join(STRATEGIES)}")
    if strategy == "broadcast" and how in ("right", "full"):
        raise GraphError(
            f"how={how!r} keeps unmatched rows of the right side, which every task of a broadcast has: strategy='hash'"
        )
    if not isinstance(suffix, str):
        raise GraphError(f"suffix is {suffix!r}; give text, suffix='_right'")
    if not (is_bounded(left) and is_bounded(right)):
        raise GraphError("a join without a window needs two bounded streams; one of these is endless: bound its source")
    left_keys, right_keys = _keys(left, right, on, left_on, right_on)
    return left.then(Join(left_keys, right_keys, how, suffix, strategy), right)


def _keys(
    left: Flow,
    right: Flow,
    on: Column | Sequence[Column] | None,
    left_on: Column | Sequence[Column] | None,
    right_on: Column | Sequence[Column] | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if (on is None) == (left_on is None and right_on is None):
        raise SchemaError("a join takes on='key', or left_on='key' and right_on='other_key'")
    if on is not None:
        left_on = right_on = on
    if left_on is None or right_on is None:
        raise SchemaError("left_on and right_on go together; give both, or on='key'")
    found = columns.names(columns.listed(left_on), left.schema), columns.names(columns.listed(right_on), right.schema)
    if len(found[0]) != len(found[1]) or not found[0]:
        raise SchemaError(f"left_on has {len(found[0])} keys and right_on {len(found[1])}; give as many on both sides")
    return found
