"""Expressions as ``pyarrow.compute.Expression``, for readers that can filter while they read."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.expr.compiler import literal_scalar, overload_of
from sabotnb.expr.literals import own_scalar
from sabotnb.expr.nodes import Alias, Call, Column, Literal, Node, walk
from sabotnb.expr.rules import Arg
from sabotnb.expr.types import plain

Converted = tuple[pc.Expression, pa.DataType]


def converted(node: Node, schema: pa.Schema) -> pc.Expression | None:
    """``node`` for batches of ``schema`` as a filter that keeps exactly the same rows; None if there is none.

    What may raise is not converted: a reader may compute it on rows that an earlier operator drops. Functions of the
    user and kernels of our own are not converted either, nor what could keep a row because it is NaN.
    """
    found = _convert(node, schema) if _drops_nan(node, schema) else None
    return found[0] if found is not None else None


def _drops_nan(node: Node, schema: pa.Schema) -> bool:
    """True if no row is kept because of a NaN in a float column.

    Minima and maxima in Parquet files leave NaN out, and Arrow's reader skips a row group by them all the same: it
    would lose such rows. A plain comparison of the column is false for NaN, so that nothing is lost.
    """
    if not _reads_floats(node, schema):
        return True
    match node:
        case Alias(arg=arg):
            return _drops_nan(arg, schema)
        case Call(fn="and" | "or", args=args):
            return all(_drops_nan(arg, schema) for arg in args)
        case Call(fn=fn, args=args) if fn in _FALSE_FOR_NAN:
            return all(isinstance(arg, Column) or not _reads_floats(arg, schema) for arg in args)
        case _:
            return False


_FALSE_FOR_NAN = frozenset(
    {"equal", "less", "less_equal", "greater", "greater_equal", "is_between", "is_in", "is_null"}
)


def _reads_floats(node: Node, schema: pa.Schema) -> bool:
    columns = (part for part in walk(node) if isinstance(part, Column))
    return any(pa.types.is_floating(schema.field(column.name).type) for column in columns)


def _convert(node: Node, schema: pa.Schema) -> Converted | None:
    match node:
        case Column(name=name):
            data_type = schema.field(name).type
            field = pc.field(name)
            return (field if plain(data_type).equals(data_type) else field.cast(plain(data_type))), plain(data_type)
        case Literal():
            return pc.scalar(own_scalar(node)), node.type
        case Alias(arg=arg):
            return _convert(arg, schema)
        case Call():
            return _call(node, schema)
        case _:
            return None


def _call(node: Call, schema: pa.Schema) -> Converted | None:
    parts = [_convert(arg, schema) for arg in node.args]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    literals = [arg if isinstance(arg, Literal) else None for arg in node.args]
    args = [Arg(data_type, literal) for (_, data_type), literal in zip(known, literals, strict=True)]
    overload = overload_of(node, args)
    if not overload.pushable or not overload.total or all(literals):
        return None
    operands = _operands(node, known, overload.params, literals)
    return overload.kernel(*operands), overload.result


def _operands(
    node: Call, parts: Sequence[Converted], params: Sequence[pa.DataType], literals: Sequence[Literal | None]
) -> list[pc.Expression]:
    operands = []
    for (expression, data_type), param, literal in zip(parts, params, literals, strict=True):
        if literal is not None:
            operands.append(pc.scalar(literal_scalar(literal, param, node)))
        elif data_type.equals(param):
            operands.append(expression)
        else:
            operands.append(expression.cast(param, safe=not pa.types.is_floating(param)))
    return operands
