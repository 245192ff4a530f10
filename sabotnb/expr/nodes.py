"""The expression tree as plain frozen data, compared by structure. ``Expr`` is what users write it with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sabotnb.blobs import Function, Origin

Options = tuple[tuple[str, Any], ...]

RANGE_ENDS = {
    "both": ("greater_equal", "less_equal"),
    "left": ("greater_equal", "less"),
    "right": ("greater", "less_equal"),
    "none": ("greater", "less"),
}
"""What ``is_between`` asks of its lower and its upper bound, by ``closed``."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the input, by name."""

    name: str
    origin: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """One value for all rows. Literals are equal that are written alike: 0.0 and -0.0 are not, NaN and NaN are.

    ``value`` is None, bool, int, float, str, bytes, Decimal or a tuple of values; dates, times and durations are the
    integer that their Arrow type counts in. A ``flexible`` literal, a plain Python value, takes the type of what it
    meets where it fits.
    """

    value: Any
    type: pa.DataType
    flexible: bool = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._written() == other._written()

    def __hash__(self) -> int:
        return hash(self._written())

    def _written(self) -> tuple[str, pa.DataType, bool]:
        return repr(self.value), self.type, self.flexible


@dataclass(frozen=True, slots=True)
class Call:
    """A function of ``sabotnb.expr.rules`` on arguments; ``options`` are constants, sorted by name."""

    fn: str
    args: tuple[Node, ...]
    options: Options = ()


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of the user. ``engine``: arrow (arrays), numba (values, compiled) or row (values)."""

    function: Function
    returns: pa.DataType
    engine: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alias:
    """``arg`` under another name."""

    arg: Node
    name: str


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Aggregate ``fn`` of ``arg`` (None: of whole rows) over the rows of a group, ordered by ``by``.

    Only ``agg`` computes it; ``rewrite.without_aggregates`` replaces it by the column that ``agg`` made.
    """

    fn: str
    arg: Node | None = None
    by: Node | None = None
    options: Options = ()
    function: Function | None = None


Node = Column | Literal | Call | Apply | Alias | Aggregated


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below."""
    match node:
        case Call(args=args) | Apply(args=args):
            return args
        case Alias(arg=arg):
            return (arg,)
        case Aggregated(arg=arg, by=by):
            return tuple(part for part in (arg, by) if part is not None)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """``node`` and everything below it, parents first, left to right."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(children(one)))
