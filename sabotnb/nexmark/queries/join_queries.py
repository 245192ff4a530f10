"""Queries that add columns of other rows, whenever these came: q3, q13, q20. q3 and q20 join bounded streams."""

from __future__ import annotations

import pyarrow as pa

from sabotnb import Stream, col
from sabotnb.nexmark.event_streams import Streams
from sabotnb.nexmark.queries.query import query

SIDE_ROWS = 10_000


def side_input() -> pa.Table:
    """Return the table that q13 looks up: 10,000 keys, each with a text."""
    return pa.table({"key": range(SIDE_ROWS), "value": [f"value-{key}" for key in range(SIDE_ROWS)]})


@query(
    """
    SELECT p.name, p.city, p.state, a.id AS auction FROM {auctions} a JOIN {persons} p ON a.seller = p.id
    WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')
    """
)
def q3(s: Streams) -> Stream:
    """Local items: who sells items of one category in three states."""
    persons = s.persons.filter(col("state").is_in(["OR", "ID", "CA"])).select("id", "name", "city", "state")
    auctions = s.auctions.filter(col("category") == 10).select("seller", auction=col("id"))
    return auctions.join(persons, left_on="seller", right_on="id").select("name", "city", "state", "auction")


@query(
    f"""
    WITH side AS (SELECT range AS key, 'value-' || range AS value FROM range({SIDE_ROWS}))
    SELECT auction, bidder, price, date_time, value FROM {{bids}} JOIN side ON auction % {SIDE_ROWS} = key
    """  # noqa: S608
)
def q13(s: Streams) -> Stream:
    """Bounded side input: every bid with a text from a table of 10,000 rows (``side_input``)."""
    bids = s.bids.select("auction", "bidder", "price", "date_time", key=col("auction") % SIDE_ROWS)
    return bids.lookup_join(side_input(), on="key").drop("key")


@query(
    """
    SELECT b.*, a.item_name, a.description, a.initial_bid, a.reserve, a.date_time AS opened, a.expires, a.seller,
        a.category
    FROM {bids} b JOIN {auctions} a ON b.auction = a.id WHERE a.category = 10
    """
)
def q20(s: Streams) -> Stream:
    """Expand bids: every bid on an auction of one category, with the auction."""
    auctions = s.auctions.filter(col("category") == 10).rename({"date_time": "opened"})
    return s.bids.join(auctions, left_on="auction", right_on="id")
