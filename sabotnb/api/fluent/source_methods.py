"""The methods of ``Stream`` that begin one: ``from_parquet`` and its like, and ``with_event_time``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sabotnb import connectors
from sabotnb.api.fluent.stream_base import StreamBase
from sabotnb.api.verbs import event_time_verb, sources
from sabotnb.api.verbs.columns import Column
from sabotnb.api.verbs.verb_options import Duration

if TYPE_CHECKING:  # only for annotations: sabotnb does not load pandas, and completion knows what a source returns
    import pandas as pd

    from sabotnb.api.stream import Stream

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class SourceMethods(StreamBase):
    """The sources. Each reads no more than it needs to know its schema."""

    __slots__ = ()

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
        return cls._stream_of(sources.begun(spec, event_time, max_delay, idle))

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
        return cls._stream_of(sources.begun(spec, event_time, max_delay, idle))

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
        return cls._stream_of(sources.begun(spec, event_time, max_delay, idle))

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
        return cls._stream_of(sources.begun(spec, event_time, max_delay, idle))

    @classmethod
    def from_arrow(
        cls, data: Any, *, event_time: str | None = None, max_delay: Duration = "0s", idle: Duration = "30s"
    ) -> Stream:
        """Read a table in memory: Arrow, polars, DuckDB, anything with ``__arrow_c_stream__``.

        The stream shares its memory, but copies columns that NumPy owns, so that later writes do not change it.
        """
        return cls._stream_of(sources.begun(sources.arrow(data), event_time, max_delay, idle))

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
        return cls._stream_of(sources.begun(sources.pandas(frame), event_time, max_delay, idle))

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
        return cls._stream_of(sources.begun(sources.rows(rows, schema), event_time, max_delay, idle))

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
        return cls._stream_of(sources.begun(spec, event_time, max_delay, idle))

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
        return cls._stream_of(sources.begun(connectors.rate(per_second, n), event_time, max_delay, idle))

    def with_event_time(self, column: Column, max_delay: Duration = "0s", idle: Duration = "30s") -> Stream:
        """Declare the event time, and how late rows may come. Call it before any verb that exchanges rows.

        It is a column (timestamps or dates), of the source or computed by filters, maps and expressions before, or an
        expression. Of rows that a filter before drops, no time is needed:

        ``flights.filter(col("departed").is_not_null()).with_event_time("departed", max_delay="1h")``
        """
        return self._stream_of(event_time_verb.with_event_time(self.flow, column, max_delay, idle))
