"""The methods of ``Stream`` that join it with another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sabotnb.api.fluent.stream_base import StreamBase, plan_of
from sabotnb.api.verbs import joins, joins_by_time, lookups
from sabotnb.api.verbs.columns import Columns
from sabotnb.api.verbs.verb_options import Duration
from sabotnb.errors import GraphError
from sabotnb.expr import Expr
from sabotnb.graph import WindowShape

if TYPE_CHECKING:  # only for annotations, from which completion knows what a chain of verbs returns
    from sabotnb.api.stream import Stream


class JoinMethods(StreamBase):
    """Joins on equal keys, some of them by event time too."""

    __slots__ = ()

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
        window: WindowShape | None = None,
        ttl: Duration | None = None,
    ) -> Stream:
        """Join rows of two streams on equal keys; null keys match nothing. The right keys are dropped.

        ``how``: inner, left, right, full, semi, anti. ``suffix`` is added to right columns that the left has too.
        ``strategy``: auto (broadcast if the right side is small), broadcast, hash.

        If one stream is endless, the other is read whole first, and the rows of the endless one wait for that. If both
        are, say which rows meet: ``window`` joins the rows of each window when it ends, with ``window_start`` and
        ``window_end`` in front; ``ttl`` is the age at which rows are dropped (by event time, or by arrival without it);
        or use ``interval_join``.

        ``flights.join(airlines, on="carrier", how="left")``
        """
        keys, right = (on, left_on, right_on), plan_of(other)
        if window is not None and ttl is not None:
            raise GraphError("window= and ttl= both say when rows are dropped; write one of them")
        if window is not None:
            return self._stream_of(joins_by_time.window_joined(self.flow, right, keys, window, how=how, suffix=suffix))
        if ttl is not None:
            return self._stream_of(joins_by_time.joined_with_ttl(self.flow, right, keys, ttl, how=how, suffix=suffix))
        return self._stream_of(joins.joined(self.flow, right, *keys, how=how, suffix=suffix, strategy=strategy))

    def interval_join(
        self,
        other: Stream,
        on: Columns | None = None,
        left_on: Columns | None = None,
        right_on: Columns | None = None,
        *,
        between: tuple[Duration | Expr, Duration | Expr],
        how: str = "inner",
        suffix: str = "_right",
    ) -> Stream:
        """Join rows with equal keys if ``low <= other's event time - own event time <= high``, ``between=(low, high)``.

        A bound is a duration, or a timestamp of this stream with which the other's event time is compared. Both streams
        may be endless: rows are dropped when no partner can come any more, and rows without a partner leave then.
        The event time is the later of the two: the other's if ``low`` is "0s" or more, else in the column
        ``join_time``. Late rows of both sides go to ``.side("late")``.

        ``auctions.interval_join(bids, left_on="id", right_on="auction", between=("0s", col("expires")))``
        """
        keys = (on, left_on, right_on)
        joined = joins_by_time.interval_joined(self.flow, plan_of(other), keys, between, how=how, suffix=suffix)
        return self._stream_of(joined)

    def asof_join(
        self,
        other: Stream,
        on: Columns | None = None,
        left_on: Columns | None = None,
        right_on: Columns | None = None,
        *,
        tolerance: Duration | None = None,
        direction: str = "backward",
        suffix: str = "_right",
    ) -> Stream:
        """Add to each row the row of ``other`` with equal keys that is next to it in event time; nulls if none is.

        ``direction``: backward (the last at or before it), forward (the first at or after it), nearest (of two as near,
        the earlier). ``tolerance`` is the largest distance. Of several rows at one time the smallest counts, compared
        column by column. Rows keep their event time, and leave when no nearer row can come.

        ``flights.asof_join(weather, on="origin", tolerance="2h")``
        """
        keys = (on, left_on, right_on)
        joined = joins_by_time.asof_joined(
            self.flow, plan_of(other), keys, tolerance, direction=direction, suffix=suffix
        )
        return self._stream_of(joined)

    def lookup_join(
        self,
        table: Any,
        on: Columns | None = None,
        left_on: Columns | None = None,
        right_on: Columns | None = None,
        *,
        refresh: Duration | None = None,
        suffix: str = "_right",
    ) -> Stream:
        """Add the columns of ``table`` to each row, from its rows with equal keys; nulls if there is none.

        ``table``: the path of a Parquet, CSV, JSON or IPC file, or an Arrow, pandas or polars table. It is read whole
        before the first row leaves. The stream may be endless, and keeps its event time. With ``refresh``, a file is
        read again at that interval while rows flow on; if that fails twice in a row, so does the job.

        ``flights.lookup_join("airports.parquet", left_on="dest", right_on="faa")``
        """
        return self._stream_of(
            lookups.looked_up(self.flow, table, on, left_on, right_on, refresh=refresh, suffix=suffix)
        )
