"""The registry of connectors: makes what reads a ``graph.Source`` from the format or kind that it names."""

from __future__ import annotations

import time
from collections.abc import Callable

from sabotnb.connectors.file_sources import file_connector
from sabotnb.connectors.formats.file_formats import READ_FORMATS
from sabotnb.connectors.sources import generators, memory_tables, rates, task_calls
from sabotnb.connectors.sources.batch_source import BatchSource
from sabotnb.connectors.sources.raw_batches import Connector, SourceEstimate
from sabotnb.errors import SourceError
from sabotnb.graph import Source as Spec

Clock = Callable[[], float]


def source(spec: Spec, clock: Clock = time.time) -> BatchSource:
    """The source for ``spec``: returns rows of its schema that pass its predicate, paced by ``clock``."""
    return BatchSource(spec, _connector(spec, clock), clock)


def estimate(spec: Spec) -> SourceEstimate:
    """The number of rows and bytes of ``spec``, from metadata, without pruned row groups."""
    return _connector(spec, time.time).estimate()


def _connector(spec: Spec, clock: Clock) -> Connector:
    match spec.connector:
        case "generator":
            return generators.Generator(spec)
        case "rate":
            return rates.Rate(spec, clock)
        case "table":
            return memory_tables.TableSlices(spec)
        case "tasks":
            return task_calls.TaskCalls(spec)
        case file_format if file_format in READ_FORMATS:
            return file_connector(spec, clock)
        case unknown:
            known = ", ".join(["generator", "rate", "table", "tasks", *READ_FORMATS])
            raise SourceError(f"there is no source connector {unknown!r}: use one of {known}")
