"""Verbs on groups of rows: aggregate, top, latest, reduce. Without keys, all rows are one group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sabotnb.api.stream_node import StreamPlan
from sabotnb.api.verbs import columns
from sabotnb.api.verbs.columns import Column, Named
from sabotnb.api.verbs.verb_options import Duration
from sabotnb.api.verbs.windows import Windowing, windowing
from sabotnb.blobs import capture, capture_value
from sabotnb.errors import DuplicateColumn, SchemaError
from sabotnb.expr import (
    Aggregated,
    Expr,
    aggregates,
    beside_aggregates,
    bind,
    col,
    column_name,
    known_column,
    root_column,
    root_name,
    same,
    unnamed,
    whole,
    without_aggregates,
)
from sabotnb.graph import Aggregate, AggregateColumn, Project, Reduce, Top, bound_columns
from sabotnb.native import without_order

UPDATE_EVERY = 1_000_000
"""Microseconds between updates of groups whose input is endless, unless ``named(update_every=...)`` says otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """A flow and the named expressions that it is grouped by (none: one group), in windows if there are any."""

    flow: StreamPlan
    keys: tuple[Named, ...] = ()
    windows: Windowing | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the keys."""
        return tuple(name for name, _ in self.keys)

    @property
    def names_of_results(self) -> tuple[str, ...]:
        """Names of the columns that results have in front: those of the window, then the keys."""
        bounds = () if self.windows is None else bound_columns(self.windows.shape)
        return (*bounds, *(name for name in self.names if name not in bounds))

    def applied(self, flow: StreamPlan, verb: Aggregate | Top | Reduce) -> StreamPlan:
        """``verb`` on ``flow``, in each window if there are windows; without an end it returns updates."""
        windows = self.windows
        if windows is not None:
            if isinstance(verb, Top) and (windows.lateness or windows.early or flow.type.key is not None):
                _demand_rank(verb, "windows that are corrected")
            return flow.then(windows.spec(verb, flow.type.key))
        if flow.type.bounded:
            return flow.then(verb)
        if isinstance(verb, Top):
            _demand_rank(verb, "an endless stream")
            return flow.then(replace(verb, every=UPDATE_EVERY, updated=flow.type.key))
        return flow.then(replace(verb, every=UPDATE_EVERY))

    def with_keys(self) -> StreamPlan:
        """The flow with every key as a column; a key must not replace a different column of its name."""
        if self._plain():
            return self.flow
        for name, expr in self.keys:
            if name in self.flow.schema.names and column_name(expr) != name:
                raise DuplicateColumn(f"key {name!r} = {expr} hides the column {name!r}; give the key another name")
        made = [(name, expr) for name, expr in self.keys if name not in self.flow.schema.names]
        kept = [(name, known_column(name)) for name in self.flow.schema.names]
        return self.flow.then(Project((*kept, *made), made=tuple(name for name, _ in made)))

    def _plain(self) -> bool:
        return all(column_name(expr) == name for name, expr in self.keys)


def _demand_rank(verb: Top, of: str) -> None:
    """Raise SchemaError if nothing tells which row each update replaces; rows that tie have one rank."""
    missing = [
        *(["add rank='rank'"] if verb.rank is None and (verb.n > 1 or verb.ties) else []),
        *(["leave out ties=True"] if verb.ties else []),
    ]
    if missing:
        raise SchemaError(
            f"top({verb.n}) of {of} returns updates, and a rank tells which row each replaces: {' and '.join(missing)}"
        )


def grouped(flow: StreamPlan, keys: Sequence[Column], keywords: Mapping[str, object]) -> Grouping:
    """Group by names and expressions."""
    named = columns.named(keys, keywords, flow.schema)
    if not named:
        raise SchemaError(f"group_by() has no key; the stream has: {', '.join(flow.schema.names)}")
    return Grouping(flow, named)


def windowed(grouping: Grouping, shape: Any, lateness: Duration, early: Duration | None) -> Grouping:
    """Divide the rows of each group by windows."""
    return replace(grouping, windows=windowing(grouping.flow, shape, lateness, early))


def aggregated(grouping: Grouping, exprs: Sequence[Expr], keywords: Mapping[str, Expr]) -> StreamPlan:
    """One row per key: the keys, then the aggregates.

    Expressions in keys and aggregates become columns of a projection before the operator, under unused names.
    Calculations with aggregates become a projection after it.
    """
    wanted = [(_aggregate_name(grouping, given), given) for given in columns.flat(exprs)]
    wanted += [(name, _aggregation(grouping, given)) for name, given in keywords.items()]
    if not wanted:
        raise SchemaError("agg() has no aggregate; give one: .agg(n=sb.count(), worst=col('x').max())")
    columns.refuse_duplicates([*grouping.names, *(name for name, _ in wanted)])
    _refuse_rows(grouping.names, wanted)
    made = _aggregates_of(grouping.names, wanted)
    inputs = _Inputs(grouping)
    specs = tuple(inputs.column(name, aggregate) for name, aggregate in made)
    flow = inputs.projected()
    flow = grouping.applied(flow, Aggregate(grouping.names, specs, flow.schema))
    if all(_plain_aggregate(expr) for _, expr in wanted):
        return flow
    names = {aggregate: name for name, aggregate in reversed(made)}
    results = [(name, without_aggregates(expr, names)) for name, expr in wanted]
    return flow.then(Project((*((key, known_column(key)) for key in grouping.names_of_results), *results)))


def _aggregates_of(keys: Sequence[str], wanted: Sequence[Named]) -> list[tuple[str, Aggregated]]:
    """The aggregates that ``wanted`` need, by the names of the columns that hold them."""
    plain = [(name, _plain_aggregate(expr)) for name, expr in wanted]
    made = [(name, aggregate) for name, aggregate in plain if aggregate is not None]
    held, taken = {aggregate for _, aggregate in made}, {*keys, *(name for name, _ in wanted)}
    for aggregate in (part for _, expr in wanted for part in aggregates(expr)):
        if aggregate not in held:
            called = aggregate.function.name if aggregate.function else aggregate.fn
            root = root_name(Expr(aggregate.arg)) if aggregate.arg is not None else None
            name = columns.free_name(f"{root}_{called}" if root else called, taken)
            made.append((name, aggregate))
            held.add(aggregate)
            taken.add(name)
    return made


def _refuse_rows(keys: Sequence[str], wanted: Sequence[Named]) -> None:
    """Raise SchemaError for a column outside aggregates that is not a key: it has many values per group."""
    for column in (part for _, expr in wanted for part in beside_aggregates(expr)):
        if column.name not in keys:
            read = f"col({column.name!r})"
            raise SchemaError(
                f"{read} has many values per group; aggregate it, {read}.max(), or make it a key: "
                f".group_by({column.name!r})"
            )


def _plain_aggregate(expr: Expr) -> Aggregated | None:
    """Return the aggregate if ``expr`` is one and calculates nothing with it; otherwise None."""
    node = unnamed(expr).node
    return node if isinstance(node, Aggregated) else None


class _Inputs:
    """The columns that aggregates read, collected while their specs are made."""

    def __init__(self, grouping: Grouping) -> None:
        self._flow = grouping.flow
        windows = grouping.windows
        read = () if windows is None else windows.columns
        _refuse_hidden({name: known_column(name) for name in read}, grouping)
        # Late rows have the columns of the input; the optimizer removes those that nothing reads.
        kept = grouping.flow.schema.names if windows is not None and windows.time is not None else read
        self._columns: dict[str, Expr] = {name: known_column(name) for name in kept}
        self._columns |= dict(grouping.keys)

    def column(self, name: str, given: Aggregated) -> AggregateColumn:
        """The spec of one aggregate over plain columns."""
        of = self._place(Expr(given.arg), name) if given.arg is not None else None
        order = Expr(given.by) if given.by is not None else self._event_time(given)
        by = self._place(order, f"{name}_by") if order is not None else None
        return AggregateColumn(name, given.fn, of, by, dict(given.options), given.function)

    def projected(self) -> StreamPlan:
        """The flow with all these columns; the flow itself if it has them as they are."""
        if all(column_name(expr) == name for name, expr in self._columns.items()):
            return self._flow
        made = tuple(name for name, expr in self._columns.items() if column_name(expr) != name)
        return self._flow.then(Project(tuple(self._columns.items()), made))

    def _event_time(self, given: Aggregated) -> Expr | None:
        if given.fn not in ("first", "last"):
            return None
        time = self._flow.event_time
        if time is None:
            raise SchemaError(
                f"{Expr(given)} goes by event time, and the stream has none: give an order, .{given.fn}(by='x')"
            )
        return col(time.column)

    def _place(self, expr: Expr, wanted: str) -> str:
        bind(expr, self._flow.schema)
        for name, known in self._columns.items():
            if same(known, expr):
                return name
        name = columns.free_name(column_name(expr) or wanted, self._columns)
        self._columns[name] = expr
        return name


def _refuse_hidden(read: Mapping[str, Expr], grouping: Grouping) -> None:
    """Raise DuplicateColumn for a key that hides a column which the windows read."""
    for name, expr in grouping.keys:
        if name in read and column_name(expr) != name:
            raise DuplicateColumn(
                f"key {name!r} = {expr} hides column {name!r}, which the window reads; rename the key"
            )


def top(grouping: Grouping, n: int, by: Column, *, reverse: bool, ties: bool, rank: str | None) -> StreamPlan:
    """The ``n`` rows of each key with the largest ``by``."""
    n = whole(n, SchemaError(f"top({n!r}): give a whole number of rows, at least 1"), 1)
    if rank is not None and not isinstance(rank, str):
        raise SchemaError(f"rank is {rank!r}; give the name of a new column, rank='rank'")
    flow = grouping.with_keys()
    expr = columns.as_expr(by)
    bind(expr, flow.schema)
    if rank is not None and rank in flow.schema.names:
        raise DuplicateColumn(f"rank={rank!r} is a column already; give it another name")
    plain = column_name(expr)
    if plain is not None:
        return grouping.applied(flow, Top(grouping.names, n, plain, reverse, ties, rank))
    order = columns.free_name("by", [*flow.schema.names, rank or ""])
    kept = [(name, known_column(name)) for name in flow.schema.names]
    ranked = grouping.applied(
        flow.then(Project((*kept, (order, expr)), made=(order,))), Top(grouping.names, n, order, reverse, ties, rank)
    )
    return ranked.then(Project(tuple((name, known_column(name)) for name in ranked.schema.names if name != order)))


def latest(grouping: Grouping, wanted: Sequence[Column]) -> StreamPlan:
    """The row of each key with the latest event time; the keys and these columns of it, or all."""
    time = grouping.flow.event_time
    if time is None:
        raise SchemaError("latest() goes by event time, and the stream has none: .with_event_time('column') before it")
    newest = top(grouping, 1, time.column, reverse=False, ties=False, rank=None)
    if not wanted:
        return newest
    chosen = dict.fromkeys((*grouping.names_of_results, *columns.names(wanted, newest.schema)))
    return newest.then(Project(tuple((name, known_column(name)) for name in chosen)))


def reduced(grouping: Grouping, fn: Callable[..., Any], init: Mapping[str, Any] | None) -> StreamPlan:
    """Reduce the rows of each key, two at a time, in any order."""
    flow = grouping.with_keys()
    if init is not None and not isinstance(init, Mapping):
        raise SchemaError(f"init={init!r} is not a row; pass the dict that each key starts with: init={{'n': 0}}")
    start = None if init is None else capture_value(init, "init of reduce")
    schema = without_order(flow.schema, grouping.names)
    return grouping.applied(flow, Reduce(grouping.names, capture(fn, "reduce"), schema, start))


def _aggregate_name(grouping: Grouping, given: object) -> str:
    name = root_name(_aggregation(grouping, given))
    if name is None:
        raise SchemaError(f"{given} has no name of its own; give it one: name={given}")
    return name


def _aggregation(grouping: Grouping, given: object) -> Expr:
    if isinstance(given, Expr) and aggregates(given):
        return given
    named: object
    if isinstance(given, Expr):
        named = root_column(given.node)
    else:
        named = next(iter(given), None) if isinstance(given, Mapping) else given
    column = named if named in grouping.flow.schema.names else "x"
    raise SchemaError(
        f"{given if isinstance(given, Expr) else repr(given)} is not an aggregate; choose one: "
        f"col({column!r}).sum(), .max(), .mean(), sb.count()"
    )
