"""Queries about the price for which an auction closes: q4, q6, q9. They are final when an auction expires.

The reference updates its answers with every bid. Here an auction counts from when it has expired, with the highest of
the bids that were made from its opening until before its expiry; auctions without such a bid have no price.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import Any, ClassVar

import pyarrow as pa

import sabotnb as sb
from sabotnb import Stream, col
from sabotnb.nexmark.event_streams import Streams
from sabotnb.nexmark.queries.query import query

WINNING = """
    SELECT a.id AS auction, a.seller, a.category, a.expires, b.bidder, b.price, b.date_time
    FROM {auctions} a JOIN {bids} b ON a.id = b.auction AND b.date_time >= a.date_time AND b.date_time < a.expires
    QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) = 1
"""
LAST = 10


def winning_bids(s: Streams) -> Stream:
    """Return the highest bid of each auction when it expires; of equal bids the first. ``window_end`` is the expiry."""
    auctions = s.auctions.select("date_time", "seller", "category", "expires", auction=col("id"))
    # Of equal prices ``top`` takes the row whose other columns are smallest, from the first on: those of the auction
    # are equal, and then comes the time of the bid.
    bids = s.bids.select("date_time", "auction", "bidder", "price")
    valid = auctions.interval_join(bids, on="auction", between=("0s", col("expires")), suffix="_of_bid").filter(
        col("date_time_of_bid") < col("expires")
    )
    return valid.group_by("auction").window(sb.until("expires")).top(1, by="price")


@query(f"SELECT category, avg(price) AS average FROM ({WINNING}) GROUP BY category")  # noqa: S608
def q4(s: Streams) -> Stream:
    """Average price of a category: of the winning bids of all auctions that have expired.

    The reference updates the average with every bid; here an auction counts when it expires.
    """
    return winning_bids(s).group_by("category").agg(average=col("price").mean())


class AverageOfLast(sb.KeyedProcess):
    """Returns, for each auction of a seller that expires, the average price of the last ten until then.

    Rows of a seller may come out of order, so a timer takes them in the order of their expiry, then of their numbers.
    """

    closing = sb.list_state(pa.struct([("expires", pa.timestamp("us")), ("auction", "int64"), ("price", "int64")]))
    prices = sb.list_state("int64")
    output: ClassVar = {"seller": "int64", "auction": "int64", "expires": pa.timestamp("us"), "average": "double"}

    def on_row(self, row: dict[str, Any], ctx: Any) -> None:
        self.closing.append({name: row[name] for name in ("expires", "auction", "price")})
        ctx.timer(ctx.event_time)

    def on_timer(self, at: datetime, ctx: Any) -> Iterator[dict[str, Any]]:
        until = at + timedelta(microseconds=1)
        closing = sorted(self.closing.get(), key=itemgetter("expires", "auction"))
        self.closing.set(closed for closed in closing if closed["expires"] > until)
        for closed in takewhile(lambda closed: closed["expires"] <= until, closing):
            last = [*self.prices.get(), closed["price"]][-LAST:]
            self.prices.set(last)
            yield {
                "seller": ctx.key,
                "auction": closed["auction"],
                "expires": closed["expires"],
                "average": sum(last) / len(last),
            }


@query(
    f"""
    SELECT seller, auction, expires, avg(price) OVER (
        PARTITION BY seller ORDER BY expires, auction ROWS BETWEEN {LAST - 1} PRECEDING AND CURRENT ROW
    ) AS average FROM ({WINNING})
    """  # noqa: S608
)
def q6(s: Streams) -> Stream:
    """Average selling price by seller: of the winning bids of their last ten auctions, with each that expires.

    The reference updates the last of these averages with every bid; here an auction counts when it expires.
    """
    return winning_bids(s).group_by("seller").process(AverageOfLast)


@query(WINNING)
def q9(s: Streams) -> Stream:
    """Winning bids: of each auction the highest bid, when the auction expires."""
    return winning_bids(s).select(
        "auction", "seller", "category", "expires", "bidder", "price", date_time=col("date_time_of_bid")
    )
