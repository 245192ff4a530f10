"""``sb.udf`` and ``sb.aggregate``: functions and classes of the user inside expressions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sabotnb.blobs import Function, capture
from sabotnb.errors import FunctionError
from sabotnb.expr.aggregates import type_to_text
from sabotnb.expr.expression import Aggregation, Expr, as_column, as_expr
from sabotnb.expr.expression_nodes import Aggregated, Apply
from sabotnb.expr.types import type_of
from sabotnb.extras import demand
from sabotnb.foreign import explained

ENGINES = ("arrow", "numba", "row")


@explained
def udf(returns: Any, engine: str = "arrow") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function usable in expressions: called with an expression it returns one, else it runs as usual.

    Args:
        returns: the type of the result (``"double"``, ``float``, an Arrow type).
        engine: ``arrow`` calls it with an Arrow array per argument; it returns an array of the same length and handles
            nulls itself. ``row`` calls it with the values of one row, null as None. ``numba`` compiles it to machine
            code and calls it with the numbers of one row; the result is null where an argument is null.

    Arrays are parts of the stream, of any length: the result for a row must not depend on other rows.
    """
    if engine not in ENGINES:
        raise FunctionError(f"there is no engine {engine!r} for a udf; there are 'arrow', 'numba' and 'row'")
    if callable(returns) and not isinstance(returns, type):
        raise FunctionError("udf needs the type that the function returns: @sb.udf('double')")
    data_type = type_of(returns)

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        if engine == "numba":
            demand("numba", f"engine='numba' of {fn.__name__}")
        taken: list[Function] = []  # captured when first used, so that it may use what is defined below it

        @functools.wraps(fn)
        def call(*args: Any) -> Any:
            if not any(isinstance(arg, Expr) for arg in args):
                return fn(*args)
            _check_arguments(fn, args)
            if not taken:
                taken.append(capture(fn, "udf"))
            return Expr(Apply(taken[0], data_type, engine, tuple(as_expr(arg).node for arg in args)))

        return call

    return decorate


def _check_arguments(fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Raise FunctionError if ``fn`` does not take so many arguments: numba would take one more as its output."""
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):  # a function in C that does not tell
        return
    try:
        signature.bind(*args)
    except TypeError as error:
        raise FunctionError(
            f"{getattr(fn, '__name__', fn)}{signature} is called with {len(args)} columns: {error}; pass one for each "
            "argument"
        ) from error


@dataclass(frozen=True, slots=True)
class UserAggregate:
    """An aggregate made from a user class: called with an expression, it returns an aggregation for ``agg``."""

    cls: type
    function: Function

    def __call__(self, expr: Any) -> Aggregation:
        over = as_column(expr)
        returns = type_to_text(type_of(self.cls.returns))  # type: ignore[attr-defined]
        return Aggregation(Aggregated("custom", over.node, options=(("returns", returns),), function=self.function))


@explained
def aggregate(cls: type) -> UserAggregate:
    """Make an aggregate from a class with ``returns`` (a type) and ``update(values)``, ``merge(other)``, ``result()``.

    There is one instance per key, made without arguments; ``update`` takes an Arrow array of the key's values.
    """
    missing = [name for name in ("returns", "update", "merge", "result") if not hasattr(cls, name)]
    if missing:
        raise FunctionError(
            f"{cls.__name__} cannot aggregate without {', '.join(missing)}; it needs returns = 'double', "
            "update(self, values), merge(self, other) and result(self)"
        )
    type_of(cls.returns)  # type: ignore[attr-defined]
    return UserAggregate(cls, capture(cls, "aggregate"))
