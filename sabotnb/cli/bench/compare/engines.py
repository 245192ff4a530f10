"""The engines: how each one opens a table, runs a query of its own kind and holds the answer.

Settings are the engine's defaults except for the number of threads (for sabotnb: worker processes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa

Answer = Any
"""What the engine returns to its user; ``to_table`` makes an Arrow table of it, outside the measurement."""

RunQuery = Callable[[Any], Answer]


class Start(Protocol):
    """Start an engine: paths of tables (globs), threads; gives what runs a query while the context lasts."""

    def __call__(self, paths: Mapping[str, str], threads: int) -> AbstractContextManager[RunQuery]: ...


T = TypeVar("T")


class OpenTables(Generic[T]):
    """``tables.bids`` opens the table ``bids``, each time it is asked for: as what the engine calls a table."""

    def __init__(self, paths: Mapping[str, str], opened: Callable[[str], T]) -> None:
        self._paths = paths
        self._opened = opened

    def __getattr__(self, name: str) -> T:
        return self._opened(self._paths[name])


@contextmanager
def _sabotnb(paths: Mapping[str, str], threads: int) -> Any:
    import sabotnb as sb

    tables = OpenTables(paths, sb.Stream.from_parquet)
    with sb.local(workers=threads):
        yield lambda query: query(tables).to_arrow()


@contextmanager
def _polars(paths: Mapping[str, str], threads: int) -> Any:  # noqa: ARG001  its threads are set in the environment
    import polars as pl

    tables = OpenTables(paths, pl.scan_parquet)
    yield lambda query: query(tables).collect(engine="streaming")


@contextmanager
def _duckdb(paths: Mapping[str, str], threads: int) -> Any:
    import duckdb

    from sabotnb.cli.bench.suites.functions import euros

    reads = {name: f"read_parquet('{path}')" for name, path in paths.items()}
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.create_function("euros", euros, ["BIGINT"], "DOUBLE")
        yield lambda sql: connection.sql(sql.format(**reads)).to_arrow_table()


def _plain(paths: Mapping[str, str], threads: int) -> AbstractContextManager[RunQuery]:
    """A library that is called directly: the query opens what it reads."""
    tables = OpenTables(paths, str)
    return nullcontext(lambda query: query(tables, threads))


@dataclass(frozen=True)
class Engine:
    """``distribution`` is what has to be installed; ``variable`` is where the engine reads its number of threads."""

    name: str
    distribution: str
    start: Start
    variable: str = ""

    def version(self) -> str | None:
        """The installed version; None if there is none."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None


ENGINES = {
    engine.name: engine
    for engine in (
        Engine("sabotnb", "sabotnb", _sabotnb),
        Engine("polars", "polars", _polars, "POLARS_MAX_THREADS"),
        Engine("duckdb", "duckdb", _duckdb),
        Engine("bytewax", "bytewax", _plain),
        Engine("streamz", "streamz", _plain),
    )
}
OURS = "sabotnb"


def to_table(answer: Answer) -> pa.Table:
    """An answer of any engine as an Arrow table."""
    return answer if isinstance(answer, pa.Table) else pa.table(answer)
