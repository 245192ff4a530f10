"""Properties of expressions and projections on which optimizer rules decide: column uses, cost, and safe reordering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.expr import Column, Expr, Literal, functions, is_total, unaliased, uses_of
from sabotnb.graph import Project, Spec


def column_uses(exprs: Iterable[Expr]) -> Counter[str]:
    """Count how often the expressions read each column."""
    uses: Counter[str] = Counter()
    for expr in exprs:
        uses.update(uses_of(expr.node))
    return uses


def is_cheap(expr: Expr) -> bool:
    """True if computing ``expr`` twice costs nothing: a column or a constant."""
    return isinstance(unaliased(expr.node), Column | Literal)


def is_renaming(spec: Spec) -> bool:
    """True for a projection that computes nothing: it selects and renames columns, or adds constants."""
    return isinstance(spec, Project) and all(is_cheap(expr) for _, expr in spec.columns)


def may_go_first(conditions: Sequence[Expr], schema: pa.Schema) -> list[bool]:
    """For each of the conditions that ``&`` connects: whether it may be evaluated before those written before it.

    Such a condition must not raise for rows that the others would have removed (it is total), and no function of the
    user may stand at or before it, since that function must be called with as many rows as written.
    """
    movable, met_function = [], False
    for condition in conditions:
        met_function = met_function or bool(functions(condition))
        movable.append(not met_function and is_total(condition, schema))
    return movable
