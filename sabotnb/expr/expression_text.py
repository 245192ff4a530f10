"""Write expressions as text, as a user would, for ``repr``, ``explain`` and error messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from sabotnb import text_limits
from sabotnb.expr.expression_nodes import Aggregated, Alias, Apply, Call, Column, Literal, Node
from sabotnb.expr.literals import text_of

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


Part = str | Node


def text(node: Node) -> str:
    """``node`` on one line, cut if it is very long."""
    written: list[str] = []
    letters, waiting = 0, list[Part]([node])
    while waiting:
        part = waiting.pop()
        if not isinstance(part, str):
            waiting.extend(reversed(_parts(part)))
            continue
        written.append(part)
        letters += len(part)
        if letters > text_limits.EXPRESSION:
            return text_limits.beginning("".join(written), text_limits.EXPRESSION)
    return "".join(written)


def _parts(node: Node) -> list[Part]:  # noqa: PLR0911  one case per form
    """The text of ``node`` as a list of strings and of nodes that are still to be written."""
    match node:
        case Column(name=name):
            return [f"col({name!r})"]
        case Literal():
            return [text_of(node)]
        case Alias(arg=arg, name=name):
            return [*_operand(arg), f".alias({name!r})"]
        case Apply(function=function, args=args):
            return [f"{function.name}(", *_listed(args), ")"]
        case Aggregated():
            return _aggregate(node)
        case Call(fn=fn, args=args) if fn in INFIX:
            return _joined([_operand(arg) for arg in args], f" {INFIX[fn]} ")
        case Call(fn=fn, args=args) if fn in _PREFIX:
            return [_PREFIX[fn], *_operand(args[0])]
        case Call(fn=fn) if fn in _SPECIAL:
            return _SPECIAL[fn](node)
        case Call():
            return _method(node)


def _joined(several: Sequence[Sequence[Part]], between: str) -> list[Part]:
    parts: list[Part] = []
    for number, some in enumerate(several):
        parts.extend([between, *some] if number else some)
    return parts


def _listed(args: Sequence[Node]) -> list[Part]:
    return _joined([[arg] for arg in args], ", ")


def _method(node: Call) -> list[Part]:
    options = [[_option(name, value)] for name, value in node.options if value not in _DEFAULTS]
    arguments: list[list[Part]] = [*([arg] for arg in node.args[1:]), *options]  # type: ignore[list-item]
    return [*_operand(node.args[0]), f".{node.fn}(", *_joined(arguments, ", "), ")"]


def _aggregate(node: Aggregated) -> list[Part]:
    over: list[Part] = ["sb"] if node.arg is None else _operand(node.arg)
    by: list[list[Part]] = [["by=", node.by]] if node.by is not None else []
    options: list[list[Part]] = [[f"{name}={value!r}"] for name, value in node.options if name != "returns"]
    called = node.function.name if node.function else node.fn
    return [*over, f".{called}(", *_joined([*by, *options], ", "), ")"]


_DEFAULTS = (None, False, "both")


def _case(node: Call) -> list[Part]:
    pairs = zip(node.args[:-1:2], node.args[1::2], strict=True)
    chain: list[list[Part]] = [["when(", condition, ").then(", value, ")"] for condition, value in pairs]
    return [*_joined(chain, "."), ".otherwise(", node.args[-1], ")"]


def _coalesce(node: Call) -> list[Part]:
    """Write ``coalesce``, where a text constant needs ``lit``: a bare string would be the name of a column."""
    values: list[list[Part]] = [["lit(", arg, ")"] if _is_text_literal(arg) else [arg] for arg in node.args]
    return ["coalesce(", *_joined(values, ", "), ")"]


def _is_text_literal(node: Node) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, str)


_SPECIAL: Mapping[str, Callable[[Call], list[Part]]] = {"case": _case, "coalesce": _coalesce}


def _option(name: str, value: object) -> str:
    return repr(str(value)) if isinstance(value, pa.DataType) else f"{name}={value!r}"


def _operand(node: Node) -> list[Part]:
    composed = isinstance(node, Call) and (node.fn in INFIX or node.fn in _PREFIX)
    literal = isinstance(node, Literal) and text_of(node).startswith("-")
    return ["(", node, ")"] if composed or literal else [node]
