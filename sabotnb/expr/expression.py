"""``Expr`` and ``col``: the expressions that users write. They build a tree and compute nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn
from typing import Literal as OneOf

import pyarrow as pa

from sabotnb.blobs import call_site
from sabotnb.errors import InvalidUse, TypeMismatch
from sabotnb.expr.arguments import column_label, ddof_of, fraction, whole
from sabotnb.expr.expression_nodes import RANGE_ENDS, Aggregated, Alias, Call, Column, Literal, Node, root_column
from sabotnb.expr.expression_rewrite import aggregates_of
from sabotnb.expr.expression_text import text
from sabotnb.expr.literals import list_literal, literal_of
from sabotnb.expr.method_options import checked
from sabotnb.expr.namespaces import ListMethods, StructMethods, TextMethods, TimeMethods
from sabotnb.expr.types import type_of
from sabotnb.extras import demand
from sabotnb.foreign import Hinted, explained_methods

Name = str  # inside Expr, `str` is a namespace


@explained_methods
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Expr(Hinted):
    """A typed expression over the columns of a stream; immutable.

    ``==`` and other comparisons build expressions; to test whether two expressions are equal, compare their ``node``.
    Nulls are as in SQL: operations on null return null, ``&`` and ``|`` are three-valued, and a filter drops null.
    """

    node: Node

    def __repr__(self) -> str:
        return text(self.node)

    def __hash__(self) -> int:
        return hash(self.node)

    def _hint_columns(self) -> tuple[Name | None, None]:
        return root_column(self.node), None

    # Python cannot overload `and`, `or`, `not`, `in` and chained comparisons, so these raise and say what to write

    def __bool__(self) -> NoReturn:
        raise TypeMismatch(
            f"{self} is a column of truths, not one truth: write & | ~ instead of and, or, not, with comparisons in "
            "parentheses: (col('x') > 1) & (col('y') < 2); instead of a < x < b write x.is_between(a, b)"
        )

    def __contains__(self, item: object) -> NoReturn:
        raise TypeMismatch(f"write {self}.is_in([...]), or {self}.str.contains({item!r}) for a part of a text")

    def __iter__(self) -> NoReturn:
        raise TypeMismatch(f"{self} has no rows to go through here; run the stream and iterate over that")

    def __getitem__(self, key: Any) -> NoReturn:
        if isinstance(key, Name):
            raise InvalidUse(f"{self} has no [...]; a field of a struct is {self}.struct.field({key!r})")
        raise InvalidUse(f"{self} has no [...]; of a list write {self}.list.get(0), of text {self}.str.slice(0, 2)")

    def __len__(self) -> NoReturn:
        raise InvalidUse(f"{self} has no length here; write {self}.str.len(), {self}.list.len() or sb.count()")

    # arithmetic

    def __add__(self, other: Any) -> Expr:
        return self._with("add", other)

    def __radd__(self, other: Any) -> Expr:
        return as_expr(other)._with("add", self)

    def __sub__(self, other: Any) -> Expr:
        return self._with("subtract", other)

    def __rsub__(self, other: Any) -> Expr:
        return as_expr(other)._with("subtract", self)

    def __mul__(self, other: Any) -> Expr:
        return self._with("multiply", other)

    def __rmul__(self, other: Any) -> Expr:
        return as_expr(other)._with("multiply", self)

    def __truediv__(self, other: Any) -> Expr:
        return self._with("divide", other)

    def __rtruediv__(self, other: Any) -> Expr:
        return as_expr(other)._with("divide", self)

    def __floordiv__(self, other: Any) -> Expr:
        return self._with("floor_divide", other)

    def __rfloordiv__(self, other: Any) -> Expr:
        return as_expr(other)._with("floor_divide", self)

    def __mod__(self, other: Any) -> Expr:
        return self._with("modulo", other)

    def __rmod__(self, other: Any) -> Expr:
        return as_expr(other)._with("modulo", self)

    def __pow__(self, other: Any) -> Expr:
        return self._with("power", other)

    def __rpow__(self, other: Any) -> Expr:
        return as_expr(other)._with("power", self)

    def __neg__(self) -> Expr:
        return self._call("negate")

    def __abs__(self) -> Expr:
        return self.abs()

    def __pos__(self) -> Expr:
        return self

    def __round__(self, decimals: int | None = None) -> Expr:
        return self.round(decimals or 0)

    def __floor__(self) -> Expr:
        return self.floor()

    def __ceil__(self) -> Expr:
        return self.ceil()

    # comparison and logic

    def __eq__(self, other: object) -> Expr:  # type: ignore[override]
        return self._compared("equal", other, "is_null")

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]
        return self._compared("not_equal", other, "is_not_null")

    def __lt__(self, other: Any) -> Expr:
        return self._compared("less", other, "is_null")

    def __le__(self, other: Any) -> Expr:
        return self._compared("less_equal", other, "is_null")

    def __gt__(self, other: Any) -> Expr:
        return self._compared("greater", other, "is_null")

    def __ge__(self, other: Any) -> Expr:
        return self._compared("greater_equal", other, "is_null")

    def __and__(self, other: Any) -> Expr:
        return self._with("and", other)

    def __rand__(self, other: Any) -> Expr:
        return as_expr(other)._with("and", self)

    def __or__(self, other: Any) -> Expr:
        return self._with("or", other)

    def __ror__(self, other: Any) -> Expr:
        return as_expr(other)._with("or", self)

    def __invert__(self) -> Expr:
        return self._call("not")

    # nulls, ranges, choices

    def is_null(self) -> Expr:
        """True where the value is null; NaN is not null."""
        return self._call("is_null")

    def is_not_null(self) -> Expr:
        """True where the value is not null."""
        return self._call("is_not_null")

    def is_nan(self) -> Expr:
        """True where the value is NaN, null where it is null."""
        return self._call("is_nan")

    def is_finite(self) -> Expr:
        """True where the value is neither NaN nor infinite, null where it is null."""
        return self._call("is_finite")

    def fill_null(self, value: Any) -> Expr:
        """Replace null by ``value``, a constant or an expression of the same row."""
        return self._with("coalesce", value)

    def is_in(self, values: Iterable[Any]) -> Expr:
        """True where the value is in ``values``. As in SQL: null for null, and never false if ``values`` has a null."""
        if isinstance(values, Expr):
            raise TypeMismatch(f"is_in takes a list of values, not a column; compare the two: {self} == {values}")
        if hasattr(values, "to_job_graph"):
            raise TypeMismatch("is_in takes a list of values, not a stream; join it: .join(other, on=..., how='semi')")
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise TypeMismatch(f"is_in takes a list of values, not {values!r}; write is_in([{values!r}])")
        return Expr(Call("is_in", (self.node, list_literal(values))))

    def is_between(self, lower: Any, upper: Any, closed: OneOf["both", "left", "right", "none"] = "both") -> Expr:
        """True where the value is between the bounds; ``closed`` says which bounds are included."""
        if closed not in RANGE_ENDS:
            raise TypeMismatch(f"closed is 'both', 'left', 'right' or 'none', not {closed!r}")
        return self._call("is_between", lower, upper, closed=closed)

    def cast(self, to: Any) -> Expr:
        """Convert to ``to`` (``"int64"``, ``float``, ``pa.date32()``); a value that does not fit raises at run time."""
        return self._call("cast", type=type_of(to))

    # numbers

    def abs(self) -> Expr:
        """Absolute value."""
        return self._call("abs")

    def round(self, decimals: int = 0) -> Expr:
        """Round to ``decimals`` digits after the point; halves go to the even neighbour."""
        return self._call("round", decimals=decimals)

    def floor(self) -> Expr:
        """Round down to a whole number; the type stays."""
        return self._call("floor")

    def ceil(self) -> Expr:
        """Round up to a whole number; the type stays."""
        return self._call("ceil")

    def sqrt(self) -> Expr:
        """Square root, as double; NaN for a negative number."""
        return self._call("sqrt")

    def exp(self) -> Expr:
        """Exponential (e to the power of the value), as double."""
        return self._call("exp")

    def log(self, base: float | None = None) -> Expr:
        """Logarithm to ``base`` (natural by default), as double; NaN for a negative number."""
        return self._call("log", base=base)

    def clip(self, lower: Any = None, upper: Any = None) -> Expr:
        """Limit the value to ``lower`` and ``upper``; None sets no limit."""
        return self._call("clip", lower, upper)

    # namespaces and names

    @property
    def str(self) -> TextMethods[Expr]:
        """Methods of text."""
        return TextMethods(self.node, Expr)

    @property
    def dt(self) -> TimeMethods[Expr]:
        """Methods of dates, timestamps and durations."""
        return TimeMethods(self.node, Expr)

    @property
    def struct(self) -> StructMethods[Expr]:
        """Methods of structs."""
        return StructMethods(self.node, Expr)

    @property
    def list(self) -> ListMethods[Expr]:
        """Methods of lists."""
        return ListMethods(self.node, Expr)

    def alias(self, name: Name) -> Expr:
        """The same expression under another name."""
        return Expr(Alias(self.node, column_label(name)))

    # aggregates: see sabotnb.expr.aggregates for types and nulls

    def count(self) -> Aggregation:
        """Number of values that are not null."""
        return self._aggregate("count")

    def sum(self) -> Aggregation:
        """Sum; null if there are no values."""
        return self._aggregate("sum")

    def mean(self) -> Aggregation:
        """Arithmetic mean, as double."""
        return self._aggregate("mean")

    def min(self) -> Aggregation:
        """Smallest value."""
        return self._aggregate("min")

    def max(self) -> Aggregation:
        """Largest value; NaN is larger than any number."""
        return self._aggregate("max")

    def std(self, ddof: int = 1) -> Aggregation:
        """Standard deviation of a sample; of the population with ``ddof=0``."""
        return self._aggregate("std", ddof=ddof_of(ddof))

    def var(self, ddof: int = 1) -> Aggregation:
        """Variance of a sample; of the population with ``ddof=0``."""
        return self._aggregate("var", ddof=ddof_of(ddof))

    def first(self, by: Any = None) -> Aggregation:
        """The value in the row with the smallest ``by`` (default: the event time); the smallest value of equal rows."""
        return self._aggregate("first", by)

    def last(self, by: Any = None) -> Aggregation:
        """The value in the row with the largest ``by`` (default: the event time); the smallest value of equal rows."""
        return self._aggregate("last", by)

    def n_unique(self) -> Aggregation:
        """Number of distinct values that are not null."""
        return self._aggregate("n_unique")

    def approx_n_unique(self) -> Aggregation:
        """Approximate number of distinct values, in bounded memory."""
        demand("datasketches", "approx_n_unique()")
        return self._aggregate("approx_n_unique")

    def quantile(self, q: float) -> Aggregation:
        """Exact quantile (0 <= q <= 1), interpolated linearly between neighbours."""
        return self._aggregate("quantile", q=fraction(q))

    def approx_quantile(self, q: float) -> Aggregation:
        """Approximate quantile (0 <= q <= 1), in bounded memory."""
        demand("datasketches", "approx_quantile()")
        return self._aggregate("approx_quantile", q=fraction(q))

    def arg_min(self, by: Any) -> Aggregation:
        """The value in the row with the smallest ``by``."""
        return self._aggregate("arg_min", by)

    def arg_max(self, by: Any) -> Aggregation:
        """The value in the row with the largest ``by``."""
        return self._aggregate("arg_max", by)

    def top_k(self, k: int, by: Any = None, *, reverse: bool = False) -> Aggregation:
        """A list of the ``k`` largest values, or of those with the largest ``by``; the smallest if ``reverse``."""
        wrong = TypeMismatch(f"top_k takes a whole number of at least 1, not {k!r}; write .top_k(3)")
        return self._aggregate("top_k", by, k=whole(k, wrong, 1), reverse=reverse)

    def collect_list(self) -> Aggregation:
        """A list of all values, nulls included, in no particular order."""
        return self._aggregate("collect_list")

    def _with(self, fn: Name, other: Any) -> Expr:
        return Expr(Call(fn, (self.node, as_expr(other).node)))

    def _call(self, fn: Name, *others: Any, **options: Any) -> Expr:
        return Expr(Call(fn, (self.node, *(as_expr(other).node for other in others)), checked(fn, options)))

    def _compared(self, fn: Name, other: Any, instead: Name) -> Expr:
        if other is None:
            raise TypeMismatch(
                f"comparing with None is never true, because nulls are unknown; write {self}.{instead}()"
            )
        return self._with(fn, other)

    def _aggregate(self, fn: Name, by: Any = None, **options: Any) -> Aggregation:
        order = as_column(by).node if by is not None else None
        return Aggregation(Aggregated(fn, _per_row(self.node, fn), order, tuple(sorted(options.items()))))


class Aggregation(Expr):
    """An aggregate: one value per group. ``agg`` takes it, alone or inside a calculation."""

    __slots__ = ()


def column(name: str) -> Expr:
    """The column ``name``. Keeps the line that it is written in, for error messages."""
    if not isinstance(name, str):
        raise TypeMismatch(f"col takes the name of a column, not {name!r}; for a constant write lit({name!r})")
    return Expr(Column(name, call_site(name)))


def as_expr(value: Any) -> Expr:
    """``value`` as an expression: an expression as it is, other values as a literal, None as a null literal."""
    if isinstance(value, Expr):
        return value
    if value is None:
        return Expr(Literal(None, pa.null()))
    return Expr(literal_of(value))


def as_column(value: Any) -> Expr:
    """``value`` as an expression; a string is the name of a column."""
    return column(value) if isinstance(value, str) else as_expr(value)


def _per_row(node: Node, fn: str) -> Node:
    """Return ``node``; refuse it if it is computed from aggregates already."""
    if inner := aggregates_of(node):
        raise TypeMismatch(
            f"{fn} of {Expr(inner[0])} is an aggregate of an aggregate; aggregate twice: "
            ".group_by('key').agg(x=...).agg(y=...)"
        )
    return node
