"""The methods of ``Stream`` that change, drop, add or order rows and columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sabotnb.api.fluent.stream_base import StreamBase, plan_of
from sabotnb.api.verbs import row_verbs
from sabotnb.api.verbs.columns import Column
from sabotnb.api.verbs.row_verbs import Condition
from sabotnb.api.verbs.verb_options import Duration

if TYPE_CHECKING:  # only for annotations, from which completion knows what a chain of verbs returns
    from sabotnb.api.stream import Stream


class RowMethods(StreamBase):
    """Verbs on rows and columns."""

    __slots__ = ()

    def filter(self, *conditions: Condition) -> Stream:
        """Keep rows for which all conditions are true (not null). A function gets the batch and returns a mask.

        ``flights.filter(col("delay") > 15, col("carrier") == "AA")``
        """
        return self._stream_of(row_verbs.filtered(self.flow, conditions))

    def select(self, *exprs: Column, **named: Any) -> Stream:
        """Return exactly these columns; a positional expression keeps its root name.

        ``flights.select("carrier", hours=col("delay") / 60)``
        """
        return self._stream_of(row_verbs.selected(self.flow, exprs, named))

    def with_columns(self, *exprs: Column, **named: Any) -> Stream:
        """Add columns; one with the name of an existing column replaces it.

        ``flights.with_columns(hours=col("delay") / 60, delay=col("delay").fill_null(0))``
        """
        return self._stream_of(row_verbs.with_columns(self.flow, exprs, named))

    def drop(self, *columns: Column) -> Stream:
        """Remove columns.

        ``flights.drop("origin")``
        """
        return self._stream_of(row_verbs.dropped(self.flow, columns))

    def rename(self, names: Mapping[str, str]) -> Stream:
        """Rename columns: ``{old: new}``.

        ``flights.rename({"delay": "late"})``
        """
        return self._stream_of(row_verbs.renamed(self.flow, names))

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
        ``on_error="side"`` puts the rows of a batch that raises into ``.side("errors")``. A slow function gets smaller
        batches, so that a call takes about 100 ms.

        ``flights.map_batches(lambda batch: batch.select(["carrier", "delay"]))``
        """
        return self._stream_of(row_verbs.mapped_batches(self.flow, fn, schema, format, on_error))

    map = map_batches
    flat_map = map_batches

    def map_rows(self, fn: Callable[[dict[str, Any]], Any], schema: Any = None, on_error: str = "fail") -> Stream:
        """Call ``fn`` with every row as a dict; it returns a dict, None (no row) or an iterable of dicts.

        Without ``schema``, ``fn`` is called on the first 100 rows to infer it.

        ``flights.map_rows(lambda row: {**row, "late": row["delay"] > 15})``
        """
        return self._stream_of(row_verbs.mapped_rows(self.flow, fn, schema, on_error))

    def map_async(
        self,
        fn: Callable[[dict[str, Any]], Any],
        schema: Any = None,
        concurrency: int = 32,
        ordered: bool = True,
        timeout: Duration | float | None = "30s",
        on_error: str = "fail",
    ) -> Stream:
        """Call ``async def fn(row)`` with ``concurrency`` rows at a time, for services that answer slowly.

        It returns what the function of ``map_rows`` does; a plain function runs in threads. ``ordered=False`` passes
        results on as they come. A call that takes longer than ``timeout`` fails. ``on_error="side"`` puts rows whose
        call fails into ``.side("errors")``. Without ``schema``, ``fn`` is called on the first 10 rows to infer it.

        ``flights.map_async(ask_service, schema={"carrier": "string", "answer": "string"})``
        """
        made = row_verbs.mapped_async(self.flow, fn, schema, concurrency, timeout, on_error, ordered=ordered)
        return self._stream_of(made)

    def union(self, *others: Stream) -> Stream:
        """Return all rows of all streams, which must have the same columns (SchemaError says how they differ)."""
        return self._stream_of(row_verbs.united(self.flow, [plan_of(other) for other in others]))

    def distinct(self, *columns: Column) -> Stream:
        """Return one row for each distinct value of these columns, or of all columns if none is named.

        ``flights.distinct("carrier")``
        """
        return self._stream_of(row_verbs.distinct(self.flow, columns))

    def sort(self, *columns: Column, descending: bool | Sequence[bool] = False) -> Stream:
        """Sort bounded rows; nulls are last, NaN is largest. ``descending`` for all columns, or one for each.

        ``flights.sort("carrier", "delay", descending=[False, True])``
        """
        return self._stream_of(row_verbs.ordered(self.flow, columns, descending))
