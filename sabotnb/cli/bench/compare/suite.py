"""What a suite is: names of cases, and for each engine the module that holds its queries. A suite is data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sabotnb.errors import EnvError

SUITES = {
    "nexmark": "sabotnb.cli.bench.suites.nexmark_suite",
    "tpch": "sabotnb.cli.bench.suites.tpch_suite",
    "h2o": "sabotnb.cli.bench.suites.h2o_suite",
    "windows": "sabotnb.cli.bench.suites.windows_suite",
}
"""Suite -> module with its ``SUITE``."""

QUERY_SETS = SUITES | {
    "nexmark-queries": "sabotnb.cli.bench.suites.nexmark_queries_suite",
    "joins": "sabotnb.cli.bench.suites.joins_suite",
}
"""Also what is measured over data that are not written for the benchmark."""

Write = Callable[[Path, float, "FileKind"], None]
"""Writes the tables of a suite into a folder, at a size, as files of a kind."""


@dataclass(frozen=True)
class FileKind:
    """Who writes the Parquet files and with which codec; everything else is that writer's default."""

    writer: str
    codec: str

    @property
    def name(self) -> str:
        """As given on the command line: ``duckdb-snappy``."""
        return f"{self.writer}-{self.codec}"


FILE_KINDS = {kind.name: kind for kind in (FileKind("duckdb", "snappy"), FileKind("polars", "zstd"))}


@dataclass(frozen=True)
class QueryCase:
    """One query. ``tables`` are those it reads; ``checked`` names the result columns to compare (default: all).

    ``weight`` is its part in the time that cases share: how long it takes beside the others, roughly.
    """

    name: str
    title: str
    tables: tuple[str, ...]
    checked: tuple[str, ...] = ()
    weight: float = 1


@dataclass(frozen=True)
class QuerySet:
    """Cases and their queries.

    ``queries`` maps an engine to a module whose ``QUERIES`` maps the name of a case to what that engine runs; a case
    without one is not expressed there.
    """

    name: str
    cases: tuple[QueryCase, ...]
    queries: Mapping[str, str]

    def engine_queries(self, engine: str) -> Mapping[str, Any]:
        """The queries of an engine by case; this imports the engine."""
        queries: Mapping[str, Any] = import_module(self.queries[engine]).QUERIES
        return queries


@dataclass(frozen=True)
class Suite(QuerySet):
    """Cases over one set of tables, which are written for the benchmark.

    ``size`` is the default, in ``unit``; ``kind`` is that of the files if none is asked for. ``version`` changes with
    the data.
    """

    write: Write
    size: float
    unit: str
    kind: str
    version: int


def load(name: str) -> Suite:
    """The suite of that name, or of a module that has one."""
    suite = load_queries(name)
    if not isinstance(suite, Suite):
        raise _unknown(name)
    return suite


def load_queries(name: str) -> QuerySet:
    """The queries of that name, or of a module that has a ``SUITE``."""
    module = QUERY_SETS.get(name, name)
    try:
        found: QuerySet = import_module(module).SUITE
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise _unknown(name) from None
    return found


def _unknown(name: str) -> EnvError:
    return EnvError(f"'{name}' is not a suite; choose from {', '.join(SUITES)}")
