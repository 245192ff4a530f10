"""``Target``: where a stream's rows go when it runs: files, a function, or the last rows kept here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sabotnb import connectors
from sabotnb.api.running.pulling import Take
from sabotnb.api.stream_node import Naming, StreamPlan
from sabotnb.api.verbs import columns
from sabotnb.api.verbs.columns import Column
from sabotnb.blobs import fingerprint_here
from sabotnb.errors import SchemaError, SinkError
from sabotnb.expr import whole
from sabotnb.graph import Sink as SinkSpec

MODES = ("error", "append", "overwrite")


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A described sink. ``take`` is called with its batches in this process."""

    flow: StreamPlan
    take: Take | None = None

    @property
    def path(self) -> str | None:
        """The folder that it writes into; None for a sink without files."""
        spec = self.flow.node.spec
        return spec.options.get("path") if isinstance(spec, SinkSpec) else None

    def named(self, naming: Naming) -> Target:
        """The same sink, named and placed."""
        return replace(self, flow=self.flow.named(naming))


def to_files(
    flow: StreamPlan,
    connector: str,
    path: str | os.PathLike[str],
    mode: str,
    partition_by: Column | Sequence[Column] | None,
) -> Target:
    """Write files of one format into a folder."""
    if mode not in MODES:
        raise SinkError(f"mode is {mode!r}; choose one of {', '.join(map(repr, MODES))}")
    by = columns.names(columns.listed(partition_by), flow.schema) if partition_by is not None else ()
    if len(by) == len(flow.schema.names):
        raise SchemaError(f"partition_by names every column ({', '.join(by)}), so no column is left to write")
    if "" in by:
        raise SchemaError("partition_by names a column '', which no folder can be named after: rename it first")
    options: Mapping[str, Any] = {"path": connectors.output_folder(path), "mode": mode, "partition_by": list(by)}
    spec = SinkSpec(connector, options)
    connectors.sink(spec, flow.schema)  # refuses types that the format lacks; the task would do so too late
    return Target(flow.then(spec))


UPDATES_HELD = 1 << 16
"""Rows that a task holds for a live table of updates: a row that is dropped may be the only one of its key."""


def to_callback(flow: StreamPlan, fn: Take) -> Target:
    """Call ``fn`` with every batch, in this process."""
    if not callable(fn):
        raise SinkError(f"sink_callback needs a function of a RecordBatch, not {fn!r}")
    # The function stays here; its fingerprint makes a changed one a changed job.
    options = {"function": getattr(fn, "__name__", "callback"), "code": fingerprint_here(fn)[:16]}
    return Target(flow.then(SinkSpec("callback", options)), take=fn)


def to_live(flow: StreamPlan, keep: int) -> Target:
    """Keep the last ``keep`` rows in this process."""
    keep = whole(keep, SinkError(f"sink_live(keep={keep!r}): give a whole number of rows, at least 1"), 1)
    held = {} if flow.type.key is None else {"held": max(keep, UPDATES_HELD)}
    return Target(flow.then(SinkSpec("live", {"keep": keep, **held})))
