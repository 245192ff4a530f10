"""``when(condition).then(value).otherwise(value)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb.expr.expression import Expr, as_expr
from sabotnb.expr.expression_nodes import Call, Literal, Node
from sabotnb.foreign import Hinted, explained, explained_methods


@explained_methods
@dataclass(frozen=True, slots=True)
class When(Hinted):
    """A condition that still needs its value: call ``then``."""

    condition: Node
    before: tuple[Node, ...] = ()

    def then(self, value: Any) -> Then:
        """Set the value where the condition is true."""
        return Then(Call("case", (*self.before, self.condition, as_expr(value).node, Literal(None, pa.null()))))


@explained_methods
class Then(Expr):
    """Conditions with values. It is an expression already: null where no condition is true."""

    __slots__ = ()

    def when(self, condition: Expr) -> When:
        """Add a condition for the rows where no earlier one is true."""
        return When(as_expr(condition).node, self._pairs())

    def otherwise(self, value: Any) -> Expr:
        """Set the value where no condition is true."""
        return Expr(Call("case", (*self._pairs(), as_expr(value).node)))

    def _pairs(self) -> tuple[Node, ...]:
        assert isinstance(self.node, Call)
        return self.node.args[:-1]


@explained
def when(condition: Expr) -> When:
    """Choose by row: ``when(col("x") > 0).then("gain").otherwise("loss")``; the first true condition counts.

    A branch is computed only for the rows that take it, so a condition can guard a division.
    """
    return When(as_expr(condition).node)
