"""Run a flow on the first rows of its sources, in this process: for previews and function schemas."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from sabotnb import connectors
from sabotnb.api.running.compiling import compile_graph, sources, with_sources
from sabotnb.api.running.lowering import lower
from sabotnb.api.stream_node import StreamPlan
from sabotnb.connectors import BatchSource
from sabotnb.expr import python_rows
from sabotnb.graph import EventTime, JobGraph, Sink, Source
from sabotnb.protocol import Finished
from sabotnb.task import Makers

POLL_SECONDS = 0.01

LAST_PART = 0.2
"""Of a run's time: sources end before it, so that operators that wait for their end can give what they have."""


@dataclass(frozen=True, slots=True)
class SourceSample:
    """The first rows of one source; ``complete`` if it has no more, ``total`` its number of rows where it is known."""

    operator: str
    data: pa.Table
    complete: bool
    total: int | None
    event_time: EventTime | None
    computed_time: EventTime | None

    @property
    def spec(self) -> Source:
        """A source of these rows, with their event time."""
        return replace(connectors.table(self.data), event_time=self.event_time, computed_time=self.computed_time)


@dataclass(frozen=True, slots=True)
class SampledRun:
    """A run of a graph on samples. ``batches`` runs it while it is read; close it to end early.

    ``ran_out`` says, once it has ended, whether the time was up before all rows of the samples were used.
    """

    batches: Generator[pa.RecordBatch, None, None]
    sources: tuple[SourceSample, ...]
    ran_out: Callable[[], bool]


def run_on_sample(graph: JobGraph, rows: int, timeout: float, *, until: float | None = None) -> SampledRun:
    """Run ``graph``, which ends in one ``collect`` sink, on the first ``rows`` rows of each source.

    Endless sources are read for ``timeout`` seconds at most. The run ends at ``until`` (of ``time.monotonic``),
    or later by the time that planning took. Its sources end some time before that, so that groups and sorts can still
    emit their rows.
    """
    deadline = time.monotonic() + timeout
    samples = sampled_sources(sources(graph), rows, deadline)
    tables = {sample.operator: sample.spec for sample in samples}
    sampled = time.monotonic()
    compiled = compile_graph(with_sources(graph, tables), parallelism=1)
    if until is None:
        return SampledRun(compiled.run_here(), samples, lambda: False)
    until += time.monotonic() - sampled
    read_until = until - LAST_PART * max(0.0, until - time.monotonic())
    opened: list[connectors.TimedSample] = []
    sampled_tables = [table.table for table in tables.values()]

    def source(spec: Source) -> BatchSource:
        if spec.table not in sampled_tables:  # what a lookup join reads is not sampled
            return connectors.source(spec)
        opened.append(connectors.TimedSample(spec, read_until))
        return BatchSource(spec, opened[-1], time.time)

    batches = compiled.run_here(Makers(source=source), until)
    return SampledRun(batches, samples, lambda: time.monotonic() >= until or any(sample.ran_out for sample in opened))


def collected(flow: StreamPlan) -> JobGraph:
    """Return the job graph of ``flow`` with a ``collect`` sink, which is read here."""
    return lower((flow.then(Sink("collect")),)).graph


def sampled_sources(specs: Mapping[str, Source], rows: int, deadline: float) -> tuple[SourceSample, ...]:
    """Read the first ``rows`` rows of each source, or what it has until ``deadline`` (of ``time.monotonic``)."""
    return tuple(_sampled_source(name, spec, rows, deadline) for name, spec in specs.items())


def _sampled_source(operator: str, spec: Source, rows: int, deadline: float) -> SourceSample:
    event_time = spec.event_time
    if not spec.options.get("speed"):  # the clock runs where the sample is read, over its rows in their order
        spec = replace(spec, event_time=None)
    source = connectors.source(spec)
    batches: list[pa.RecordBatch] = []
    wanted = rows
    splits = source.splits()
    while splits and wanted > 0:
        reader = source.open(splits[0])
        try:
            wanted, ended = _read(reader, wanted, deadline, batches)
        finally:
            reader.close()
        if not ended:
            break
        del splits[0]
    data = pa.Table.from_batches(batches, schema=spec.schema)
    return SourceSample(
        operator,
        data,
        complete=not splits,
        total=connectors.estimate(spec).rows,
        event_time=event_time,
        computed_time=spec.computed_time,
    )


def _read(reader: Any, wanted: int, deadline: float, into: list[pa.RecordBatch]) -> tuple[int, bool]:
    """Read up to ``wanted`` rows; returns how many are still wanted, and whether the split has ended."""
    while wanted > 0:
        polled = reader.poll(wanted)
        if isinstance(polled, Finished):
            return wanted, True
        if polled is not None:
            for batch in (polled.rows, polled.delayed):
                if batch is not None and batch.num_rows:
                    into.append(batch.select(polled.rows.schema.names))
                    wanted -= batch.num_rows
        elif time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)  # an endless source has no rows yet
        if time.monotonic() >= deadline:
            break
    return wanted, False


def rows_of(flow: StreamPlan, rows: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``flow``, as dicts, over the first ``rows`` rows of each source."""
    for batch in run_on_sample(collected(flow), rows, timeout=2.0).batches:
        yield from python_rows(batch)
