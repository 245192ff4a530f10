"""``Stream`` and ``Grouped``: the fluent API. Methods add to a description; only those that say so run anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa

from sabotnb.api import views
from sabotnb.api.boundary import boundary, folding
from sabotnb.api.env import Env
from sabotnb.api.handles.job import Job
from sabotnb.api.running import collecting
from sabotnb.api.running.pandas_frames import pandas_frame
from sabotnb.api.running.preview import Preview, preview
from sabotnb.api.sink import Sink
from sabotnb.api.stream_node import StreamPlan, naming
from sabotnb.api.verbs import brackets, grouping, joins, partition_verbs, row_verbs, sources, targets
from sabotnb.api.verbs.columns import Column
from sabotnb.api.verbs.grouping import Grouping
from sabotnb.api.verbs.row_verbs import Condition
from sabotnb.api.verbs.verb_options import Duration, seconds
from sabotnb.api.windowed import Windowed
from sabotnb.errors import GraphError, InvalidUse
from sabotnb.expr import Expr, python_rows
from sabotnb.extras import demand
from sabotnb.foreign import Hinted
from sabotnb.graph import JobGraph, WindowShape
from sabotnb.native import without_orders

if TYPE_CHECKING:  # only for annotations: importing sabotnb loads neither pandas nor polars
    import pandas as pd
    import polars as pl

Path = str | os.PathLike[str]
Paths = Path | Sequence[Path]
Columns = Column | Sequence[Column]


@boundary
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Stream(Hinted):
    """A description of rows: their source and the operators on them. Immutable; every verb returns a new stream.

    Columns and types are checked when a verb is called, so a mistake raises at the line that wrote it
    (ColumnNotFound, TypeMismatch, DuplicateColumn). Verbs that take columns have no option keywords, so a column may
    have any name: options of an operator go in ``named``.
    """

    flow: StreamPlan

    def __post_init__(self) -> None:
        if not isinstance(self.flow, StreamPlan):
            raise InvalidUse("a stream begins with a source: sb.Stream.from_rows([{'x': 1}]), .from_pandas(frame), ...")

    def _own_hint(self, name: str) -> str:
        is_column = name != "flow" and name in self.schema.names
        return f"for its column write col({name!r})" if is_column else ""

    def _hint_columns(self) -> tuple[None, list[str]]:
        return None, self.schema.names

    # Python operations that a description of rows cannot support: they raise and say what to write

    def __getitem__(self, key: Any) -> NoReturn:
        raise InvalidUse(f"a stream has no [...]; {brackets.instead(key)}")

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        name = key if isinstance(key, str) else "x"
        raise InvalidUse(f"a stream never changes; make another one: .with_columns({name}={value!r})")

    def __contains__(self, item: object) -> NoReturn:
        raise InvalidUse(f"a stream has no values to look through; its columns are: {item!r} in stream.schema.names")

    def __len__(self) -> NoReturn:
        raise InvalidUse("a stream has no length before it runs; count its rows: .agg(n=sb.count()).to_rows()")

    def __bool__(self) -> bool:
        return True

    def __add__(self, other: Any) -> NoReturn:
        raise InvalidUse("streams have no +; bring their rows together: .union(other)")

    # Sources

    @classmethod
    def from_parquet(
        cls,
        paths: Paths,
        *,
        schema: Any = None,
        rate: float | None = None,
        speed: str | None = None,
        follow: bool = False,
        event_time: str | None = None,
        max_delay: Duration = "0s",
        idle: Duration = "30s",
    ) -> Stream:
        """Read Parquet files: a path, a glob, a folder or a list of them. Reads footers only.

        ``schema``: types of some or all columns. ``rate`` (rows per second) or ``speed`` of event time (``"6h/s"``)
        sends rows on a schedule. ``follow`` also reads files that appear later, without columns that only they have;
        with a whole ``schema`` it can start without files. Folders below the path with names such as ``y=2024`` add
        a column ``y`` in every format, and a filter on it opens only matching files. Raises SourceError for a missing,
        empty or truncated file, and for files whose schemas differ.
        """
        spec = sources.files("parquet", paths, schema, rate=rate, speed=speed, follow=follow)
        return cls(sources.begun(spec, event_time, max_delay, idle))

    @classmethod
    def from_csv(
        cls,
        paths: Paths,
        *,
        schema: Any = None,
        rate: float | None = None,
        speed: str | None = None,
        follow: bool = False,
        event_time: str | None = None,
        max_delay: Duration = "0s",
        idle: Duration = "30s",
        separator: str | None = None,
        null_values: Sequence[str] = ("",),
        has_header: bool = True,
        encoding: str = "utf-8",
    ) -> Stream:
        """Read CSV files; types come from the first rows unless ``schema`` declares them.

        Integers beyond int64 become uint64 or decimal128. Fields without quotes that are in ``null_values`` are null.
        ``separator`` is a comma by default; a file that seems to have another one is refused until you pass it.
        ``has_header=False``: columns are ``column_1``, ``column_2`` ... ``encoding``: a name of Python's, such as
        ``cp1252``; not UTF-16.
        """
        special = {
            "separator": separator,
            "null_values": null_values,
            "has_header": has_header,
            "encoding": encoding,
        }
        spec = sources.files("csv", paths, schema, special, rate=rate, speed=speed, follow=follow)
        return cls(sources.begun(spec, event_time, max_delay, idle))

    @classmethod
    def from_json(
        cls,
        paths: Paths,
        *,
        schema: Any = None,
        rate: float | None = None,
        speed: str | None = None,
        follow: bool = False,
        event_time: str | None = None,
        max_delay: Duration = "0s",
        idle: Duration = "30s",
    ) -> Stream:
        """Read files of one JSON object per line; types come from the first rows unless ``schema`` declares them.

        JSON has no dates: text stays text until ``schema`` declares it, ``{"t": pa.timestamp("us")}``. Integers beyond
        int64 become uint64 or decimal128.
        """
        spec = sources.files("json", paths, schema, rate=rate, speed=speed, follow=follow)
        return cls(sources.begun(spec, event_time, max_delay, idle))

    @classmethod
    def from_ipc(
        cls,
        paths: Paths,
        *,
        schema: Any = None,
        rate: float | None = None,
        speed: str | None = None,
        follow: bool = False,
        event_time: str | None = None,
        max_delay: Duration = "0s",
        idle: Duration = "30s",
    ) -> Stream:
        """Read Arrow IPC (Feather) files."""
        spec = sources.files("ipc", paths, schema, rate=rate, speed=speed, follow=follow)
        return cls(sources.begun(spec, event_time, max_delay, idle))

    @classmethod
    def from_arrow(
        cls, data: Any, *, event_time: str | None = None, max_delay: Duration = "0s", idle: Duration = "30s"
    ) -> Stream:
        """Read a table in memory: Arrow, polars, DuckDB, anything with ``__arrow_c_stream__``.

        The stream shares its memory, but copies columns that NumPy owns, so that later writes do not change it.
        """
        return cls(sources.begun(sources.arrow(data), event_time, max_delay, idle))

    @classmethod
    def from_pandas(
        cls,
        frame: pd.DataFrame,
        *,
        event_time: str | None = None,
        max_delay: Duration = "0s",
        idle: Duration = "30s",
    ) -> Stream:
        """Read a pandas frame, without its index; NaN in float columns becomes null.

        Numbers, times and categories are copied, so that a change of the frame does not change the stream.
        """
        return cls(sources.begun(sources.pandas(frame), event_time, max_delay, idle))

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, Any]],
        schema: Any = None,
        *,
        event_time: str | None = None,
        max_delay: Duration = "0s",
        idle: Duration = "30s",
    ) -> Stream:
        """Read dicts in memory; types come from the values unless ``schema`` declares them."""
        return cls(sources.begun(sources.rows(rows, schema), event_time, max_delay, idle))

    @classmethod
    def from_generator(
        cls,
        fn: Callable[[], Iterable[Any]],
        schema: Any,
        replayable: bool = False,
        *,
        bounded: bool = True,
        event_time: str | None = None,
        max_delay: Duration = "0s",
        idle: Duration = "30s",
    ) -> Stream:
        """Read what ``fn()`` yields on a worker: dicts or record batches of ``schema``. One task runs it.

        ``replayable``: calling ``fn`` again yields the same rows. ``bounded=False``: it never ends.
        """
        spec = sources.generator(fn, schema, replayable=replayable, bounded=bounded)
        return cls(sources.begun(spec, event_time, max_delay, idle))

    @classmethod
    def from_rate(
        cls,
        per_second: float,
        n: int | None = None,
        *,
        event_time: str | None = None,
        max_delay: Duration = "0s",
        idle: Duration = "30s",
    ) -> Stream:
        """Generate rows by the clock, ``n`` or endless: ``time`` (timestamp[us]) and ``value`` (0, 1, ...)."""
        return cls(sources.begun(sources.rate(per_second, n), event_time, max_delay, idle))

    def with_event_time(self, column: Column, max_delay: Duration = "0s", idle: Duration = "30s") -> Stream:
        """Declare the event time column, and how late rows may come. Call it before any verb that exchanges rows.

        It is a column of the source, maybe renamed. Of rows that a filter before drops, no time is needed:

        ``flights.filter(col("departed").is_not_null()).with_event_time("departed", max_delay="1h")``
        """
        return Stream(sources.with_event_time(self.flow, column, max_delay, idle))

    # Rows

    def filter(self, *conditions: Condition) -> Stream:
        """Keep rows for which all conditions are true (not null). A function gets the batch and returns a mask.

        ``flights.filter(col("delay") > 15, col("carrier") == "AA")``
        """
        return Stream(row_verbs.filtered(self.flow, conditions))

    def select(self, *exprs: Column, **named: Any) -> Stream:
        """Return exactly these columns; a positional expression keeps its root name.

        ``flights.select("carrier", hours=col("delay") / 60)``
        """
        return Stream(row_verbs.selected(self.flow, exprs, named))

    def with_columns(self, *exprs: Column, **named: Any) -> Stream:
        """Add columns; one with the name of an existing column replaces it.

        ``flights.with_columns(hours=col("delay") / 60, delay=col("delay").fill_null(0))``
        """
        return Stream(row_verbs.with_columns(self.flow, exprs, named))

    def drop(self, *columns: Column) -> Stream:
        """Remove columns.

        ``flights.drop("origin")``
        """
        return Stream(row_verbs.dropped(self.flow, columns))

    def rename(self, names: Mapping[str, str]) -> Stream:
        """Rename columns: ``{old: new}``.

        ``flights.rename({"delay": "late"})``
        """
        return Stream(row_verbs.renamed(self.flow, names))

    def map_batches(
        self,
        fn: Callable[[Any], Any],
        schema: Any = None,
        format: str = "arrow",  # noqa: A002  the name that users know it by
        on_error: str = "fail",
    ) -> Stream:
        """Call ``fn`` with every batch (``format``: arrow, pandas or polars); it returns one, or an iterable of them.

        The number of rows may change. Without ``schema``, ``fn`` is called on an empty batch to infer it. In a pandas
        frame, integers with nulls are ``Int64``; types that NumPy lacks (dates, decimals, lists, ...) are Arrow's.
        ``on_error="side"`` puts the rows of a batch that raises into ``.side("errors")``.

        ``flights.map_batches(lambda batch: batch.select(["carrier", "delay"]))``
        """
        return Stream(row_verbs.mapped_batches(self.flow, fn, schema, format, on_error))

    map = map_batches
    flat_map = map_batches

    def map_rows(self, fn: Callable[[dict[str, Any]], Any], schema: Any = None, on_error: str = "fail") -> Stream:
        """Call ``fn`` with every row as a dict; it returns a dict, None (no row) or an iterable of dicts.

        Without ``schema``, ``fn`` is called on the first 100 rows to infer it.

        ``flights.map_rows(lambda row: {**row, "late": row["delay"] > 15})``
        """
        return Stream(row_verbs.mapped_rows(self.flow, fn, schema, on_error))

    def union(self, *others: Stream) -> Stream:
        """Return all rows of all streams, which must have the same columns (SchemaError says how they differ)."""
        return Stream(row_verbs.united(self.flow, [_flow_of(other) for other in others]))

    def distinct(self, *columns: Column) -> Stream:
        """Return one row for each distinct value of these columns, or of all columns if none is named.

        ``flights.distinct("carrier")``
        """
        return Stream(row_verbs.distinct(self.flow, columns))

    def sort(self, *columns: Column, descending: bool | Sequence[bool] = False) -> Stream:
        """Sort bounded rows; nulls are last, NaN is largest. ``descending`` for all columns, or one for each.

        ``flights.sort("carrier", "delay", descending=[False, True])``
        """
        return Stream(row_verbs.ordered(self.flow, columns, descending))

    # Partitioning

    def rebalance(self) -> Stream:
        """Distribute batches evenly over the tasks of the next operator."""
        return Stream(partition_verbs.rebalanced(self.flow))

    def partition_by(self, by: Callable[[pa.RecordBatch, int], Any] | Columns) -> Stream:
        """Send rows with equal columns to one task, or to the task number that ``by(batch, tasks)`` returns per row."""
        return Stream(partition_verbs.partitioned(self.flow, by))

    def range_partition(self, column: Column) -> Stream:
        """Send each range of values to one task of the next operator; bounds come from a sample at run time."""
        return Stream(partition_verbs.range_partitioned(self.flow, column))

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

    # Joins

    def join(
        self,
        other: Stream,
        on: Columns | None = None,
        left_on: Columns | None = None,
        right_on: Columns | None = None,
        how: str = "inner",
        *,
        suffix: str = "_right",
        strategy: str = "auto",
    ) -> Stream:
        """Join two bounded streams on equal keys; null keys match nothing. The right keys are dropped.

        ``how``: inner, left, right, full, semi, anti. ``suffix`` is added to right columns that the left has too.
        ``strategy``: auto (broadcast if the right side is small), broadcast, hash.

        ``flights.join(airlines, on="carrier", how="left")``
        """
        joined = joins.joined(
            self.flow, _flow_of(other), on, left_on, right_on, how=how, suffix=suffix, strategy=strategy
        )
        return Stream(joined)

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
        """Return a side output of the last operator: ``"errors"`` of a map with ``on_error="side"``."""
        return Stream(self.flow.side_output(name))

    # Outputs

    def sink_parquet(self, path: Path, mode: str = "error", partition_by: Columns | None = None) -> Sink:
        """Write Parquet files into folder ``path``; they appear when the job has finished.

        ``mode``: error (the folder must be empty or this job's own), append, overwrite. ``partition_by``: one folder
        for each value (``carrier=AA/``) instead of a column in the files. Read back, it is the last column, of the same
        type; from CSV and JSON of the type that the values suggest, or ``schema=`` declares.
        """
        return Sink(targets.to_files(self.flow, "parquet", path, mode, partition_by))

    def sink_csv(self, path: Path, mode: str = "error", partition_by: Columns | None = None) -> Sink:
        """Write CSV files with a header; see ``sink_parquet``. Refuses types and values that CSV cannot hold."""
        return Sink(targets.to_files(self.flow, "csv", path, mode, partition_by))

    def sink_json(self, path: Path, mode: str = "error", partition_by: Columns | None = None) -> Sink:
        """Write files of one JSON object per line; see ``sink_parquet``.

        Dates, decimals and bytes (base64) are text, durations are seconds: declare them to read them back. NaN and
        infinity, which JSON lacks, fail the job.
        """
        return Sink(targets.to_files(self.flow, "json", path, mode, partition_by))

    def sink_ipc(self, path: Path, mode: str = "error", partition_by: Columns | None = None) -> Sink:
        """Write Arrow IPC (Feather) files; see ``sink_parquet``."""
        return Sink(targets.to_files(self.flow, "ipc", path, mode, partition_by))

    def sink_callback(self, fn: Callable[[pa.RecordBatch], Any]) -> Sink:
        """Call ``fn`` with every batch, in a separate thread of this process."""
        return Sink(targets.to_callback(self.flow, fn))

    def sink_live(self, keep: int = 1000) -> Sink:
        """Keep the last ``keep`` rows here: ``job.rows``, or ``job.rows_of(sink)`` if the job has several."""
        return Sink(targets.to_live(self.flow, keep))

    # Running

    def run(self, name: str | None = None, *, parallelism: int | None = None, env: Env | None = None) -> Job:
        """Start a job that keeps the last rows in this process: ``.sink_live().run()``."""
        return self.sink_live().run(name, parallelism=parallelism, env=env)

    def head(self, n: int = 5, timeout: Duration | float = "2s") -> Preview:
        """Preview the first ``n`` rows, computed from a sample in this process, in a fraction of a second.

        Reads the first ``Config.preview_rows`` rows of each source. After ``timeout`` it returns the rows so far
        (endless sources are read for most of that time); the preview says whether its numbers are partial.

        ``flights.head(10)``
        """
        return preview(self.flow, n, seconds(timeout) or 0.0)

    def to_arrow(self) -> pa.Table:
        """Run now, on the open env or else in this process, and return all rows. Bounded streams only."""
        return pa.Table.from_batches(list(self), schema=self.schema)

    collect = to_arrow

    def to_pandas(self) -> pd.DataFrame:
        """Like ``to_arrow``, as a pandas frame. Integers with nulls that doubles would round get a nullable type."""
        return pandas_frame(self.to_arrow())

    def to_polars(self) -> pl.DataFrame:
        """Like ``to_arrow``, as a polars frame."""
        demand("polars", "to_polars()")
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def to_rows(self) -> list[dict[str, Any]]:
        """Like ``to_arrow``, as a list of dicts."""
        return python_rows(self.to_arrow())

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return collecting.batches_of(self.flow)

    # Inspection

    @property
    def schema(self) -> pa.Schema:
        """Columns and types."""
        return without_orders(self.flow.schema)

    def check(self) -> None:
        """Raise the error that would keep the stream from running (GraphError, SourceError, ...), if there is one."""
        views.compiled(self.flow)

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

    def window(self, shape: WindowShape, *, lateness: Duration = "0s", early: Duration | None = None) -> Windowed:
        """Divide the rows of each group by windows: ``sb.tumbling``, ``sliding``, ``session`` and others.

        A window's result is returned once no more rows of it are expected. With ``lateness`` it is kept so much longer,
        and a row that comes late returns the result again. ``early`` returns results so far at this interval. In both
        cases a result replaces the earlier one of its window and keys.

        ``flights.group_by("origin").window(sb.tumbling("1h")).agg(n=sb.count())``
        """
        return Windowed(grouping.windowed(self.grouping, shape, lateness, early))

    def __repr__(self) -> str:
        return f"Grouped by {', '.join(self.grouping.names)}: add .agg(...), .top(...), .latest() or .reduce(...)"


def _flow_of(other: object) -> StreamPlan:
    if not isinstance(other, Stream):
        raise GraphError(
            f"{type(other).__name__} is not a stream; make it one: sb.Stream.from_pandas, from_arrow, from_rows"
        )
    return other.flow


@folding
def union(*streams: Stream) -> Stream:
    """Return all rows of all streams, which must have the same columns."""
    if not streams:
        raise GraphError("union() of nothing has no schema; give at least one stream")
    first, *others = [_flow_of(stream) for stream in streams]
    return Stream(row_verbs.united(first, others))
