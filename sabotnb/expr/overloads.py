"""Choose the overload of a call for the types of its arguments, and check that Arrow has its kernel."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabotnb.expr.column_errors import type_mismatch
from sabotnb.expr.expression_nodes import Call
from sabotnb.expr.expression_text import text
from sabotnb.expr.rules import RULES, Arg, Overload, Refused


def overload_of(node: Call, args: Sequence[Arg]) -> Overload:
    """The overload that the rule of ``node`` chooses for these types; TypeMismatch if it refuses them."""
    try:
        return RULES[node.fn](args, dict(node.options))
    except Refused as refused:
        raise type_mismatch(f"{text(node)}\n{refused}", node) from None


def demand_kernel(node: Call, overload: Overload) -> None:
    """Try the kernel on no rows; TypeMismatch if Arrow lacks it for these types (half floats, mostly)."""
    try:
        overload.kernel(*(pa.nulls(0, param) for param in overload.params))
    except pa.ArrowNotImplementedError as error:
        types = " and ".join(dict.fromkeys(map(str, overload.params)))
        raise type_mismatch(f"{text(node)}\n{node.fn} cannot be computed of {types}; cast it first", node) from error
    except pa.ArrowInvalid as error:
        raise type_mismatch(f"{text(node)}\n{error}", node) from error
