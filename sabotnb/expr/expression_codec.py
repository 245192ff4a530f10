"""Write expressions as JSON and read them. Source lines are left out, because they are not part of the meaning."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sabotnb.blobs import Function
from sabotnb.errors import SchemaError
from sabotnb.expr.aggregates import type_from_text, type_to_text
from sabotnb.expr.expression import Expr
from sabotnb.expr.expression_nodes import Aggregated, Alias, Apply, Call, Column, Literal, Node, children
from sabotnb.expr.expression_text import text
from sabotnb.traversal import fold

Json = Any

DEEPEST, LARGEST = 60, 1000
"""Nesting and nodes of an expression that is written as nested JSON, which parsers read by recursion."""


def to_json(expr: Expr) -> Any:
    """``expr`` as data that JSON can hold; functions are written as their sha256."""
    return _written(expr.node)


def from_json(data: Any, functions: Mapping[str, Function]) -> Expr:
    """Read what ``to_json`` wrote; ``functions`` are by sha256."""
    return Expr(_read(data, functions))


def _written(node: Node) -> Json:
    """Return ``node`` as data that JSON can hold; functions are written as their sha256.

    A small expression is nested. A large one is ``{"nodes": [...]}``: ``args`` are indexes into that list, and the last
    node is the whole expression. No parser has to recurse, and a part that is used several times is written once.
    """
    if not children(node):  # most expressions of wide plans are columns that are passed on
        return _row(node, [])
    depth, size = fold(node, children, _measured)
    if depth <= DEEPEST and size <= LARGEST:
        return fold(node, children, _row)
    rows: list[Json] = []
    place_of: dict[str, int] = {}

    def placed(part: Node, below: list[int]) -> int:
        row = _row(part, below)
        place = place_of.setdefault(repr(row), len(rows))
        if place == len(rows):
            rows.append(row)
        return place

    fold(node, children, placed)
    return {"nodes": rows}


def _measured(_: Node, below: list[tuple[int, int]]) -> tuple[int, int]:
    """Depth and number of nodes of a tree, from those of its arguments."""
    return 1 + max((depth for depth, _ in below), default=0), 1 + sum(size for _, size in below)


def _row(node: Node, args: list[Any]) -> Json:
    match node:
        case Column(name=name):
            return {"col": name}
        case Literal(value=value, type=data_type, flexible=flexible):
            return {"lit": _value(value), "type": _type(data_type), **({} if flexible else {"fixed": True})}
        case Alias(name=name):
            return {"alias": name, "args": args}
        case Apply(function=function, returns=returns, engine=engine):
            return {"apply": function.sha256, "returns": _type(returns), "engine": engine, "args": args}
        case Call(fn=fn, options=options):
            named = {"options": {name: _option(value) for name, value in options}} if options else {}
            return {"call": fn, "args": args, **named}
        case Aggregated():
            raise SchemaError(f"{text(node)} is one value per group, so a row has none; use it in .agg(...)")


def _read(data: Json, functions: Mapping[str, Function]) -> Node:
    """Read what ``_written`` returned, with ``functions`` by sha256; SchemaError if it is not an expression."""
    if "args" not in data and "nodes" not in data:
        return _node(data, (), functions)
    if "nodes" not in data:
        return fold(data, lambda row: row.get("args", ()), lambda row, below: _node(row, tuple(below), functions))
    made: list[Node] = []
    for row in data["nodes"]:
        places = row.get("args", ())
        if not all(isinstance(place, int) and 0 <= place < len(made) for place in places):
            raise SchemaError(f"{row!r} is not part of an expression; to_json writes what from_json reads")
        made.append(_node(row, tuple(made[place] for place in places), functions))
    return made[-1]


def _node(data: Json, args: tuple[Node, ...], functions: Mapping[str, Function]) -> Node:
    match data:
        case {"col": str(name)}:
            return Column(name)
        case {"lit": value, "type": data_type}:
            return Literal(_read_value(value), _read_type(data_type), not data.get("fixed", False))
        case {"alias": str(name)}:
            return Alias(args[0], name)
        case {"apply": sha256, "returns": returns, "engine": engine}:
            if sha256 not in functions:
                raise SchemaError(
                    f"the function {sha256} of an expression is missing; pass the blobs along with the JSON"
                )
            return Apply(functions[sha256], _read_type(returns), engine, args)
        case {"call": fn}:
            options = {name: _read_option(value) for name, value in data.get("options", {}).items()}
            return Call(fn, args, tuple(sorted(options.items())))
        case _:
            raise SchemaError(f"{data!r} is not an expression; to_json writes what from_json reads")


def _value(value: Any) -> Json:
    match value:
        case tuple():
            return {"list": [_value(item) for item in value]}
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case Decimal():
            return {"decimal": str(value)}
        case float() if not math.isfinite(value):
            return {"float": str(value)}
        case _:
            return value


def _read_value(data: Json) -> Any:
    match data:
        case {"list": items}:
            return tuple(_read_value(item) for item in items)
        case {"bytes": text}:
            return base64.b64decode(text)
        case {"decimal": text}:
            return Decimal(text)
        case {"float": text}:
            return float(text)
        case _:
            return data


def _type(data_type: pa.DataType) -> Json:
    """A type by its name; types without one as an Arrow IPC schema."""
    try:
        if pa.type_for_alias(str(data_type)).equals(data_type):
            return str(data_type)
    except ValueError:
        pass
    return {"ipc": type_to_text(data_type)}


def _read_type(data: Json) -> pa.DataType:
    return pa.type_for_alias(data) if isinstance(data, str) else type_from_text(data["ipc"])


def _option(value: Any) -> Json:
    return {"type": _type(value)} if isinstance(value, pa.DataType) else value


def _read_option(data: Json) -> Any:
    return _read_type(data["type"]) if isinstance(data, dict) else data
