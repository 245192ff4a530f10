"""The methods of ``Stream`` that end one in a sink, and ``run``, which starts a job at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.api.env import Env
from sabotnb.api.fluent.stream_base import StreamBase
from sabotnb.api.handles.job import Job
from sabotnb.api.sink import Sink
from sabotnb.api.verbs import targets
from sabotnb.api.verbs.columns import Columns

Path = str | os.PathLike[str]


class SinkMethods(StreamBase):
    """The sinks. Nothing is computed before ``run``."""

    __slots__ = ()

    def sink_parquet(self, path: Path, mode: str = "error", partition_by: Columns | None = None) -> Sink:
        """Write Parquet files into folder ``path``; they appear when the job has finished.

        ``mode``: error (the folder must be empty or this job's own), append, overwrite. ``partition_by``: one folder
        for each value (``carrier=AA/``) instead of a column in the files. Read back, it is the last column, of the same
        type; from CSV and JSON of the type that the values suggest, or ``schema=`` declares.
        """
        return Sink(targets.to_files(self.flow, "parquet", path, mode, partition_by))

    def sink_csv(self, path: Path, mode: str = "error", partition_by: Columns | None = None) -> Sink:
        """Write CSV files with a header; see ``sink_parquet``. Refuses types and values that CSV cannot hold."""
        return Sink(targets.to_files(self.flow, "csv", path, mode, partition_by))

    def sink_json(self, path: Path, mode: str = "error", partition_by: Columns | None = None) -> Sink:
        """Write files of one JSON object per line; see ``sink_parquet``.

        Dates, decimals and bytes (base64) are text, durations are seconds: declare them to read them back. NaN and
        infinity, which JSON lacks, fail the job.
        """
        return Sink(targets.to_files(self.flow, "json", path, mode, partition_by))

    def sink_ipc(self, path: Path, mode: str = "error", partition_by: Columns | None = None) -> Sink:
        """Write Arrow IPC (Feather) files; see ``sink_parquet``."""
        return Sink(targets.to_files(self.flow, "ipc", path, mode, partition_by))

    def sink_callback(self, fn: Callable[[pa.RecordBatch], Any]) -> Sink:
        """Call ``fn`` with every batch, in a separate thread of this process."""
        return Sink(targets.to_callback(self.flow, fn))

    def sink_live(self, keep: int = 1000) -> Sink:
        """Keep the last ``keep`` rows here: ``job.rows``, or ``job.rows_of(sink)`` if the job has several."""
        return Sink(targets.to_live(self.flow, keep))

    def run(
        self,
        name: str | None = None,
        *,
        parallelism: int | None = None,
        drop_state: str | Sequence[str] = (),
        fresh: bool = False,
        env: Env | None = None,
    ) -> Job:
        """Start a job that keeps the last rows in this process: ``.sink_live().run()``."""
        return self.sink_live().run(name, parallelism=parallelism, drop_state=drop_state, fresh=fresh, env=env)
