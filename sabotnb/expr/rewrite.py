"""Questions to expressions and changes of them, without data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sabotnb.blobs import Origin
from sabotnb.expr.nodes import Aggregated, Alias, Apply, Call, Column, Literal, Node, children, walk


def root_of(node: Node) -> str | None:
    """The name that a result has by itself: an alias, a struct's field, or the leftmost column; None of constants."""
    match node:
        case Alias(name=given) | Column(name=given):
            return given
        case Call(fn="struct.field", options=options):
            return str(dict(options)["name"])
        case Call(fn="case", args=args):
            return root_of(args[1])
        case Aggregated(fn=fn, arg=arg):
            return fn if arg is None else root_of(arg)
        case Call(args=args) | Apply(args=args):
            return next((name for arg in args if (name := root_of(arg)) is not None), None)
        case _:
            return None


def substituted(node: Node, replacements: Mapping[str, Node]) -> Node:
    """``node`` with columns replaced by what they were computed from, of the same types.

    A constant that was a column has the type of that column, and takes no other.
    """
    match node:
        case Column(name=name) if name in replacements:
            made = unnamed(replacements[name])
            return replace(made, flexible=False) if isinstance(made, Literal) else made
        case Call(args=args) | Apply(args=args):
            return replace(node, args=tuple(substituted(arg, replacements) for arg in args))
        case Alias(arg=arg):
            return replace(node, arg=substituted(arg, replacements))
        case _:
            return node


def aggregates_of(node: Node) -> tuple[Aggregated, ...]:
    """The aggregates in ``node``, each once, left to right."""
    return tuple(dict.fromkeys(part for part in walk(node) if isinstance(part, Aggregated)))


def without_aggregates(node: Node, names: Mapping[Aggregated, str]) -> Node:
    """``node`` with each aggregate replaced by the column of that name."""
    made: dict[int, Node] = {}
    for part in reversed([*walk(node)]):  # which lists parents first
        below = tuple(made[id(child)] for child in children(part))
        match part:
            case Aggregated():
                made[id(part)] = Column(names[part], _origin_of(part))
            case Call() | Apply():
                made[id(part)] = replace(part, args=below)
            case Alias():
                made[id(part)] = replace(part, arg=below[0])
            case _:
                made[id(part)] = part
    return made[id(node)]


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


def unnamed(node: Node) -> Node:
    """``node`` without aliases around it."""
    return unnamed(node.arg) if isinstance(node, Alias) else node


def conjuncts_of(node: Node) -> tuple[Node, ...]:
    """The parts of a conjunction, left to right."""
    parts: list[Node] = []
    waiting = [node]
    while waiting:
        inner = unnamed(waiting.pop())
        if isinstance(inner, Call) and inner.fn == "and":
            waiting.extend(reversed(inner.args))
        else:
            parts.append(inner)
    return tuple(parts)
