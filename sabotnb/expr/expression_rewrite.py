"""Analyze and rewrite expression trees: names, used columns, substitution, conjuncts. No data is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from operator import and_, or_
from typing import TypeVar

from sabotnb.blobs import Origin
from sabotnb.expr.expression_nodes import (
    Aggregated,
    Alias,
    Call,
    Column,
    Literal,
    Node,
    children,
    walk,
    with_children,
)
from sabotnb.traversal import bottom_up, fold

Answer = TypeVar("Answer")


def root_of(node: Node) -> str | None:
    """The default name of a result: an alias, a struct's field, or the leftmost column; None for constants."""
    waiting, met = [node], set[int]()
    while waiting:
        first = waiting.pop()
        if id(first) in met:
            continue
        met.add(id(first))
        match first:
            case Alias(name=given) | Column(name=given):
                return given
            case Call(fn="struct.field", options=options):
                return str(dict(options)["name"])
            case Aggregated(fn=fn, arg=None):
                return fn
            case Aggregated(arg=arg) if arg is not None:
                waiting.append(arg)
            case Call(fn="case", args=args):
                waiting.append(args[1])
            case _:
                waiting.extend(reversed(children(first)))
    return None


def substituted(node: Node, replacements: Mapping[str, Node]) -> Node:
    """``node`` with columns replaced by the expressions that compute them, of the same types.

    A constant that replaces a column keeps that column's type.
    """

    def made(part: Node, below: list[Node]) -> Node:
        if not isinstance(part, Column) or part.name not in replacements:
            return with_children(part, tuple(below))
        instead = unaliased(replacements[part.name])
        if instead == part:
            return part  # the same object, so that the steps cached for the nodes around it stay valid
        return replace(instead, flexible=False) if isinstance(instead, Literal) else instead

    return fold(node, children, made)


def uses_of(node: Node) -> Counter[str]:
    """How often a tree reads each column; a shared part counts once for each place that uses it."""
    times = {id(node): 1}
    uses: Counter[str] = Counter()
    for part in reversed(bottom_up((node,), children)):
        if isinstance(part, Column):
            uses[part.name] += times[id(part)]
        for below in children(part):
            times[id(below)] = times.get(id(below), 0) + times[id(part)]
    return uses


def aggregates_of(node: Node) -> tuple[Aggregated, ...]:
    """The aggregates in ``node``, each once, left to right."""
    return tuple(dict.fromkeys(part for part in walk(node) if isinstance(part, Aggregated)))


def without_aggregates(node: Node, names: Mapping[Aggregated, str]) -> Node:
    """``node`` with each aggregate replaced by the column of that name."""

    def made(part: Node, below: list[Node]) -> Node:
        if isinstance(part, Aggregated):
            return Column(names[part], _origin_of(part))
        return with_children(part, tuple(below))

    return fold(node, children, made)


def _origin_of(node: Node) -> Origin | None:
    return next((part.origin for part in walk(node) if isinstance(part, Column) and part.origin is not None), None)


def columns_beside_aggregates(node: Node) -> tuple[Column, ...]:
    """The columns that ``node`` reads beside its aggregates."""
    waiting, found = [node], []
    while waiting:
        part = waiting.pop()
        if isinstance(part, Column):
            found.append(part)
        elif not isinstance(part, Aggregated):
            waiting.extend(reversed(children(part)))
    return tuple(found)


def unaliased(node: Node) -> Node:
    """``node`` without aliases around it."""
    while isinstance(node, Alias):
        node = node.arg
    return node


def conjuncts_of(node: Node) -> tuple[Node, ...]:
    """The parts of a conjunction, left to right; those of a shared part, once."""
    parts: list[Node] = []
    waiting, met = [node], set[int]()
    while waiting:
        inner = unaliased(waiting.pop())
        if not isinstance(inner, Call) or inner.fn != "and":
            parts.append(inner)
        elif id(inner) not in met:
            met.add(id(inner))
            waiting.extend(reversed(inner.args))
    return tuple(parts)


def halves_of(node: Node) -> tuple[Node, ...]:
    """The arguments of the outermost ``&``; none for other expressions."""
    inner = unaliased(node)
    return inner.args if isinstance(inner, Call) and inner.fn == "and" else ()


def condition_count(node: Node) -> int:
    """How many conditions ``&`` connects, stored in each conjunction: filters that merge are counted again and again.

    A part that both arguments of one ``&`` are counts once; one that is shared further apart counts each time.
    """

    def uncounted(part: Node) -> tuple[Node, ...]:
        return () if hasattr(part, "_conditions") else halves_of(part)

    def count(part: Node) -> int:
        return getattr(part, "_conditions", 1)

    for part in bottom_up((node,), uncounted):
        if halves := uncounted(part):
            object.__setattr__(part, "_conditions", sum(map(count, {id(half): half for half in halves}.values())))
    return count(node)


def may_be_true(node: Node, leaf: Callable[[Node], Answer]) -> Answer:
    """Whether a condition may be true, from the answers of ``leaf`` for the conditions that ``&`` and ``|`` connect.

    An answer is a bool or an array of them. False must mean that the condition is true for no row; then the result
    means the same.
    """

    def combined(part: Node, below: list[Answer]) -> Answer:
        inner = unaliased(part)
        if not below:
            return leaf(inner)
        connect = and_ if isinstance(inner, Call) and inner.fn == "and" else or_
        answer: Answer = reduce(connect, below)
        return answer

    return fold(node, _connected, combined)


def _connected(node: Node) -> tuple[Node, ...]:
    inner = unaliased(node)
    return inner.args if isinstance(inner, Call) and inner.fn in ("and", "or") else ()
