"""What the optimizer asks of expressions."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sabotnb.expr import Expr, to_pyarrow
from sabotnb.expr.nodes import Column, Literal, walk
from sabotnb.expr.rewrite import unnamed


def column_uses(expr: Expr) -> Iterator[str]:
    """Columns that the expression reads, as often as it reads them."""
    return (node.name for node in walk(expr.node) if isinstance(node, Column))


def is_cheap(expr: Expr) -> bool:
    """True if computing it twice costs nothing: a column or a constant."""
    return isinstance(unnamed(expr.node), Column | Literal)


def never_raises(expr: Expr, schema: pa.Schema) -> bool:
    """True if no row of ``schema`` can make it raise, so that it may see rows that a filter would have kept from it.

    Those that readers can evaluate: integer arithmetic can overflow, a user's function can do anything.
    """
    return to_pyarrow(expr, schema) is not None
