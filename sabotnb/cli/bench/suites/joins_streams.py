"""The joins by time as streams of sabotnb, over columns with event time."""

from __future__ import annotations

from typing import Any

import sabotnb as sb
from sabotnb import col
from sabotnb.cli.bench.compare.engines import OpenTables

Tables = OpenTables[sb.Stream]


def _timed(t: Tables, name: str, *columns: str) -> sb.Stream:
    table: sb.Stream = getattr(t, name)
    return table.select("date_time", *columns).with_event_time("date_time")


def _totals(joined: sb.Stream, **totals: Any) -> sb.Stream:
    return joined.agg(n=sb.count(), **totals)


def _of_bids(joined: sb.Stream) -> sb.Stream:
    return _totals(joined, price=col("price").sum(), category=col("category").sum())


def _with_bids(t: Tables, high: Any) -> sb.Stream:
    auctions = _timed(t, "auctions", "id", "expires", "category")
    bids = _timed(t, "bids", "auction", "price")
    return auctions.interval_join(bids, left_on="id", right_on="auction", between=("0s", high))


def _asof(t: Tables) -> sb.Stream:
    bids, opened = _timed(t, "bids", "bidder", "price"), _timed(t, "auctions", "seller", "reserve", "category")
    joined = bids.asof_join(opened, left_on="bidder", right_on="seller")
    return _totals(joined, price=col("price").sum(), found=col("reserve").sum())


def _windowed(t: Tables, window: Any) -> sb.Stream:
    persons, auctions = _timed(t, "persons", "id", "state"), _timed(t, "auctions", "seller", "id")
    joined = persons.join(auctions, left_on="id", right_on="seller", window=window)
    return _totals(joined, auction=col("id_right").sum(), state=col("state").max())


def _bounded(t: Tables) -> sb.Stream:
    auctions = t.auctions.filter(col("category") == 10).select("id", "category")
    return _of_bids(t.bids.join(auctions, left_on="auction", right_on="id"))


QUERIES = {
    "until": lambda t: _of_bids(_with_bids(t, col("expires"))),
    "range": lambda t: _of_bids(_with_bids(t, "5s")),
    "filtered": lambda t: _of_bids(_with_bids(t, col("expires")).filter(col("category") == 10)),
    "asof": _asof,
    "window": lambda t: _windowed(t, sb.tumbling("10s")),
    "sliding": lambda t: _windowed(t, sb.sliding("10s", every="5s")),
    "bounded": _bounded,
}
