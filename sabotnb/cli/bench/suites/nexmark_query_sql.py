"""The Nexmark queries q0 to q22 in SQL, for DuckDB."""

from __future__ import annotations

from sabotnb.nexmark.queries import QUERIES as NEXMARK

QUERIES = {name: query.sql for name, query in NEXMARK.items()}
