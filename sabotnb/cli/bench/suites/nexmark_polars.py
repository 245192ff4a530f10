"""The Nexmark cases as lazy frames of polars."""

from __future__ import annotations

import polars as pl
from polars import col

from sabotnb.cli.bench.compare.engines import OpenTables
from sabotnb.cli.bench.suites.functions import PRICE_FACTOR, euros


def _persons_and_auctions(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    window = col("date_time").dt.truncate("10s").alias("window")
    persons = t.persons.select("id", "name", window)
    auctions = t.auctions.select("seller", col("id").alias("auction"), window)
    return persons.join(auctions, left_on=["id", "window"], right_on=["seller", "window"])


def _local_sellers(t: OpenTables[pl.LazyFrame]) -> pl.LazyFrame:
    auctions = t.auctions.filter(col("category") == 10)
    persons = t.persons.filter(col("state").is_in(["OR", "ID", "CA"])).select("id", "name", "city", "state")
    joined = auctions.join(persons, left_on="seller", right_on="id")
    return joined.select("name", "city", "state", col("id").alias("auction"))


QUERIES = {
    "W1": lambda t: t.bids.select(col("price") * PRICE_FACTOR).select(
        pl.len().alias("n"), col("price").sum().alias("total")
    ),
    "W2": lambda t: t.bids.filter(col("auction") % 123 == 0).select("auction", "price"),
    "W3": lambda t: t.bids.group_by("bidder").agg(
        pl.len().alias("n"), col("price").sum().alias("total"), col("price").max().alias("most")
    ),
    "W4": lambda t: t.bids.group_by("auction", col("date_time").dt.truncate("10s").alias("window")).agg(
        pl.len().alias("n")
    ),
    "W5": _persons_and_auctions,
    "W6": _local_sellers,
    "W7": lambda t: t.bids.group_by("channel").agg(pl.len().alias("n")),
    "W8": lambda t: t.some_bids.select(col("price").map_elements(euros, return_dtype=pl.Float64).alias("euros")).select(
        pl.len().alias("n"), col("euros").sum().alias("total")
    ),
    "top": lambda t: t.bids.top_k(10, by="price"),
    "distinct": lambda t: t.bids.select(col("bidder").n_unique().alias("n")),
}
