"""``Stream`` and ``Grouped``: the fluent API. Methods add to a description; only those that say so run anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from sabotnb.api import views
from sabotnb.api.boundary import boundary, folding
from sabotnb.api.fluent.join_methods import JoinMethods
from sabotnb.api.fluent.one_class import one_class
from sabotnb.api.fluent.partition_methods import PartitionMethods
from sabotnb.api.fluent.result_methods import ResultMethods
from sabotnb.api.fluent.row_methods import RowMethods
from sabotnb.api.fluent.sink_methods import SinkMethods
from sabotnb.api.fluent.source_methods import SourceMethods
from sabotnb.api.fluent.stream_base import plan_of
from sabotnb.api.fluent.windowed import Windowed
from sabotnb.api.running.repeated_runs import check_runs
from sabotnb.api.stream_node import naming
from sabotnb.api.verbs import grouping, processing, row_verbs
from sabotnb.api.verbs.columns import Column
from sabotnb.api.verbs.grouping import Grouping
from sabotnb.api.verbs.verb_options import Duration
from sabotnb.errors import GraphError, InvalidUse
from sabotnb.expr import Expr
from sabotnb.foreign import Hinted
from sabotnb.graph import JobGraph, WindowShape
from sabotnb.operators import KeyedProcess


@boundary
@one_class
class Stream(SourceMethods, RowMethods, JoinMethods, PartitionMethods, SinkMethods, ResultMethods):
    """A description of rows: their source and the operators on them. Immutable; every verb returns a new stream.

    Columns and types are checked when a verb is called, so a mistake raises at the line that wrote it
    (ColumnNotFound, TypeMismatch, DuplicateColumn). Verbs that take columns have no option keywords, so a column may
    have any name: options of an operator go in ``named``.
    """

    __slots__ = ()

    # Grouping

    def group_by(self, *keys: Column, **named: Any) -> Grouped:
        """Group by columns and expressions; call ``agg``, ``top``, ``latest`` or ``reduce`` on the result.

        ``flights.group_by("carrier").agg(n=sb.count(), worst=col("delay").max())``
        """
        return Grouped(grouping.grouped(self.flow, keys, named))

    key_by = group_by

    def agg(self, *exprs: Expr, **named: Expr) -> Stream:
        """Aggregate all rows into one.

        ``flights.agg(n=sb.count(), mean=col("delay").mean())``
        """
        return Grouped(Grouping(self.flow)).agg(*exprs, **named)

    def top(
        self,
        n: int,
        by: Column,
        reverse: bool = False,
        ties: bool = False,
        rank: str | None = None,
    ) -> Stream:
        """Return the ``n`` rows with the largest ``by`` (smallest if ``reverse``); see ``Grouped.top``.

        ``flights.top(3, by="delay")``
        """
        return Grouped(Grouping(self.flow)).top(n, by, reverse, ties, rank)

    def window(self, shape: WindowShape, *, lateness: Duration = "0s", early: Duration | None = None) -> Windowed:
        """Divide all rows by windows; see ``Grouped.window``.

        ``flights.window(sb.tumbling("1h")).agg(n=sb.count())``
        """
        return Grouped(Grouping(self.flow)).window(shape, lateness=lateness, early=early)

    def latest(self, *columns: Column) -> Stream:
        """Return the row with the latest event time, with these columns or all."""
        return Grouped(Grouping(self.flow)).latest(*columns)

    def reduce(self, fn: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]], init: Any = None) -> Stream:
        """Reduce all rows to one; see ``Grouped.reduce``."""
        return Grouped(Grouping(self.flow)).reduce(fn, init)

    # Naming and side outputs

    def named(
        self,
        name: str | None = None,
        *,
        parallelism: int | None = None,
        tags: str | Iterable[str] = (),
        slot_group: str = "default",
        update_every: Duration | None = None,
    ) -> Stream:
        """Set name, parallelism, tags that its agents must have, and slot group of the last operator.

        ``update_every`` is the time between two updates of groups whose input is endless; 1 s by default.
        """
        return Stream(self.flow.named(naming(name, parallelism, tags, slot_group, update_every)))

    def side(self, name: str) -> Stream:
        """Return a side output of the last operator.

        ``"errors"`` of a map with ``on_error="side"``, or ``"late"`` of a window or join by event time.
        """
        return Stream(self.flow.side_output(name))

    # Inspection

    def check(self, runs: int = 0) -> None:
        """Raise the error that would keep the stream from running (GraphError, SourceError, ...), if there is one.

        With ``runs``, a bounded stream also runs here as a whole, and that often with random splits, batches and
        parallelism. InconsistentResults says which rows differ, and behind which operator.
        """
        views.compiled(self.flow)
        check_runs(self.flow, runs)

    def explain(self, optimize: bool = True) -> str:
        """Return the graph as described, as optimized with statistics of each rule, and as it would be deployed."""
        return views.explained(self.flow, optimize=optimize)

    def to_job_graph(self) -> JobGraph:
        """Return the operators as plain data; without a sink, the graph has none either."""
        return views.job_graph(self.flow)

    def __repr__(self) -> str:
        return views.card(self.flow).text()

    def _repr_html_(self) -> str:
        return views.card(self.flow).html()


@boundary
@dataclass(frozen=True, slots=True, eq=False)
class Grouped(Hinted):
    """A stream grouped by keys; its methods say what to compute for each group."""

    grouping: Grouping

    def _own_hint(self, name: str) -> str:
        is_column = name != "grouping" and name in self.grouping.flow.schema.names
        return f"aggregate its column: .agg({name}=col({name!r}).max())" if is_column else ""

    def _hint_columns(self) -> tuple[None, list[str]]:
        return None, self.grouping.flow.schema.names

    def __getitem__(self, key: Any) -> NoReturn:
        name = key if isinstance(key, str) else "x"
        raise InvalidUse(f"groups have no [...]; aggregate columns: .agg({name}=col({name!r}).sum())")

    def __iter__(self) -> NoReturn:
        raise InvalidUse("groups cannot be iterated over; aggregate them: .agg(n=sb.count())")

    def agg(self, *exprs: Expr, **named: Expr) -> Stream:
        """Return a row per group: the keys, then the aggregates. A positional one keeps its column's name.

        Calculations may combine aggregates and keys: ``.agg(share=col("x").sum() / sb.count())``.
        """
        return Stream(grouping.aggregated(self.grouping, exprs, named))

    def top(
        self,
        n: int,
        by: Column,
        reverse: bool = False,
        ties: bool = False,
        rank: str | None = None,
    ) -> Stream:
        """Return the ``n`` rows of each group with the largest ``by`` (smallest if ``reverse``).

        All columns break ties. ``ties`` keeps all rows equal to the last; ``rank`` names a column of ranks, from 1.
        """
        return Stream(grouping.top(self.grouping, n, by, reverse=reverse, ties=ties, rank=rank))

    def latest(self, *columns: Column) -> Stream:
        """Return the row of each group with the latest event time: the keys and these columns, or all."""
        return Stream(grouping.latest(self.grouping, columns))

    def reduce(self, fn: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]], init: Any = None) -> Stream:
        """Reduce each group to a row: ``fn(left, right)`` returns one of two; must be associative and commutative."""
        return Stream(grouping.reduced(self.grouping, fn, init))

    def process(self, cls: type[KeyedProcess], side_input: Stream | None = None) -> Stream:
        """Call a class of ``sb.KeyedProcess`` with the rows and timers of each key: its own state, side outputs, time.

        Returns what its methods yield. ``side_input``: rows that every task gets in ``on_side_row``, such as limits
        that change while the job runs. Rows behind the event time that has been reached are late; ``.side("late")``
        has them.

        ``flights.group_by("tailnum").process(Idle)``
        """
        other = None if side_input is None else plan_of(side_input)
        return Stream(processing.processed(self.grouping, cls, other))

    def window(self, shape: WindowShape, *, lateness: Duration = "0s", early: Duration | None = None) -> Windowed:
        """Divide the rows of each group by windows: ``sb.tumbling``, ``sliding``, ``session`` and others.

        A window's result is returned once no more rows of it are expected. With ``lateness`` it is kept so much longer,
        and a row that comes late returns the result again. ``early`` returns results so far at this interval. In both
        cases a result replaces the earlier one of its window and keys.

        ``flights.group_by("origin").window(sb.tumbling("1h")).agg(n=sb.count())``
        """
        return Windowed(grouping.windowed(self.grouping, shape, lateness, early), Stream)

    def __repr__(self) -> str:
        return f"Grouped by {', '.join(self.grouping.names)}: add .agg(...), .top(...), .latest() or .reduce(...)"


@folding
def union(*streams: Stream) -> Stream:
    """Return all rows of all streams, which must have the same columns."""
    if not streams:
        raise GraphError("union() of nothing has no schema; give at least one stream")
    first, *others = [plan_of(stream) for stream in streams]
    return Stream(row_verbs.united(first, others))
