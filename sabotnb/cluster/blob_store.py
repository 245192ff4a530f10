"""Holds jobs' functions and tables as opaque bytes on the scheduler, on their way from clients to agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Run = tuple[str, int]
"""A job's name and epoch."""

Blobs = Mapping[str, Any]
"""Bytes by sha256, passed on in whatever form they came: plain, or as Dask's unread frames."""


class BlobStore:
    """Blobs of the runs that have not ended, and which agents already have them."""

    def __init__(self) -> None:
        self._blobs: dict[Run, Blobs] = {}
        self._sent: set[tuple[str, Run]] = set()

    def keep(self, run: Run, blobs: Blobs) -> None:
        """Keep ``blobs`` until ``drop_below``."""
        self._blobs[run] = blobs

    def to_deploy(self, agent: str, run: Run) -> Blobs:
        """Blobs to send with the tasks of ``run``; the agent keeps them until the run is over."""
        self._sent.add((agent, run))
        return self._blobs.get(run, {})

    def to_commit(self, agent: str, run: Run) -> Blobs:
        """Blobs to send with a commit of ``run``; none if the agent ran tasks of it and so has them."""
        return {} if (agent, run) in self._sent else self._blobs.get(run, {})

    def drop_below(self, job: str, epoch: int) -> None:
        """Drop the blobs of runs of ``job`` before ``epoch``."""
        self._blobs = {run: blobs for run, blobs in self._blobs.items() if run[0] != job or run[1] >= epoch}
        self._sent = {(agent, run) for agent, run in self._sent if run[0] != job or run[1] >= epoch}

    def forget_agent(self, agent: str) -> None:
        """``agent`` is gone, and so are the blobs that it had."""
        self._sent = {(other, run) for other, run in self._sent if other != agent}
