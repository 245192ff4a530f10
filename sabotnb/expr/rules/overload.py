"""``Overload``: how a rule computes one call: the types of its arguments, the type of its result, the kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa

from sabotnb.expr.expression_nodes import Literal
from sabotnb.expr.literals import fits
from sabotnb.expr.types import common


class Refused(Exception):  # noqa: N818  never reaches the user: the compiler adds the line and raises TypeMismatch
    """The types of the arguments do not fit; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument as a rule sees it: dictionaries and views as plain types, literals with their value."""

    type: pa.DataType
    literal: Literal | None = None

    @property
    def adapts(self) -> bool:
        """True for a plain Python value, which takes the type of the other operand where it fits."""
        return self.literal is not None and self.literal.flexible

    def __str__(self) -> str:
        return str(self.type)


@dataclass(frozen=True, slots=True)
class Overload:
    """How to compute one call.

    ``kernel`` takes an array or scalar per argument, converted to ``params``, and returns an array or scalar
    of ``result``. ``total``: it never raises for values of ``params``. ``strict``: null if any
    argument is null.
    """

    params: tuple[pa.DataType, ...]
    result: pa.DataType
    kernel: Callable[..., Any]
    total: bool = True
    strict: bool = True


Options = Mapping[str, Any]
Rule = Callable[[Sequence[Arg], Options], Overload]


def settle(args: Sequence[Arg]) -> pa.DataType:
    """The type that all ``args`` are converted to: plain Python literals adapt to the columns where they fit.

    Raises:
        Refused: there is no such type.
    """
    fixed = [arg for arg in args if not arg.adapts]
    flexible = [arg.literal for arg in args if arg.literal is not None and arg.adapts]
    types = [arg.type for arg in fixed] or [flexible[0].type]
    settled = reduce(_meet, types)
    for literal in flexible:
        if not fits(literal, settled) or pa.types.is_null(settled):
            settled = _meet(settled, literal.type)
    return settled


def _meet(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    found = common(one, other)
    if found is None:
        raise Refused(f"{one} and {other} have no common type; cast one of them: .cast({str(one)!r})")
    return found


def empty_result(kernel: Callable[..., Any], *params: pa.DataType) -> pa.DataType:
    """The type that ``kernel`` returns for arrays of ``params``; Refused if it does not take them."""
    try:
        return kernel(*(pa.nulls(0, param) for param in params)).type
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Refused(str(error)) from error
