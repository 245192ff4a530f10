"""The Nexmark cases as streams of sabotnb. Until there are event-time windows, a window is a truncated time."""

from __future__ import annotations

from typing import Any

import sabotnb as sb
from sabotnb import col
from sabotnb.cli.bench.compare.engines import OpenTables
from sabotnb.cli.bench.suites.functions import PRICE_FACTOR, euros


def _euros_of_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"euros": euros(row["price"])}


def _persons_and_auctions(t: OpenTables[sb.Stream]) -> sb.Stream:
    window = col("date_time").dt.truncate("10s")
    persons = t.persons.select("id", "name", window=window)
    auctions = t.auctions.select("seller", auction=col("id"), window=window)
    return persons.join(auctions, left_on=["id", "window"], right_on=["seller", "window"])


def _local_sellers(t: OpenTables[sb.Stream]) -> sb.Stream:
    auctions = t.auctions.filter(col("category") == 10)
    persons = t.persons.filter(col("state").is_in(["OR", "ID", "CA"])).select("id", "name", "city", "state")
    joined = auctions.join(persons, left_on="seller", right_on="id")
    return joined.select("name", "city", "state", auction=col("id"))


QUERIES = {
    "W1": lambda t: t.bids.select(price=col("price") * PRICE_FACTOR).agg(n=sb.count(), total=col("price").sum()),
    "W2": lambda t: t.bids.filter(col("auction") % 123 == 0).select("auction", "price"),
    "W3": lambda t: t.bids.group_by("bidder").agg(n=sb.count(), total=col("price").sum(), most=col("price").max()),
    "W4": lambda t: t.bids.group_by("auction", window=col("date_time").dt.truncate("10s")).agg(n=sb.count()),
    "W5": _persons_and_auctions,
    "W6": _local_sellers,
    "W7": lambda t: t.bids.group_by("channel").agg(n=sb.count()),
    "W8": lambda t: (
        t.some_bids.select("price")
        .map_rows(_euros_of_row, schema={"euros": "double"})
        .agg(n=sb.count(), total=col("euros").sum())
    ),
    "top": lambda t: t.bids.top(10, by="price"),
    "distinct": lambda t: t.bids.agg(n=col("bidder").n_unique()),
}
