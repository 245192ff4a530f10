"""Joins by time over Nexmark, as totals of what they return: how fast they are does not depend on a large answer."""

from __future__ import annotations

from sabotnb.cli.bench.compare.suite import QueryCase, QuerySet

SUITE = QuerySet(
    name="joins",
    cases=(
        QueryCase("until", "auctions with bids until they expire", ("auctions", "bids")),
        QueryCase("range", "auctions with bids within 5 s", ("auctions", "bids")),
        QueryCase("filtered", "auctions of one category with bids until they expire", ("auctions", "bids")),
        QueryCase("asof", "bids with the last auction that their bidder opened", ("bids", "auctions")),
        QueryCase("window", "persons with auctions in the same 10 s", ("persons", "auctions")),
        QueryCase("sliding", "persons with auctions in 10 s every 5 s", ("persons", "auctions")),
        QueryCase("bounded", "bids with auctions of one category", ("bids", "auctions")),
    ),
    queries={
        "sabotnb": "sabotnb.cli.bench.suites.joins_streams",
        "polars": "sabotnb.cli.bench.suites.joins_polars",
        "duckdb": "sabotnb.cli.bench.suites.joins_sql",
    },
)
