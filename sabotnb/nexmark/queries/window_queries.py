"""Queries about windows of time: q5, q7, q8, q11, q12. Windows are half-open: [start, end)."""

from __future__ import annotations

import sabotnb as sb
from sabotnb import Stream, col
from sabotnb.nexmark.event_streams import Streams
from sabotnb.nexmark.queries.query import query


@query(
    """
    WITH counts AS (
        SELECT time_bucket(INTERVAL '2 seconds', date_time) - to_seconds(2 * step) AS window_start,
            window_start + INTERVAL '10 seconds' AS window_end, auction, count(*) AS n
        FROM {bids}, range(5) AS steps(step) GROUP BY ALL
    )
    SELECT * FROM counts QUALIFY n = max(n) OVER (PARTITION BY window_start)
    """
)
def q5(s: Streams) -> Stream:
    """Hot items: the auctions with the most bids in the last ten seconds, every two seconds."""
    counts = s.bids.group_by("auction").window(sb.sliding("10s", every="2s")).agg(n=sb.count())
    return counts.window(sb.same_window()).top(1, by="n", ties=True)


@query(
    """
    SELECT time_bucket(INTERVAL '10 seconds', date_time) AS window_start,
        window_start + INTERVAL '10 seconds' AS window_end, auction, bidder, price, date_time
    FROM {bids} QUALIFY price = max(price) OVER (PARTITION BY window_start)
    """
)
def q7(s: Streams) -> Stream:
    """Highest bid: the bids of the highest price of every ten seconds."""
    bids = s.bids.select("auction", "bidder", "price", "date_time")
    return bids.window(sb.tumbling("10s")).top(1, by="price", ties=True)


@query(
    """
    SELECT DISTINCT p.id, p.name, time_bucket(INTERVAL '10 seconds', p.date_time) AS window_start
    FROM {persons} p JOIN {auctions} a ON p.id = a.seller
    AND time_bucket(INTERVAL '10 seconds', p.date_time) = time_bucket(INTERVAL '10 seconds', a.date_time)
    """
)
def q8(s: Streams) -> Stream:
    """Monitor new users: persons who opened an auction in the ten seconds in which they registered."""
    joined = s.persons.join(s.auctions, left_on="id", right_on="seller", how="semi", window=sb.tumbling("10s"))
    return joined.select("id", "name", "window_start")


@query(
    """
    WITH ordered AS (
        SELECT bidder, date_time, coalesce(
            date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time) >= INTERVAL '10 seconds', true
        ) AS is_first FROM {bids}
    ), numbered AS (
        SELECT *, count(*) FILTER (is_first) OVER (PARTITION BY bidder ORDER BY date_time) AS session FROM ordered
    )
    SELECT min(date_time) AS window_start, max(date_time) + INTERVAL '10 seconds' AS window_end, bidder, count(*) AS n
    FROM numbered GROUP BY bidder, session
    """
)
def q11(s: Streams) -> Stream:
    """User sessions: the bids of each bidder between pauses of ten seconds or more."""
    return s.bids.group_by("bidder").window(sb.session("10s")).agg(n=sb.count())


def total_of_windows(counts: Stream) -> Stream:
    """Add up the windows of each bidder: rows arrive in other windows whenever the query runs."""
    return counts.group_by("bidder").agg(n=col("n").sum())


@query("SELECT bidder, count(*) AS n FROM {bids} GROUP BY bidder", total=total_of_windows)
def q12(s: Streams) -> Stream:
    """Processing-time windows: the bids of each bidder that arrive in the same ten seconds."""
    return s.bids.group_by("bidder").window(sb.tumbling("10s", time="processing")).agg(n=sb.count())
