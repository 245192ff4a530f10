"""Queries about groups of bids without an end in time: q15 to q19. Over bounded streams they return final values."""

from __future__ import annotations

import sabotnb as sb
from sabotnb import Expr, Stream, col
from sabotnb.nexmark.event_streams import Streams
from sabotnb.nexmark.queries.query import query

DEAR = 1_000_000
CHEAP = 10_000

RANKS = {
    "rank1": col("price") < CHEAP,
    "rank2": (col("price") >= CHEAP) & (col("price") < DEAR),
    "rank3": col("price") >= DEAR,
}


def bids_by_rank() -> dict[str, Expr]:
    """Count the bids, in all and of each rank of prices."""
    counts = {f"{rank}_bids": sb.when(condition).then(1).count() for rank, condition in RANKS.items()}
    return {"total_bids": sb.count(), **counts}


def distinct_by_rank(column: str) -> dict[str, Expr]:
    """Count the distinct values of ``column``, in all and of each rank of prices."""
    counts = {f"{rank}_{column}s": sb.when(condition).then(col(column)).n_unique() for rank, condition in RANKS.items()}
    return {f"total_{column}s": col(column).n_unique(), **counts}


STATISTICS = """
    count(*) AS total_bids,
    count(*) FILTER (price < 10000) AS rank1_bids,
    count(*) FILTER (price >= 10000 AND price < 1000000) AS rank2_bids,
    count(*) FILTER (price >= 1000000) AS rank3_bids
"""
DISTINCT = """
    count(DISTINCT bidder) AS total_bidders,
    count(DISTINCT bidder) FILTER (price < 10000) AS rank1_bidders,
    count(DISTINCT bidder) FILTER (price >= 10000 AND price < 1000000) AS rank2_bidders,
    count(DISTINCT bidder) FILTER (price >= 1000000) AS rank3_bidders,
    count(DISTINCT auction) AS total_auctions,
    count(DISTINCT auction) FILTER (price < 10000) AS rank1_auctions,
    count(DISTINCT auction) FILTER (price >= 10000 AND price < 1000000) AS rank2_auctions,
    count(DISTINCT auction) FILTER (price >= 1000000) AS rank3_auctions
"""


@query(f"SELECT strftime(date_time, '%Y-%m-%d') AS day, {STATISTICS}, {DISTINCT} FROM {{bids}} GROUP BY day")  # noqa: S608
def q15(s: Streams) -> Stream:
    """Statistics of each day: bids, distinct bidders and distinct auctions, in all and for three ranks of prices."""
    day = col("date_time").dt.strftime("%Y-%m-%d")
    return s.bids.group_by(day=day).agg(**bids_by_rank(), **distinct_by_rank("bidder"), **distinct_by_rank("auction"))


@query(
    f"""
    SELECT channel, strftime(date_time, '%Y-%m-%d') AS day, max(strftime(date_time, '%H:%M')) AS minute,
        {STATISTICS}, {DISTINCT}
    FROM {{bids}} GROUP BY channel, day
    """  # noqa: S608
)
def q16(s: Streams) -> Stream:
    """Statistics of each channel and day: those of q15, with the minute of the last bid."""
    time = col("date_time").dt
    return s.bids.group_by("channel", day=time.strftime("%Y-%m-%d")).agg(
        minute=time.strftime("%H:%M").max(),
        **bids_by_rank(),
        **distinct_by_rank("bidder"),
        **distinct_by_rank("auction"),
    )


@query(
    f"""
    SELECT auction, strftime(date_time, '%Y-%m-%d') AS day, {STATISTICS},
        min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price, sum(price) AS sum_price
    FROM {{bids}} GROUP BY auction, day
    """  # noqa: S608
)
def q17(s: Streams) -> Stream:
    """Statistics of each auction and day: bids for three ranks of prices; lowest, highest, average and total price."""
    price = col("price")
    return s.bids.group_by("auction", day=col("date_time").dt.strftime("%Y-%m-%d")).agg(
        **bids_by_rank(), min_price=price.min(), max_price=price.max(), avg_price=price.mean(), sum_price=price.sum()
    )


@query("SELECT * FROM {bids} QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC) = 1")
def q18(s: Streams) -> Stream:
    """Last bids: the latest bid of each bidder on each auction."""
    return s.bids.group_by("bidder", "auction").latest()


@query(
    """
    SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, bidder, channel, url, date_time) AS rank
    FROM {bids} QUALIFY rank <= 10
    """
)
def q19(s: Streams) -> Stream:
    """Top ten: the ten highest bids of each auction, with their rank."""
    return s.bids.group_by("auction").top(10, by="price", rank="rank")
