"""The h2o questions in SQL, for DuckDB; ``{groups}`` reads the files of a table."""

from __future__ import annotations

QUERIES = {
    "g1": "SELECT id1, sum(v1) AS v1 FROM {groups} GROUP BY id1",
    "g2": "SELECT id1, id2, sum(v1) AS v1 FROM {groups} GROUP BY id1, id2",
    "g3": "SELECT id3, sum(v1) AS v1, avg(v3) AS v3 FROM {groups} GROUP BY id3",
    "g4": "SELECT id4, avg(v1) AS v1, avg(v2) AS v2, avg(v3) AS v3 FROM {groups} GROUP BY id4",
    "g5": "SELECT id6, sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3 FROM {groups} GROUP BY id6",
    "g6": "SELECT id4, id5, median(v3) AS median, stddev(v3) AS sd FROM {groups} GROUP BY id4, id5",
    "g7": "SELECT id3, max(v1) - min(v2) AS range FROM {groups} GROUP BY id3",
    "g8": "SELECT id6, unnest(max(v3, 2)) AS largest2 FROM {groups} GROUP BY id6",
    "g9": "SELECT id2, id4, corr(v1, v2) ** 2 AS r2 FROM {groups} GROUP BY id2, id4",
    "g10": """
        SELECT id1, id2, id3, id4, id5, id6, sum(v3) AS v3, count(*) AS n FROM {groups}
        GROUP BY id1, id2, id3, id4, id5, id6
    """,
    "j1": "SELECT x.*, y.id4 AS id4_right, y.v2 FROM {x} x JOIN {small} y USING (id1)",
    "j2": """
        SELECT x.*, y.id1 AS id1_right, y.id4 AS id4_right, y.id5 AS id5_right, y.v2
        FROM {x} x JOIN {medium} y USING (id2)
    """,
    "j3": """
        SELECT x.*, y.id1 AS id1_right, y.id4 AS id4_right, y.id5 AS id5_right, y.v2
        FROM {x} x LEFT JOIN {medium} y USING (id2)
    """,
    "j4": """
        SELECT x.*, y.id1 AS id1_right, y.id2 AS id2_right, y.id4 AS id4_right, y.v2
        FROM {x} x JOIN {medium} y USING (id5)
    """,
    "j5": """
        SELECT x.*, y.id1 AS id1_right, y.id2 AS id2_right, y.id4 AS id4_right, y.id5 AS id5_right,
            y.id6 AS id6_right, y.v2
        FROM {x} x JOIN {big} y USING (id3)
    """,
}
