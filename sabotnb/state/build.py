"""Choose and create the implementation of an aggregate from its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from sabotnb.blobs import Function
from sabotnb.errors import SchemaError, TypeMismatch
from sabotnb.expr import AggregateLike, is_text_or_bytes, result_type, value_type
from sabotnb.native import Slots
from sabotnb.state.custom import UserClass
from sabotnb.state.fixed_width import ByOrder, Count, Extreme, FixedAggregate, Mean, Sum, Variance
from sabotnb.state.objects import Objects
from sabotnb.state.retention import Direction, Retention
from sabotnb.state.sketches import DistinctSketch, QuantileSketch
from sabotnb.state.slot_ranges import SlotRange
from sabotnb.state.text_aggregates import TextAggregate
from sabotnb.state.unique import Unique
from sabotnb.state.value_aggregates import ORDER, VALUE, ValueAggregates, as_lists, only, quantile
from sabotnb.state.values import has_order_words, kernel_type

UP, DOWN = Direction.UP, Direction.DOWN


class FrozenColumns(Protocol):
    """The frozen state of one aggregate in some key groups; may be read from any thread."""

    def state(self, span: SlotRange) -> list[pa.Array]:
        """The state columns of the slots of ``span``."""
        ...

    def release(self, group: int) -> None:
        """Drop what only ``group`` needs."""


class VariableWidthAggregate(Protocol):
    """An aggregate that stores its state itself, of any size per key; it is exported in columns of ``state_types``."""

    @property
    def state_types(self) -> Sequence[pa.DataType]:
        """Types of the columns that a frozen state returns and ``merge`` takes."""
        ...

    def update(self, slots: Slots, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch; frozen views do not change."""

    def merge(self, slots: Slots, parts: Sequence[pa.Array]) -> None:
        """Merge state columns; frozen views do not change."""

    def freeze(self, groups: Sequence[int]) -> FrozenColumns:
        """A view of ``groups`` as they are now; does not copy state that may be large."""
        ...

    def result(self, spans: Sequence[SlotRange]) -> pa.Array:
        """The values of the aggregate for the slots of ``spans``."""
        ...

    def drop(self, group: int) -> None:
        """Remove the state of ``group``."""

    def nbytes(self, group: int) -> int:
        """Memory that ``group`` holds."""
        ...

    def held(self) -> int:
        """Approximate bytes of all groups; must not visit each value and must not change anything."""
        ...


class MergeableAggregate(VariableWidthAggregate, Protocol):
    """An aggregate whose state columns are the mergeable columns of ``expr.aggregates.partial_fields``."""

    def lone(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The mergeable columns of a batch, one row for each of its rows."""
        ...


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An aggregate with the plain types of the columns that it reads and of its result."""

    name: str
    fn: str
    by: str | None
    options: Mapping[str, Any]
    function: Function | None
    source: pa.DataType
    by_type: pa.DataType | None
    gives: pa.DataType
    groups: int

    @property
    def last(self) -> bool:
        """True if the aggregate selects the largest order or value."""
        return self.fn in ("max", "last", "arg_max")


def fixed(column: AggregateLike, schema: pa.Schema) -> FixedAggregate | None:
    """The fixed-width implementation of ``column`` over batches of ``schema``; None if there is none."""
    if column.fn == "count":
        return Count(column.column)
    make = _FIXED.get(column.fn)
    return None if make is None else make(_wanted(column, schema))


def loose(column: AggregateLike, schema: pa.Schema, groups: int) -> VariableWidthAggregate:
    """The implementation of an aggregate that has no ``fixed`` form.

    Raises:
        SchemaError: first, last, arg_min or arg_max without an order.
        TypeMismatch: top_k of values that have no order, without ``by``.
        ModuleMissing: a sketch without the datasketches package.
    """
    return _LOOSE[column.fn](_wanted(column, schema, groups))


def _wanted(column: AggregateLike, schema: pa.Schema, groups: int = 1) -> _Wanted:
    if column.column is None:
        raise SchemaError(f"{column.fn} needs a column: col('x').{column.fn}()")
    source = value_type(schema.field(column.column).type)
    by_type = None if column.by is None else value_type(schema.field(column.by).type)
    gives = result_type(column.fn, source, column.options)
    given = (column.column, column.fn, column.by, column.options, column.function)
    return _Wanted(*given, source, by_type, gives, groups)


def _variance(wanted: _Wanted) -> FixedAggregate:
    return Variance(wanted.name, int(wanted.options.get("ddof", 1)), root=wanted.fn == "std")


def _extreme(wanted: _Wanted) -> FixedAggregate | None:
    return None if kernel_type(wanted.source) is None else Extreme(wanted.name, wanted.gives, largest=wanted.last)


def _by_order(wanted: _Wanted) -> FixedAggregate | None:
    if wanted.by is None or wanted.by_type is None:
        raise SchemaError(f"{wanted.fn} of {wanted.name!r} needs an order: give by= or an event time")
    if not has_order_words(wanted.source) or not has_order_words(wanted.by_type):
        return None
    return ByOrder(wanted.name, wanted.by, wanted.gives, wanted.by_type, last=wanted.last)


def _collected(
    wanted: _Wanted, keep: Retention, finish: Callable[[pa.Array, np.ndarray], pa.Array], *, nulls: bool = False
) -> VariableWidthAggregate:
    """Store values. Leave out rows without an order or, without ``by``, rows without a value unless ``nulls`` count."""
    if wanted.by is None or wanted.by_type is None:
        return ValueAggregates([wanted.name], [wanted.source], keep, None if nulls else VALUE, finish)
    return ValueAggregates([wanted.name, wanted.by], [wanted.source, wanted.by_type], keep, ORDER, finish)


def _best_value(wanted: _Wanted) -> VariableWidthAggregate:
    if is_text_or_bytes(wanted.source):
        return TextAggregate(wanted.name, None, (wanted.gives, None), last=wanted.last, groups=wanted.groups)
    return _collected(wanted, Retention(1, ((VALUE, DOWN if wanted.last else UP),)), only)


def _best_order(wanted: _Wanted) -> VariableWidthAggregate:
    if is_text_or_bytes(wanted.source) and wanted.by_type is not None and has_order_words(wanted.by_type):
        types = (wanted.gives, wanted.by_type)
        return TextAggregate(wanted.name, wanted.by, types, last=wanted.last, groups=wanted.groups)
    return _collected(wanted, Retention(1, ((ORDER, DOWN if wanted.last else UP), (VALUE, UP))), only)


def _quantile(wanted: _Wanted) -> VariableWidthAggregate:
    return ValueAggregates(
        [wanted.name], [pa.float64()], Retention(order=((VALUE, UP),)), VALUE, quantile(_share(wanted))
    )


def _top_k(wanted: _Wanted) -> VariableWidthAggregate:
    best = UP if wanted.options.get("reverse") else DOWN
    limit = int(wanted.options["k"])
    if wanted.by is not None:
        return _collected(wanted, Retention(limit, ((ORDER, best), (VALUE, UP))), as_lists)
    if pa.types.is_nested(wanted.source):
        raise TypeMismatch(f"top_k of {wanted.name!r} needs an order, {wanted.source} has none; give by=")
    return _collected(wanted, Retention(limit, ((VALUE, best),)), as_lists)


def _list(wanted: _Wanted) -> VariableWidthAggregate:
    return _collected(wanted, Retention(order=((ORDER, UP),) if wanted.by else ()), as_lists, nulls=True)


def _custom(wanted: _Wanted) -> VariableWidthAggregate:
    if wanted.function is None:
        raise SchemaError(f"the aggregate of {wanted.name!r} has no class; make it by sb.aggregate(cls)")
    return Objects(wanted.name, UserClass(wanted.function, wanted.gives))


def _share(wanted: _Wanted) -> float:
    q = float(wanted.options["q"])
    if not 0 <= q <= 1:
        raise SchemaError(f"a quantile is between 0 and 1, not {q}")
    return q


_FIXED: Mapping[str, Callable[[_Wanted], FixedAggregate | None]] = {
    "sum": lambda wanted: Sum(wanted.name, wanted.gives),
    "mean": lambda wanted: Mean(wanted.name),
    "min": _extreme,
    "max": _extreme,
    "var": _variance,
    "std": _variance,
    "first": _by_order,
    "last": _by_order,
    "arg_min": _by_order,
    "arg_max": _by_order,
}

_LOOSE: Mapping[str, Callable[[_Wanted], VariableWidthAggregate]] = {
    "min": _best_value,
    "max": _best_value,
    "first": _best_order,
    "last": _best_order,
    "arg_min": _best_order,
    "arg_max": _best_order,
    "n_unique": lambda wanted: Unique(wanted.name, wanted.source, wanted.groups),
    "quantile": _quantile,
    "top_k": _top_k,
    "collect_list": _list,
    "approx_n_unique": lambda wanted: Objects(wanted.name, DistinctSketch()),
    "approx_quantile": lambda wanted: Objects(wanted.name, QuantileSketch(_share(wanted))),
    "custom": _custom,
}
