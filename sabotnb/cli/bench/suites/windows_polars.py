"""The windows as lazy frames of polars; the panes of overlapping windows are counted once."""

from __future__ import annotations

import polars as pl
from polars import col

from sabotnb.cli.bench.compare.engines import OpenTables

SIZE = pl.duration(seconds=60)
GAP = pl.duration(seconds=2)


def _tumbling(bids: pl.LazyFrame) -> pl.LazyFrame:
    start = col("date_time").dt.truncate("10s").alias("window_start")
    return (
        bids.group_by(start, "auction")
        .agg(pl.len().alias("n"))
        .with_columns(window_end=col("window_start") + pl.duration(seconds=10))
    )


def _sliding(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    panes = t.bids.group_by((col("auction") % 1000).alias("key"), col("date_time").dt.truncate("1s").alias("pane")).agg(
        pl.len().alias("n")
    )
    every = pl.LazyFrame({"seconds": range(60)})
    starts = panes.join(every, how="cross").with_columns(window_start=col("pane") - pl.duration(seconds=col("seconds")))
    windows = starts.group_by("window_start", "key").agg(col("n").sum())
    return windows.with_columns(window_end=col("window_start") + SIZE)


def _session(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    bids = t.bids.select("auction", "date_time").sort("auction", "date_time")
    begins = (
        (col("auction") != col("auction").shift()) | (col("date_time") - col("date_time").shift() >= GAP)
    ).fill_null(value=True)
    sessions = (
        bids.with_columns(session=begins.cum_sum())
        .group_by("session")
        .agg(
            col("auction").first(),
            col("date_time").min().alias("window_start"),
            (col("date_time").max() + GAP).alias("window_end"),
            pl.len().alias("n"),
        )
    )
    return sessions.drop("session")


QUERIES = {
    "tumbling": lambda t: _tumbling(t.bids),
    "disorder": lambda t: _tumbling(t.disordered),
    "sliding": _sliding,
    "session": _session,
}
