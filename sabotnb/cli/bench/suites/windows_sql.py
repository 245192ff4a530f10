"""The windows in SQL, for DuckDB; ``{bids}`` reads the files of a table."""

from __future__ import annotations

_TUMBLING = """
    SELECT time_bucket(INTERVAL '10 seconds', date_time) AS window_start, auction, count(*) AS n,
        window_start + INTERVAL '10 seconds' AS window_end FROM {%s} GROUP BY window_start, auction
"""

QUERIES = {
    "tumbling": _TUMBLING % "bids",
    "disorder": _TUMBLING % "disordered",
    "sliding": """
        WITH panes AS (
            SELECT auction % 1000 AS key, time_bucket(INTERVAL '1 second', date_time) AS pane, count(*) AS n
            FROM {bids} GROUP BY ALL
        ), starts AS (
            SELECT key, n, pane - to_seconds(seconds) AS window_start FROM panes, range(60) AS offsets(seconds)
        )
        SELECT window_start, key, sum(n)::BIGINT AS n, window_start + INTERVAL '60 seconds' AS window_end
        FROM starts GROUP BY window_start, key
    """,
    "session": """
        WITH marked AS (
            SELECT auction, date_time, coalesce(
                date_time - lag(date_time) OVER of_auction >= INTERVAL '2 seconds', true
            )::INT AS begins FROM {bids} WINDOW of_auction AS (PARTITION BY auction ORDER BY date_time)
        ), numbered AS (
            SELECT auction, date_time, sum(begins) OVER (PARTITION BY auction ORDER BY date_time) AS session FROM marked
        )
        SELECT min(date_time) AS window_start, max(date_time) + INTERVAL '2 seconds' AS window_end, auction,
            count(*) AS n FROM numbered GROUP BY auction, session
    """,
}
