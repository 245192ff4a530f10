"""Specs: the kinds of operators of a job graph, as frozen plain data.

Each behaviour has three names: ``Stream.filter`` (api) makes a ``Filter`` (here), from which a task makes a
``FilterOperator`` (operators). Specs hold expressions, schemas, functions and tables, and nothing of a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

import pyarrow as pa

from sabotnb.blobs import Function, Table, Value
from sabotnb.expr import Expr
from sabotnb.graph.by_structure import ByStructure
from sabotnb.graph.time_joins import AsofJoin, IntervalJoin, WindowJoin
from sabotnb.graph.window_shapes import WINDOW_END, WINDOW_START, SameWindow, UntilWindow, WindowShape

Keys = tuple[str, ...]

PULLED = frozenset({"collect", "callback", "live"})
"""Connectors of sinks whose rows the client fetches."""


@dataclass(frozen=True, slots=True, eq=False)
class EventTime(ByStructure):
    """The column of the event time of a source's rows; ``max_delay`` and ``idle`` are in microseconds.

    Only rows that pass ``predicate`` have an event time, because it was declared behind filters.
    """

    column: str
    max_delay: int = 0
    idle: int = 30_000_000
    predicate: Expr | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Source(ByStructure):
    """Reads splits through the connector of that name.

    ``schema`` is that of the output: the optimizer narrows it to the columns that are read, and turns string columns
    into dictionaries where the connector can read them so. ``options`` is JSON-able and defined by the connector.
    With ``computed_time``, ``AssignTimes`` behind the source has the event time, in a column that the source lacks.
    """

    connector: str
    schema: pa.Schema
    options: Mapping[str, Any] = field(default_factory=dict)
    bounded: bool = True
    replayable: bool = True
    event_time: EventTime | None = None
    predicate: Expr | None = None
    table: Table | None = None
    function: Function | None = None
    computed_time: EventTime | None = None
    kind: ClassVar[str] = "source"

    @property
    def timing(self) -> EventTime | None:
        """The event time that the rows have, in the source or behind it; its splits are then whole files or tables."""
        return self.event_time or self.computed_time

    @property
    def reopenable(self) -> bool:
        """True if another reader can open a split at a position; also in a followed folder, whose files may change."""
        return self.replayable or "follow" in self.options

    @property
    def dealt(self) -> bool:
        """True if all splits are handed out at the beginning, in turn.

        So are those of endless sources, none of which ends, and the calls of a task job, whose order is promised.
        """
        return not self.bounded or self.connector == "tasks"


@dataclass(frozen=True, slots=True, eq=False)
class Filter(ByStructure):
    """Keeps rows for which ``predicate`` is true (not null)."""

    predicate: Expr
    kind: ClassVar[str] = "filter"


@dataclass(frozen=True, slots=True, eq=False)
class Project(ByStructure):
    """Computes each output column by an expression; select, with_columns, rename and drop all become this.

    ``made`` are columns that the user wrote as expressions inside the operator behind it: as keys, as inputs of
    aggregates, or as an order.
    """

    columns: tuple[tuple[str, Expr], ...]
    made: Keys = ()
    kind: ClassVar[str] = "select"


@dataclass(frozen=True, slots=True)
class AssignTimes:
    """Makes ``column`` the event time of the rows: finds those that are more than ``max_delay`` (microseconds) late.

    Runs in the task of the source, whose splits have the clocks (``Source.computed_time``).
    """

    column: str
    max_delay: int
    kind: ClassVar[str] = "event_time"


class OnError(str, Enum):
    """What happens to a batch or row whose function raises."""

    FAIL = "fail"
    SIDE = "side"


@dataclass(frozen=True, slots=True)
class MapBatches:
    """Calls ``function`` with a whole batch (``format``: arrow, pandas or polars)."""

    function: Function
    schema: pa.Schema
    format: str = "arrow"
    on_error: OnError = OnError.FAIL
    inferred: bool = False
    kind: ClassVar[str] = "map"


@dataclass(frozen=True, slots=True)
class MapRows:
    """Calls ``function`` with a dict per row; it returns a dict, None or an iterable of dicts."""

    function: Function
    schema: pa.Schema
    on_error: OnError = OnError.FAIL
    inferred: bool = False
    kind: ClassVar[str] = "map_rows"


@dataclass(frozen=True, slots=True)
class MapAsync:
    """Calls ``function``, which may be a coroutine function, with a dict per row, ``concurrency`` rows at a time.

    It returns what that of ``MapRows`` does. ``ordered``: results leave in the order of the rows. ``timeout`` of a call
    in microseconds; None waits forever.
    """

    function: Function
    schema: pa.Schema
    concurrency: int = 32
    ordered: bool = True
    timeout: int | None = None
    on_error: OnError = OnError.FAIL
    inferred: bool = False
    kind: ClassVar[str] = "map_async"


@dataclass(frozen=True, slots=True)
class FilterBatches:
    """Keeps rows where ``function(batch)`` returns true; the mask has the length of the batch."""

    function: Function
    kind: ClassVar[str] = "filter"


class Phase(str, Enum):
    """FULL reads rows and returns results; PARTIAL returns mergeable columns per batch; FINAL merges those."""

    FULL = "full"
    PARTIAL = "partial"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class AggregateColumn:
    """One aggregate: ``fn`` of ``column`` (None for ``count()``), named ``name``.

    ``by`` orders first, last, arg_min, arg_max and top_k; ``options`` is JSON-able (``q`` of a quantile, ``k``,
    ``ddof``). ``function`` is the class of ``sb.aggregate``.
    """

    name: str
    fn: str
    column: str | None = None
    by: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    function: Function | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Groups by ``keys`` (none: one global group) and aggregates; emits at the end of the input.

    With ``every``, the groups that have changed are also emitted at this interval of processing time (microseconds), as
    updates by key. ``schema`` is that of the rows that FULL would read; PARTIAL and FINAL derive types from it.
    """

    keys: Keys
    columns: tuple[AggregateColumn, ...]
    schema: pa.Schema
    phase: Phase = Phase.FULL
    every: int | None = None
    kind: ClassVar[str] = "aggregate"


@dataclass(frozen=True, slots=True)
class Reduce:
    """Folds the rows of each key with ``function(left: dict, right: dict) -> dict``: associative and commutative.

    ``init`` is the dict that each key starts with, a new copy for each. ``every`` is that of ``Aggregate``.
    """

    keys: Keys
    function: Function
    schema: pa.Schema
    init: Value | None = None
    every: int | None = None
    kind: ClassVar[str] = "reduce"


@dataclass(frozen=True, slots=True)
class Distinct:
    """Keeps the first row that arrives of each distinct value of ``keys``."""

    keys: Keys
    kind: ClassVar[str] = "distinct"


@dataclass(frozen=True, slots=True)
class Top:
    """Keeps the ``n`` rows with the largest ``by`` of each key (smallest if ``reverse``); all columns break ties.

    ``ties`` keeps all rows equal to the last; ``rank`` names a 1-based rank column (int64). ``every`` is that of
    ``Aggregate``; updates are by key and rank. ``updated`` is the key of the input if this gives updates: only the
    last row of each counts.
    """

    keys: Keys
    n: int
    by: str
    reverse: bool = False
    ties: bool = False
    rank: str | None = None
    every: int | None = None
    updated: Keys | None = None
    kind: ClassVar[str] = "top"


@dataclass(frozen=True, slots=True)
class Window:
    """Applies ``verb`` to the rows of each key and window, and returns the results when the window ends.

    ``verb`` has the keys. Output columns: ``window_start`` and ``window_end`` (if ``shape`` has them), then those of
    ``verb``. ``time`` is the column of the event time, ``shift`` is added to it; None for windows without event time.
    Late rows, behind the end of all their windows + ``lateness``, go to the side output ``late``. With ``early``,
    results so far are returned at this interval of processing time; then, and with ``lateness``, results are updates.
    All in microseconds. ``updated`` is that of ``Top``, for any verb.
    """

    verb: Aggregate | Top | Reduce
    shape: WindowShape
    time: str | None = None
    shift: int = 0
    lateness: int = 0
    early: int | None = None
    updated: Keys | None = None
    kind: ClassVar[str] = "window"

    @property
    def keys(self) -> Keys:
        """The key columns, which may be none."""
        return self.verb.keys

    @property
    def columns(self) -> Keys:
        """The input columns that say which window a row belongs to."""
        read = [self.time] if self.time is not None else []
        if isinstance(self.shape, UntilWindow):
            read.append(self.shape.column)
        if isinstance(self.shape, SameWindow):
            read += [WINDOW_START, WINDOW_END]
        return tuple(dict.fromkeys(read))


@dataclass(frozen=True, slots=True)
class Process:
    """Calls the methods of a user's class with the rows and timers of each key; ``function`` is the class.

    ``schema`` is that of the main output, ``sides`` are the declared side outputs. ``time`` and ``shift`` are those of
    ``Window``; with a time, rows behind their clock go to the side output ``late``. With ``side_input``, port 1
    brings rows to every task.
    """

    keys: Keys
    function: Function
    schema: pa.Schema
    sides: tuple[tuple[str, pa.Schema], ...] = ()
    time: str | None = None
    shift: int = 0
    side_input: bool = False
    kind: ClassVar[str] = "process"
    inferred: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Sort:
    """Sorts a bounded input; ``descending`` per column, nulls last, NaN largest. Runs with parallelism 1."""

    by: Keys
    descending: tuple[bool, ...]
    kind: ClassVar[str] = "sort"


@dataclass(frozen=True, slots=True)
class Join:
    """Joins two inputs on equal keys: port 0 is left, port 1 is right, the bounded side that is held in memory.

    ``how``: inner, left, right, full, semi, anti. ``strategy``: auto, broadcast, hash; the optimizer decides auto.
    """

    left_on: Keys
    right_on: Keys
    how: str = "inner"
    suffix: str = "_right"
    strategy: str = "auto"
    kind: ClassVar[str] = "join"


@dataclass(frozen=True, slots=True)
class LookupJoin:
    """A left join with the rows of ``source``, which every task reads before the first row.

    Reads them again every ``refresh`` microseconds of processing time, while rows flow on.
    """

    left_on: Keys
    right_on: Keys
    source: Source
    refresh: int
    suffix: str = "_right"
    how: ClassVar[str] = "left"
    kind: ClassVar[str] = "lookup_join"


KeyedJoin = Join | LookupJoin | IntervalJoin | AsofJoin | WindowJoin
"""Joins on equal keys: port 0 is left, port 1 (or a source) is right, and the right keys are not in the output."""

TimeJoin = IntervalJoin | AsofJoin | WindowJoin
"""Joins of two streams that may both be endless."""


@dataclass(frozen=True, slots=True)
class Union:
    """Concatenates ``inputs`` streams of one schema."""

    inputs: int
    kind: ClassVar[str] = "union"


@dataclass(frozen=True, slots=True)
class Sink:
    """Writes through the connector of that name."""

    connector: str
    options: Mapping[str, Any] = field(default_factory=dict)
    function: Function | None = None
    kind: ClassVar[str] = "sink"

    @property
    def pulled(self) -> bool:
        """True if the client fetches the rows: nothing is written, so there is nothing to commit."""
        return self.connector in PULLED


Spec = (
    Source
    | Filter
    | Project
    | AssignTimes
    | MapBatches
    | MapRows
    | MapAsync
    | FilterBatches
    | Aggregate
    | Reduce
    | Distinct
    | Top
    | Window
    | Process
    | Sort
    | Join
    | IntervalJoin
    | AsofJoin
    | WindowJoin
    | LookupJoin
    | Union
    | Sink
)
"""Every kind of operator; ``graph.output_schema`` and ``operators.create`` dispatch over it."""
