"""The Nexmark cases in SQL, for DuckDB; ``{bids}`` reads the files of a table."""

from __future__ import annotations

from sabotnb.cli.bench.suites.functions import PRICE_FACTOR

QUERIES = {
    "W1": f"SELECT count(*) AS n, sum(price * {PRICE_FACTOR}::DOUBLE) AS total FROM {{bids}}",  # noqa: S608
    "W2": "SELECT auction, price FROM {bids} WHERE auction % 123 = 0",
    "W3": "SELECT bidder, count(*) AS n, sum(price) AS total, max(price) AS most FROM {bids} GROUP BY bidder",
    "W4": """
        SELECT auction, time_bucket(INTERVAL '10 seconds', date_time) AS window, count(*) AS n FROM {bids} GROUP BY ALL
    """,
    "W5": """
        SELECT p.id, p.name, time_bucket(INTERVAL '10 seconds', p.date_time) AS window, a.id AS auction
        FROM {persons} p JOIN {auctions} a ON p.id = a.seller
        AND time_bucket(INTERVAL '10 seconds', p.date_time) = time_bucket(INTERVAL '10 seconds', a.date_time)
    """,
    "W6": """
        SELECT p.name, p.city, p.state, a.id AS auction FROM {auctions} a JOIN {persons} p ON a.seller = p.id
        WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')
    """,
    "W7": "SELECT channel, count(*) AS n FROM {bids} GROUP BY channel",
    "W8": "SELECT count(*) AS n, sum(euros(price)) AS total FROM {some_bids}",
    "top": "SELECT * FROM {bids} ORDER BY price DESC LIMIT 10",
    "distinct": "SELECT count(DISTINCT bidder) AS n FROM {bids}",
}
