"""A Nexmark query: the stream that answers it, and the SQL with the same answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from sabotnb.api import Sink, Stream
from sabotnb.nexmark.event_streams import Streams

Write = Callable[[Stream, str], Sink]
"""Writes the answer of a query into a folder."""


@dataclass(frozen=True)
class Query:
    """A query of the benchmark. Calling it with the streams of a site returns the stream of its answer.

    ``sql`` is for DuckDB; ``{bids}``, ``{auctions}`` and ``{persons}`` stand for the tables.
    """

    name: str
    says: str
    """What the query asks."""
    stream: Callable[[Streams], Stream]
    sql: str
    reads: tuple[str, ...]
    """The tables of which it reads rows."""
    total: Callable[[Stream], Stream] | None = None
    """Makes of the answer what ``sql`` returns, where the rows of the answer depend on when the query runs."""
    write: Write | None = None
    """How the query writes its answer, where that is part of it."""

    @property
    def title(self) -> str:
        """The name that the benchmark has for the question: what ``says`` begins with."""
        return self.says.partition(":")[0]

    def __call__(self, streams: Streams) -> Stream:
        return self.stream(streams)

    def comparable(self, streams: Streams) -> Stream:
        """Return a stream of rows that are equal to those of ``sql``."""
        answer = self.stream(streams)
        return answer if self.total is None else self.total(answer)


def query(
    sql: str,
    *,
    total: Callable[[Stream], Stream] | None = None,
    write: Write | None = None,
) -> Callable[[Callable[[Streams], Stream]], Query]:
    """Make a query of a function from the streams of a site to an answer; its docstring says what it asks."""

    def decorate(stream: Callable[[Streams], Stream]) -> Query:
        reads = tuple(name for name in Streams._fields if f"{{{name}}}" in sql)
        return Query(stream.__name__, inspect.getdoc(stream) or "", stream, inspect.cleandoc(sql), reads, total, write)

    return decorate
