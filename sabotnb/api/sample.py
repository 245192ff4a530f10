"""Running a flow on the first rows of its sources, in this process: for heads, schemas of functions, range bounds."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb import connectors
from sabotnb.api.compiling import compile_graph, sources, with_sources
from sabotnb.api.flow import Flow
from sabotnb.api.lower import lower
from sabotnb.graph import JobGraph, Sink, Source
from sabotnb.protocol.source import Finished

POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class SourceSample:
    """The first rows of one source; ``complete`` if it has no more, ``total`` its number of rows where it is known."""

    operator: str
    data: pa.Table
    complete: bool
    total: int | None


@dataclass(frozen=True, slots=True)
class SampledRun:
    """Rows that a flow makes of samples. ``batches`` runs while it is read; close it to end early."""

    batches: Generator[pa.RecordBatch, None, None]
    sources: tuple[SourceSample, ...]


def run_on_sample(graph: JobGraph, rows: int, timeout: float) -> SampledRun:
    """Run ``graph``, which ends in one ``collect`` sink, on the first ``rows`` rows of each source.

    Endless sources are read for ``timeout`` seconds at most.
    """
    deadline = time.monotonic() + timeout
    samples = tuple(sample_source(name, spec, rows, deadline) for name, spec in sources(graph).items())
    tables = {sample.operator: connectors.table(sample.data) for sample in samples}
    return SampledRun(compile_graph(with_sources(graph, tables), parallelism=1).run_here(), samples)


def collected(flow: Flow) -> JobGraph:
    """The job graph of ``flow`` whose rows are read here."""
    return lower((flow.then(Sink("collect")),)).graph


def sample_source(operator: str, spec: Source, rows: int, deadline: float) -> SourceSample:
    """Read the first ``rows`` rows of a source, or what it has until ``deadline`` (of ``time.monotonic``)."""
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
    return SourceSample(operator, data, complete=not splits, total=connectors.estimate(spec).rows)


def _read(reader: Any, wanted: int, deadline: float, into: list[pa.RecordBatch]) -> tuple[int, bool]:
    """Read up to ``wanted`` rows; returns how many are still wanted, and whether the split has ended."""
    while wanted > 0:
        polled = reader.poll(wanted)
        if isinstance(polled, Finished):
            return wanted, True
        if polled is not None:
            batch, _ = polled
            into.append(batch)
            wanted -= batch.num_rows
        elif time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)  # an endless source has nothing yet
        if time.monotonic() >= deadline:
            break
    return wanted, False


def rows_of(flow: Flow, rows: int) -> Iterator[dict[str, Any]]:
    """The rows, as dicts, that ``flow`` makes of the first ``rows`` rows of each source."""
    for batch in run_on_sample(collected(flow), rows, timeout=2.0).batches:
        yield from batch.to_pylist()
