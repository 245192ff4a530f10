"""The Nexmark queries q0 to q22 in the Stream API, each with the DuckDB SQL that has the same answer.

``sb.nexmark.queries.q5(sb.nexmark.streams(1_000_000)).to_pandas()`` is the answer of q5, ``q5.sql`` its SQL and
``q5.says`` what it asks. The questions are those of Nexmark for Flink (github.com/nexmark/nexmark) and Apache Beam.
Windows are half-open. ``QUERIES`` has all by name.
"""

from sabotnb.nexmark.queries.closing_queries import q4, q6, q9
from sabotnb.nexmark.queries.group_queries import q15, q16, q17, q18, q19
from sabotnb.nexmark.queries.join_queries import q3, q13, q20, side_input
from sabotnb.nexmark.queries.query import Query, Write
from sabotnb.nexmark.queries.row_queries import q0, q1, q2, q10, q14, q21, q22
from sabotnb.nexmark.queries.window_queries import q5, q7, q8, q11, q12

QUERIES = {
    query.name: query
    for query in (
        *(q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11),
        *(q12, q13, q14, q15, q16, q17, q18, q19, q20, q21, q22),
    )
}
"""The queries by name."""

__all__ = [
    "QUERIES",
    "Query",
    "Write",
    "q0",
    "q1",
    "q2",
    "q3",
    "q4",
    "q5",
    "q6",
    "q7",
    "q8",
    "q9",
    "q10",
    "q11",
    "q12",
    "q13",
    "q14",
    "q15",
    "q16",
    "q17",
    "q18",
    "q19",
    "q20",
    "q21",
    "q22",
    "side_input",
]


def __dir__() -> list[str]:
    return __all__
