"""The Nexmark queries q0 to q22, as they are in ``sabotnb.nexmark.queries``."""

from __future__ import annotations

from sabotnb.cli.bench.compare.suite import QueryCase, QuerySet
from sabotnb.nexmark.queries import QUERIES

SUITE = QuerySet(
    name="nexmark-queries",
    cases=tuple(QueryCase(query.name, query.title, query.reads) for query in QUERIES.values()),
    queries={
        "sabotnb": "sabotnb.cli.bench.suites.nexmark_query_streams",
        "duckdb": "sabotnb.cli.bench.suites.nexmark_query_sql",
    },
)
