"""The expression tree as plain frozen data, compared by structure. Users write it with ``Expr``.

A loop can nest nodes to any depth, so nothing here recurses: walking, hashing, comparing and pickling use lists.
Subtrees may be shared, and a tree of few objects can then have exponentially many paths: each object is visited once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa

from sabotnb.blobs import Function, Origin
from sabotnb.traversal import bottom_up

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
    """One value for all rows. Literals are equal if they are written alike: 0.0 and -0.0 differ, NaN equals NaN.

    ``value`` is None, bool, int, float, str, bytes, Decimal or a tuple of values; dates, times and durations are the
    integer that their Arrow type stores. A ``flexible`` literal, a plain Python value, takes the type of the other
    operand where it fits.
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
class Facts:
    """What the optimizer asks of a tree at each of its steps; ``functions`` are in order, each once."""

    columns: frozenset[str] = frozenset()
    functions: tuple[Function, ...] = ()


class Composed:
    """A node with arguments, nested to any depth.

    ``own`` holds all fields of a node but its arguments. A node never changes, so a copy is the node itself, and its
    hash, which covers the whole tree, is computed once.
    """

    __slots__ = ("_conditions", "_facts", "_hash")
    _conditions: int
    _facts: Facts
    _hash: int

    @property
    def own(self) -> tuple[Any, ...]:
        """All fields but the arguments."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Composed) and _equal(self, other)

    def __hash__(self) -> int:
        if not hasattr(self, "_hash"):
            for node in _tree(self, _not_hashed):
                if isinstance(node, Composed):
                    object.__setattr__(node, "_hash", hash((type(node), node.own, *map(hash, children(node)))))
        return self._hash

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.own))})"  # expression_text writes the arguments

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_rows, (_rows(self),)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Composed):
    """A call of a built-in function (``sabotnb.expr.rules``); ``options`` are constants, sorted by name."""

    fn: str
    args: tuple[Node, ...]
    options: Options = ()

    @property
    def own(self) -> tuple[Any, ...]:
        return self.fn, self.options


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Apply(Composed):
    """A call of a user function. ``engine``: arrow (arrays), numba (values, compiled) or row (values)."""

    function: Function
    returns: pa.DataType
    engine: str
    args: tuple[Node, ...]

    @property
    def own(self) -> tuple[Any, ...]:
        return self.function, self.returns, self.engine


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Alias(Composed):
    """``arg`` under another name."""

    arg: Node
    name: str

    @property
    def own(self) -> tuple[Any, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Aggregated(Composed):
    """Aggregate ``fn`` of ``arg`` (None: of whole rows) over the rows of a group, ordered by ``by``.

    Only ``agg`` computes it; ``expression_rewrite.without_aggregates`` replaces it by the column with the result.
    """

    fn: str
    arg: Node | None = None
    by: Node | None = None
    options: Options = ()
    function: Function | None = None

    @property
    def own(self) -> tuple[Any, ...]:
        return self.fn, self.options, self.function, self.arg is not None, self.by is not None


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


def with_children(node: Node, below: tuple[Node, ...]) -> Node:
    """``node`` with other arguments; the same object if they are the same objects."""
    if all(new is old for new, old in zip(below, children(node), strict=True)):
        return node
    return _composed(type(node), node.own, below) if isinstance(node, Composed) else node


def walk(node: Node) -> Iterator[Node]:
    """``node`` and everything below it, each object once, parents first, left to right."""
    waiting, met = [node], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) not in met:
            met.add(id(node))
            yield node
            waiting.extend(reversed(children(node)))


def facts_of(node: Node) -> Facts:
    """The columns and user functions of a tree, stored in its root: parts with stored facts are not walked again."""
    if isinstance(node, Column):
        return Facts(frozenset((node.name,)))
    if not isinstance(node, Composed):
        return Facts()
    if not hasattr(node, "_facts"):
        columns: set[str] = set()
        functions: dict[str, Function] = {}
        waiting, met = [node], set[int]()
        while waiting:
            part: Any = waiting.pop()
            if id(part) in met:
                continue
            met.add(id(part))
            if isinstance(part, Apply):
                functions.setdefault(part.function.sha256, part.function)
            if isinstance(part, Composed) and not hasattr(part, "_facts"):
                waiting.extend(reversed(children(part)))  # type: ignore[arg-type]
                continue
            known = facts_of(part)
            columns |= known.columns
            functions = {**functions, **{f.sha256: f for f in known.functions if f.sha256 not in functions}}
        object.__setattr__(node, "_facts", Facts(frozenset(columns), tuple(functions.values())))
    return node._facts  # noqa: SLF001  of a class of this module


def root_column(node: Node) -> str | None:
    """The name of the first column that ``node`` reads; None for a constant."""
    return next((part.name for part in walk(node) if isinstance(part, Column)), None)


def _tree(root: Any, below: Callable[[Node], tuple[Node, ...]]) -> list[Node]:
    """``bottom_up`` from a node whose type is only known to be ``Composed``."""
    return bottom_up((root,), below)


def _not_hashed(node: Node) -> tuple[Node, ...]:
    return () if hasattr(node, "_hash") else children(node)


def _equal(one: Any, other: Any) -> bool:
    """True for equal trees. Each pair of nodes is compared once, or shared parts would take exponential time."""
    waiting: list[tuple[Any, Any]] = [(one, other)]
    met: set[tuple[int, int]] = set()
    while waiting:
        left, right = waiting.pop()
        key = id(left), id(right)
        if left is right or key in met:
            continue
        met.add(key)
        if not isinstance(left, Composed):
            if left != right:
                return False
        elif type(left) is not type(right) or left.own != right.own:
            return False
        else:
            below, others = children(left), children(right)  # type: ignore[arg-type]
            if len(below) != len(others):
                return False
            waiting.extend(zip(below, others, strict=True))
    return True


def _rows(root: Composed) -> list[Any]:
    """The tree as a flat list for pickle: a leaf as it is, others as class, own fields and indexes of arguments."""
    order = _tree(root, children)
    place = {id(node): number for number, node in enumerate(order)}
    return [
        (type(node), node.own, tuple(place[id(part)] for part in children(node)))
        if isinstance(node, Composed)
        else node
        for node in order
    ]


def _from_rows(rows: list[Any]) -> Node:
    made: list[Any] = []
    for row in rows:
        made.append(_composed(row[0], row[1], tuple(made[place] for place in row[2])) if type(row) is tuple else row)
    return made[-1]  # type: ignore[no-any-return]


def _composed(kind: type[Composed], own: tuple[Any, ...], below: tuple[Node, ...]) -> Node:
    if kind is Call:
        return Call(own[0], below, own[1])
    if kind is Apply:
        return Apply(own[0], own[1], own[2], below)
    if kind is Alias:
        return Alias(below[0], own[0])
    fn, options, function, has_arg, has_by = own
    return Aggregated(fn, below[0] if has_arg else None, below[-1] if has_by else None, options, function)
