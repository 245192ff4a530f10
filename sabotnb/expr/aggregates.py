"""The table of aggregates: which types each takes and returns. The graph checks by it, ``state`` computes by it.

Nulls are as in SQL: every aggregate of a column skips them, except ``first``, ``last``, ``arg_min``, ``arg_max`` (which
skip rows whose order is null and may return a null value) and ``collect_list`` (which keeps them). Over no values an
aggregate is null, a count is 0, and a list is empty.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from sabotnb.blobs import Function
from sabotnb.errors import SchemaError, TypeMismatch
from sabotnb.native import canonical, is_ordered, known_orders, one_order, plain_type, with_known_orders

Options = Mapping[str, Any]


class AggregateLike(Protocol):
    """The read-only fields of ``graph.AggregateColumn`` that this table needs; ``expr`` does not import ``graph``."""

    @property
    def name(self) -> str: ...
    @property
    def fn(self) -> str: ...
    @property
    def column(self) -> str | None: ...
    @property
    def by(self) -> str | None: ...
    @property
    def options(self) -> Options: ...
    @property
    def function(self) -> Function | None: ...


class Aggregator(Protocol):
    """The class that users pass to ``sb.aggregate``: one instance per key, made without arguments, picklable.

    The class attribute ``returns`` is the Arrow type of ``result()``.
    """

    returns: pa.DataType

    def update(self, values: pa.Array) -> None:
        """Add the values of one key in one batch (nulls included, never empty)."""

    def merge(self, other: Aggregator) -> None:
        """Add the values that ``other``, of the same class and key, has seen."""

    def result(self) -> Any:
        """Return the value for this key; None is null."""


def value_type(data_type: pa.DataType) -> pa.DataType:
    """The plain type of values in dictionaries and views, which Arrow cannot ``take`` from; aggregates return it."""
    plain = plain_type(data_type)
    if pa.types.is_string_view(plain):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(plain) else plain


def keeps_order(fn: str) -> bool:
    """True for aggregates that return values of their column, so that an ordered dictionary stays one."""
    return fn in ("top_k", "collect_list") or (fn in RULES and RULES[fn].gives is _same)


def _taken_type(fn: str, data_type: pa.DataType) -> pa.DataType:
    """The type of the values that ``fn`` takes from a column of ``data_type``."""
    return data_type if is_ordered(data_type) and keeps_order(fn) else value_type(data_type)


def _order_type(data_type: pa.DataType) -> pa.DataType:
    """The type of the values of an order column."""
    return data_type if is_ordered(data_type) else value_type(data_type)


def _is_number(data_type: pa.DataType) -> bool:
    types = pa.types
    return any(is_it(data_type) for is_it in (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean))


def _is_ordered(data_type: pa.DataType) -> bool:
    return not pa.types.is_nested(data_type) and not isinstance(data_type, pa.BaseExtensionType)


def _sum_type(data_type: pa.DataType, _: Options) -> pa.DataType:
    if pa.types.is_floating(data_type):
        return pa.float64()
    if pa.types.is_decimal(data_type):
        return pa.decimal128(38, data_type.scale)
    if pa.types.is_duration(data_type) or pa.types.is_uint64(data_type):
        return data_type
    return pa.int64()


def _same(data_type: pa.DataType, _: Options) -> pa.DataType:
    return data_type


def _list_of(data_type: pa.DataType, _: Options) -> pa.DataType:
    return pa.list_(data_type)


def _always(data_type: pa.DataType) -> Callable[[pa.DataType, Options], pa.DataType]:
    return lambda _input, _options: data_type


def _declared(_: pa.DataType, options: Options) -> pa.DataType:
    return type_from_text(options["returns"])


def _always_takes(_: pa.DataType) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. ``parts`` names the fields of its mergeable form; it is empty if there is no cheap one."""

    takes: Callable[[pa.DataType], bool]
    gives: Callable[[pa.DataType, Options], pa.DataType]
    wants: str = ""
    parts: tuple[str, ...] = ()
    ordered_by: bool = False


_NUMBERS = "numbers"
_ORDERED = "values that have an order"
_VARIANCE = Rule(_is_number, _always(pa.float64()), _NUMBERS, ("count", "mean", "m2"))
_BY_ORDER = Rule(_always_takes, _same, parts=("value", "order"), ordered_by=True)
_QUANTILE = Rule(_is_number, _always(pa.float64()), _NUMBERS)
_EXTREME = Rule(_is_ordered, _same, _ORDERED, ("value",))

RULES: Mapping[str, Rule] = {
    "count": Rule(_always_takes, _always(pa.int64()), parts=("count",)),
    "sum": Rule(lambda t: _is_number(t) or pa.types.is_duration(t), _sum_type, "numbers or durations", ("sum",)),
    "mean": Rule(_is_number, _always(pa.float64()), _NUMBERS, ("total", "count")),
    "min": _EXTREME,
    "max": _EXTREME,
    "var": _VARIANCE,
    "std": _VARIANCE,
    "first": _BY_ORDER,
    "last": _BY_ORDER,
    "arg_min": _BY_ORDER,
    "arg_max": _BY_ORDER,
    "n_unique": Rule(canonical.can_be_key, _always(pa.int64()), "plain values (no lists or structs)", ("values",)),
    "approx_n_unique": Rule(canonical.can_be_key, _always(pa.int64()), "plain values (no lists or structs)"),
    "quantile": _QUANTILE,
    "approx_quantile": _QUANTILE,
    "top_k": Rule(_always_takes, _list_of),
    "collect_list": Rule(_always_takes, _list_of),
    "custom": Rule(_always_takes, _declared),
}
"""Options: ``ddof`` (var, std; default 1), ``q`` in [0, 1] (quantiles), ``k`` and ``reverse`` (top_k), ``returns``
(custom: a type as ``type_to_text`` writes it). ``arg_min`` is the value where ``by`` is smallest."""

MADE_OF = b"made of"
"""Metadata of a state column: the type of its aggregate's ``hidden_source``, as text."""


def _rule(fn: str) -> Rule:
    rule = RULES.get(fn)
    if rule is None:
        raise SchemaError(f"there is no aggregate {fn!r}; there are: {', '.join(RULES)}")
    return rule


def result_type(fn: str, input_type: pa.DataType | None, options: Options | None = None) -> pa.DataType:
    """Return the type of ``fn`` over a column of ``input_type`` (None for ``count()`` of rows).

    Raises:
        TypeMismatch: the aggregate does not take this type.
        SchemaError: there is no such aggregate, or it needs a column.
    """
    rule = _rule(fn)
    if input_type is None:
        if fn != "count":
            raise SchemaError(f"{fn} needs a column: col('x').{fn}()")
        return pa.int64()
    plain = _taken_type(fn, input_type)
    if not rule.takes(plain):
        raise TypeMismatch(f"{fn} takes {rule.wants}, not {plain}; cast the column first or leave it out")
    return rule.gives(plain, options or {})


def _fits_word(data_type: pa.DataType) -> bool:
    """True for values of at most 64 bits: their accumulators have a fixed width."""
    types = pa.types
    number = types.is_integer(data_type) or types.is_floating(data_type) or types.is_boolean(data_type)
    return bool(is_ordered(data_type) or number or (types.is_temporal(data_type) and not types.is_interval(data_type)))


def is_text_or_bytes(data_type: pa.DataType) -> bool:
    """True for strings and binaries in every layout, not for dictionaries of them."""
    types = pa.types
    strings = types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type)
    binaries = types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_binary_view(data_type)
    return bool(strings or binaries or types.is_fixed_size_binary(data_type))


def _shrinks(rule: Rule, source: pa.DataType | None, by_type: pa.DataType | None) -> bool:
    """True if a partial aggregate makes a batch smaller without sorting it."""
    if not rule.parts:
        return False
    if rule.ordered_by:
        sortable = by_type is not None and _fits_word(_order_type(by_type))
        return sortable and source is not None and (_fits_word(source) or is_text_or_bytes(source))
    if rule is _EXTREME and source is not None:
        return (
            _fits_word(source) or is_text_or_bytes(source) or (pa.types.is_decimal(source) and source.precision <= 38)
        )
    return True


def partial_fields(
    name: str,
    fn: str,
    input_type: pa.DataType | None,
    options: Options | None = None,
    by_type: pa.DataType | None = None,
) -> list[pa.Field] | None:
    """The mergeable columns of one aggregate, or None if it has no cheap ones.

    ``by_type`` is the type of the order column. Aggregates that need an order have no partial form without it.
    """
    rule = _rule(fn)
    given = result_type(fn, input_type, options)
    source = None if input_type is None else _taken_type(fn, input_type)
    if not _shrinks(rule, source, by_type):
        return None
    types = {"count": pa.int64(), "sum": given, "total": pa.float64(), "mean": pa.float64(), "m2": pa.float64()}
    types |= {"value": given, "order": _order_type(by_type) if by_type is not None else pa.null()}
    types["values"] = pa.list_(source) if source is not None else pa.null()
    return [pa.field(f"{name}:{part}", types[part]) for part in rule.parts]


def _type_of(column: str | None, schema: pa.Schema) -> pa.DataType | None:
    return None if column is None else schema.field(column).type


def result_schema(keys: Sequence[str], columns: Sequence[AggregateLike], schema: pa.Schema) -> pa.Schema:
    """The schema of a result: the keys with their input types, then one column per aggregate.

    Raises:
        SchemaError: as ``result_type``, or an aggregate lacks the order that it needs.
    """
    fields = [schema.field(key) for key in keys]
    for key in fields:
        one_order([(key.name, known_orders(key))])
    for column in columns:
        if _rule(column.fn).ordered_by and column.by is None:
            raise SchemaError(f"{column.fn} of {column.column!r} needs an order: give by= or an event time")
        input_type = _type_of(column.column, schema)
        given = pa.field(column.name, result_type(column.fn, input_type, column.options))
        orders = [(name, known_orders(schema.field(name))) for name in (column.column, column.by) if name is not None]
        for read in orders:
            one_order([read])
        fields.append(with_known_orders(given, orders[0][1]) if orders else given)
    return pa.schema(fields)


def partial_schema(keys: Sequence[str], columns: Sequence[AggregateLike], schema: pa.Schema) -> pa.Schema | None:
    """The schema between the PARTIAL and FINAL phase, or None if an aggregate has no partial form."""
    fields = [schema.field(key) for key in keys]
    for column in columns:
        by_type = _type_of(column.by, schema)
        parts = partial_fields(column.name, column.fn, _type_of(column.column, schema), column.options, by_type)
        if parts is None:
            return None
        fields.extend(parts)
    return pa.schema(fields)


def hidden_source(column: AggregateLike, schema: pa.Schema) -> pa.DataType | None:
    """The type of the values that an aggregate is made of, if the types of its state do not show it; otherwise None."""
    if column.column is None:
        return None
    source = value_type(schema.field(column.column).type)
    hidden = column.fn == "approx_n_unique" or (column.fn == "sum" and pa.types.is_duration(source))
    return source if hidden else None


def type_to_text(data_type: pa.DataType) -> str:
    """Write an Arrow type as text that JSON can hold (an Arrow IPC schema in base64)."""
    return base64.b64encode(pa.schema([pa.field("", data_type)]).serialize()).decode()


def type_from_text(text: str) -> pa.DataType:
    """Read what ``type_to_text`` wrote."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text))).field(0).type
