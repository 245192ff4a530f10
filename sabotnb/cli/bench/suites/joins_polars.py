"""The joins by time as lazy frames of polars, which joins on keys and then filters by time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from polars import col

from sabotnb.cli.bench.compare.engines import OpenTables

Tables = OpenTables[pl.LazyFrame]


def _of_bids(joined: pl.LazyFrame) -> pl.LazyFrame:
    return joined.select(pl.len().alias("n"), col("price").sum(), col("category").sum())


def _with_bids(t: Tables, high: Any) -> pl.LazyFrame:
    auctions = t.auctions.select("id", "expires", "category", col("date_time").alias("opened"))
    joined = auctions.join(t.bids.select("auction", "price", "date_time"), left_on="id", right_on="auction")
    return joined.filter(col("date_time") >= col("opened"), col("date_time") <= high)


def _asof(t: Tables) -> pl.LazyFrame:
    bids = t.bids.select("bidder", "price", "date_time").set_sorted("date_time")
    auctions = t.auctions.select("seller", "reserve", "date_time").set_sorted("date_time")
    joined = bids.join_asof(auctions, on="date_time", by_left="bidder", by_right="seller", strategy="backward")
    return joined.select(pl.len().alias("n"), col("price").sum(), col("reserve").sum().alias("found"))


def _window(t: Tables) -> pl.LazyFrame:
    start = col("date_time").dt.truncate("10s").alias("window")
    persons = t.persons.select("id", "state", start)
    auctions = t.auctions.select("seller", col("id").alias("auction"), start)
    joined = persons.join(auctions, left_on=["id", "window"], right_on=["seller", "window"])
    return joined.select(pl.len().alias("n"), col("auction").sum(), col("state").max())


QUERIES = {
    "until": lambda t: _of_bids(_with_bids(t, col("expires"))),
    "range": lambda t: _of_bids(_with_bids(t, col("opened") + timedelta(seconds=5))),
    "filtered": lambda t: _of_bids(_with_bids(t, col("expires")).filter(col("category") == 10)),
    "asof": _asof,
    "window": _window,
    "bounded": lambda t: _of_bids(
        t.bids.join(t.auctions.filter(col("category") == 10), left_on="auction", right_on="id")
    ),
}
"""Without ``sliding``: polars has no joins in windows that overlap."""
