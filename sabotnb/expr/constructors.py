"""``col``, ``lit``, ``coalesce``, ``count`` and ``duration``: the functions with which expressions begin."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sabotnb.errors import TypeMismatch
from sabotnb.expr.expression import Aggregation, Expr, as_column, column
from sabotnb.expr.expression_nodes import Aggregated, Call, Column
from sabotnb.expr.literals import duration_literal, literal_of
from sabotnb.expr.types import type_of
from sabotnb.foreign import Hinted, explained


def _column(name: str) -> Expr:
    """The column ``name``. Keeps the line that it is written in, for error messages."""
    return column(name)


_column.__name__ = "col"
_explained_column = explained(_column)


class _Col(Hinted):
    """The type of ``col``: a callable that answers ``col.x``, which polars has, with what to write instead."""

    __slots__ = ()
    __doc__ = _column.__doc__
    __signature__ = inspect.signature(_column)

    def __call__(self, *args: Any, **kwargs: Any) -> Expr:
        return _explained_column(*args, **kwargs)

    def _own_hint(self, name: str) -> str:
        return f"write col({name!r})"


if TYPE_CHECKING:

    def col(name: str) -> Expr:
        """The column ``name``."""
        ...

else:
    col = _Col()


def known_column(name: str) -> Expr:
    """The column ``name``, which is known to exist: skips finding the source line, which only errors need."""
    return Expr(Column(name))


@explained
def lit(value: Any, type: Any = None) -> Expr:  # noqa: A002  Arrow calls it so
    """A constant. It has type ``type``; by default, it takes the type of the other operand where it fits."""
    if isinstance(value, Expr):
        return value
    return Expr(literal_of(value, None if type is None else type_of(type)))


@explained
def coalesce(*values: Any) -> Expr:
    """The first value of each row that is not null. Takes names of columns, expressions and ``lit("text")``."""
    if not values:
        raise TypeMismatch("coalesce() has nothing to choose from; give columns: coalesce('a', 'b', 0)")
    return Expr(Call("coalesce", tuple(as_column(value).node for value in values)))


@explained
def count() -> Aggregation:
    """Number of rows, nulls included."""
    return Aggregation(Aggregated("count"))


@explained
def duration(value: str | timedelta) -> Expr:
    """A duration as a constant: ``col("t") + sb.duration("15m")``."""
    return Expr(duration_literal(value))
