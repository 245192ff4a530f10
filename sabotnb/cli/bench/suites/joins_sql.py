"""The joins by time in SQL, for DuckDB."""

from __future__ import annotations

OF_BIDS = "SELECT count(*) AS n, sum(price) AS price, sum(category) AS category"
WITH_BIDS = f"""
    {OF_BIDS} FROM {{auctions}} a JOIN {{bids}} b ON a.id = b.auction AND b.date_time BETWEEN a.date_time
"""
WINDOWED = """
    SELECT count(*) AS n, sum(a.id) AS auction, max(p.state) AS state
    FROM {persons} p JOIN {auctions} a ON p.id = a.seller
"""
WINDOW = "time_bucket(INTERVAL '{} seconds', {}.date_time - INTERVAL '{} seconds')"


def _same_window(seconds: int, back: int = 0) -> str:
    return " = ".join(WINDOW.format(seconds, side, back) for side in "pa")


QUERIES = {
    "until": f"{WITH_BIDS} AND a.expires",
    "range": f"{WITH_BIDS} AND a.date_time + INTERVAL '5 seconds'",
    "filtered": f"{WITH_BIDS} AND a.expires WHERE category = 10",
    "asof": """
        SELECT count(*) AS n, sum(price) AS price, sum(reserve) AS found
        FROM {bids} b ASOF LEFT JOIN {auctions} a ON b.bidder = a.seller AND b.date_time >= a.date_time
    """,
    "window": f"{WINDOWED} AND {_same_window(10)}",
    "sliding": f"""
        SELECT sum(n) AS n, sum(auction) AS auction, max(state) AS state FROM
        ({WINDOWED} AND {_same_window(10)} UNION ALL {WINDOWED} AND {_same_window(10, 5)})
    """,  # noqa: S608
    "bounded": f"{OF_BIDS} FROM {{bids}} b JOIN {{auctions}} a ON b.auction = a.id WHERE category = 10",
}
