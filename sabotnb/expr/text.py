"""Expressions as text, as a user would write them: in ``repr``, explain and error messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from sabotnb.expr.literals import text_of
from sabotnb.expr.nodes import Aggregated, Alias, Apply, Call, Column, Literal, Node

INFIX: Mapping[str, str] = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "floor_divide": "//",
    "modulo": "%",
    "power": "**",
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "and": "&",
    "or": "|",
}
_PREFIX = {"not": "~", "negate": "-"}


def text(node: Node) -> str:  # noqa: PLR0911  one case per form
    """``node`` on one line."""
    match node:
        case Column(name=name):
            return f"col({name!r})"
        case Literal():
            return text_of(node)
        case Alias(arg=arg, name=name):
            return f"{_operand(arg)}.alias({name!r})"
        case Apply(function=function, args=args):
            return f"{function.name}({', '.join(map(text, args))})"
        case Aggregated():
            return _aggregate(node)
        case Call(fn=fn, args=args) if fn in INFIX:
            return f" {INFIX[fn]} ".join(_operand(arg) for arg in args)
        case Call(fn=fn, args=args) if fn in _PREFIX:
            return f"{_PREFIX[fn]}{_operand(args[0])}"
        case Call(fn=fn) if fn in _SPECIAL:
            return _SPECIAL[fn](node)
        case Call():
            return _method(node)


def _method(node: Call) -> str:
    options = [_option(name, value) for name, value in node.options if value not in _DEFAULTS]
    return f"{_operand(node.args[0])}.{node.fn}({', '.join([*map(text, node.args[1:]), *options])})"


def _aggregate(node: Aggregated) -> str:
    over = "sb" if node.arg is None else _operand(node.arg)
    by = [f"by={text(node.by)}"] if node.by is not None else []
    options = [f"{name}={value!r}" for name, value in node.options if name != "returns"]
    return f"{over}.{node.function.name if node.function else node.fn}({', '.join([*by, *options])})"


_DEFAULTS = (None, False, "both")


def _case(node: Call) -> str:
    pairs = zip(node.args[:-1:2], node.args[1::2], strict=True)
    chain = ".".join(f"when({text(condition)}).then({text(value)})" for condition, value in pairs)
    return f"{chain}.otherwise({text(node.args[-1])})"


def _coalesce(node: Call) -> str:
    """A text by itself would be the name of a column there."""
    values = [f"lit({text(one)})" if _is_text_literal(one) else text(one) for one in node.args]
    return f"coalesce({', '.join(values)})"


def _is_text_literal(node: Node) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, str)


_SPECIAL: Mapping[str, Callable[[Call], str]] = {"case": _case, "coalesce": _coalesce}


def _option(name: str, value: object) -> str:
    return repr(str(value)) if isinstance(value, pa.DataType) else f"{name}={value!r}"


def _operand(node: Node) -> str:
    inside = text(node)
    composed = isinstance(node, Call) and (node.fn in INFIX or node.fn in _PREFIX)
    literal = isinstance(node, Literal) and inside.startswith("-")
    return f"({inside})" if composed or literal else inside
