"""What expressions consist of (columns, aggregates, conjuncts, user functions), and expressions with parts replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from sabotnb.blobs import Function
from sabotnb.expr import expression_rewrite
from sabotnb.expr.constructors import lit
from sabotnb.expr.expression import Expr
from sabotnb.expr.expression_nodes import Aggregated, Column, facts_of


def root_name(expr: Expr) -> str | None:
    """The name that the result has by default: the alias, or the leftmost column."""
    return expression_rewrite.root_of(expr.node)


def column_name(expr: Expr) -> str | None:
    """The name of the column if ``expr`` is a plain column, with or without an alias; otherwise None."""
    node = expression_rewrite.unaliased(expr.node)
    return node.name if isinstance(node, Column) else None


def aggregates(expr: Expr) -> tuple[Aggregated, ...]:
    """The aggregates that ``expr`` is computed from, each once."""
    return expression_rewrite.aggregates_of(expr.node)


def beside_aggregates(expr: Expr) -> tuple[Column, ...]:
    """The columns that ``expr`` reads beside its aggregates."""
    return expression_rewrite.columns_beside_aggregates(expr.node)


def without_aggregates(expr: Expr, names: Mapping[Aggregated, str]) -> Expr:
    """``expr`` with each aggregate replaced by the column that holds it, by ``names``."""
    return Expr(expression_rewrite.without_aggregates(expr.node, names))


def unnamed(expr: Expr) -> Expr:
    """``expr`` without aliases around it."""
    return Expr(expression_rewrite.unaliased(expr.node))


def columns(expr: Expr) -> frozenset[str]:
    """Names of all columns that ``expr`` reads."""
    return facts_of(expr.node).columns


def same(one: Expr, other: Expr) -> bool:
    """True for equal trees. ``==`` cannot be used: it builds an expression."""
    return one.node == other.node


def structure(value: Any) -> Any:
    """Replace every expression in ``value``, also inside tuples, by its tree, so that it can be compared and hashed."""
    if isinstance(value, Expr):
        return value.node
    return tuple(structure(item) for item in value) if isinstance(value, tuple) else value


def substitute(expr: Expr, replacements: Mapping[str, Expr]) -> Expr:
    """``expr`` with columns replaced by the expressions that compute them."""
    used = {name: replacements[name].node for name in columns(expr) if name in replacements}
    if not used:
        return expr
    return Expr(expression_rewrite.substituted(expr.node, used))


def condition_count(expr: Expr) -> int:
    """How many conditions ``&`` connects in ``expr``; cheap for a tree whose parts were counted before."""
    return expression_rewrite.condition_count(expr.node)


def halves(expr: Expr) -> tuple[Expr, ...]:
    """The two arguments of the outermost ``&``, which may be conjunctions themselves; none for other expressions."""
    return tuple(Expr(node) for node in expression_rewrite.halves_of(expr.node))


def conjuncts(expr: Expr) -> tuple[Expr, ...]:
    """The conditions that ``&`` connects, left to right; any other expression alone."""
    return tuple(Expr(node) for node in expression_rewrite.conjuncts_of(expr.node))


def all_of(exprs: Iterable[Expr]) -> Expr:
    """All conditions connected by ``&``; ``lit(True)`` if there are none."""
    given = [*exprs]
    return reduce(lambda left, right: left & right, given) if given else lit(value=True)


def functions(expr: Expr) -> tuple[Function, ...]:
    """The user functions in ``expr``, each once, in order."""
    return facts_of(expr.node).functions
