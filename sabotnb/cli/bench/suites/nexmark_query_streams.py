"""The Nexmark queries q0 to q22 as streams of sabotnb."""

from __future__ import annotations

from functools import partial
from tempfile import TemporaryDirectory
from typing import Self

import sabotnb as sb
from sabotnb.cli.bench.compare.engines import OpenTables
from sabotnb.nexmark import Streams
from sabotnb.nexmark.queries import QUERIES as NEXMARK
from sabotnb.nexmark.queries import Query, Write


class WrittenAnswer:
    """An answer that the query writes into files; they are read only when it is compared."""

    def __init__(self, write: Write, answer: sb.Stream, name: str) -> None:
        self._folder = TemporaryDirectory(prefix="sabotnb-bench-")
        self._job = write(answer, self._folder.name), f"bench-{name}"

    def to_arrow(self) -> Self:
        """Run the job that writes."""
        sink, name = self._job
        sink.run(name).wait()
        return self

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return sb.Stream.from_parquet(self._folder.name).to_arrow().__arrow_c_stream__(requested_schema)


def _answer(query: Query, t: OpenTables[sb.Stream]) -> sb.Stream | WrittenAnswer:
    streams = Streams(*(getattr(t, name).with_event_time("date_time") for name in Streams._fields))
    answer = query.comparable(streams)
    return answer if query.write is None else WrittenAnswer(query.write, answer, query.name)


QUERIES = {name: partial(_answer, query) for name, query in NEXMARK.items()}
