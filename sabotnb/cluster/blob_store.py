"""Functions and tables of jobs on their way from clients to agents; the scheduler never looks into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Run = tuple[str, int]
"""A job's name and epoch."""

Blobs = Mapping[str, Any]
"""Bytes by sha256, passed on in whatever form they came: plain, or as Dask's unread frames."""


class BlobStore:
    """What runs that are not over need, and which agents have been sent it."""

    def __init__(self) -> None:
        self._blobs: dict[Run, Blobs] = {}
        self._sent: set[tuple[str, Run]] = set()

    def keep(self, run: Run, blobs: Blobs) -> None:
        """Keep ``blobs`` until ``drop_below``."""
        self._blobs[run] = blobs

    def to_deploy(self, agent: str, run: Run) -> Blobs:
        """What ``agent`` is sent with the tasks of ``run``; it keeps that until the run is over."""
        self._sent.add((agent, run))
        return self._blobs.get(run, {})

    def to_commit(self, agent: str, run: Run) -> Blobs:
        """What ``agent`` is sent to publish the output of ``run``: nothing if it has run tasks of it."""
        return {} if (agent, run) in self._sent else self._blobs.get(run, {})

    def drop_below(self, job: str, epoch: int) -> None:
        """Forget the runs of ``job`` before ``epoch``."""
        self._blobs = {run: blobs for run, blobs in self._blobs.items() if run[0] != job or run[1] >= epoch}
        self._sent = {(agent, run) for agent, run in self._sent if run[0] != job or run[1] >= epoch}

    def forget_agent(self, agent: str) -> None:
        """``agent`` is gone, and what it was sent with it."""
        self._sent = {(other, run) for other, run in self._sent if other != agent}
