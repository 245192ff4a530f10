"""What the optimizer asks of expressions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.expr import Column, Expr, Literal, functions, is_total, unaliased, uses_of


def column_uses(exprs: Iterable[Expr]) -> Counter[str]:
    """How often the expressions read each column."""
    uses: Counter[str] = Counter()
    for expr in exprs:
        uses.update(uses_of(expr.node))
    return uses


def is_cheap(expr: Expr) -> bool:
    """True if computing it twice costs nothing: a column or a constant."""
    return isinstance(unaliased(expr.node), Column | Literal)


def may_go_first(conditions: Sequence[Expr], schema: pa.Schema) -> list[bool]:
    """For each of the conditions that ``&`` connects: whether rows may meet it earlier than it is written.

    It must have an answer for rows that the others would have kept from it, and a function of the user that is written
    before it must see as many rows as ever.
    """
    free, met_function = [], False
    for condition in conditions:
        met_function = met_function or bool(functions(condition))
        free.append(not met_function and is_total(condition, schema))
    return free
