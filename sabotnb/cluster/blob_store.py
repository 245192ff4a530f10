"""Holds jobs' functions and tables as opaque bytes on the scheduler, on their way from clients to agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distributed.protocol.compression import decompress
from distributed.protocol.serialize import Serialize, Serialized

from sabotnb.protocol import RunId

Blobs = Mapping[str, Any]
"""Bytes by sha256, passed on in whatever form they came: plain, or as Dask's unread frames."""


def plain_blobs(blobs: Blobs) -> dict[str, bytes]:
    """Return the bytes of ``blobs``, in whatever form they came."""
    return {sha256: _plain(blob) for sha256, blob in blobs.items()}


def _plain(blob: Any) -> bytes:
    if isinstance(blob, Serialized):  # from another process; its frames are those of one bytes object
        frames = decompress(blob.header, blob.frames) if "compression" in blob.header else blob.frames
        return b"".join(map(memoryview, frames))
    return bytes(blob.data if isinstance(blob, Serialize) else blob)


class BlobStore:
    """Blobs of the runs that have not ended, and which agents already have them."""

    def __init__(self) -> None:
        self._blobs: dict[RunId, Blobs] = {}
        self._sent: set[tuple[str, RunId]] = set()

    def keep(self, run: RunId, blobs: Blobs) -> None:
        """Keep ``blobs`` until ``drop``."""
        self._blobs[run] = blobs

    def of(self, run: RunId) -> Blobs:
        """Return the blobs of ``run``."""
        return self._blobs.get(run, {})

    def to_deploy(self, agent: str, run: RunId) -> Blobs:
        """Blobs to send with the tasks of ``run``; the agent keeps them until the run is over."""
        self._sent.add((agent, run))
        return self.of(run)

    def to_commit(self, agent: str, run: RunId) -> Blobs:
        """Blobs to send with a commit of ``run``; none if the agent ran tasks of it and so has them."""
        return {} if (agent, run) in self._sent else self.of(run)

    def drop_before(self, run: RunId) -> None:
        """Drop the blobs of runs of the same job before ``run``."""
        self._blobs = {kept: blobs for kept, blobs in self._blobs.items() if kept.job != run.job or kept >= run}
        self._sent = {(agent, kept) for agent, kept in self._sent if kept.job != run.job or kept >= run}

    def drop(self, run: RunId) -> None:
        """Drop the blobs of ``run``, and those of earlier runs of the same job."""
        self.drop_before(RunId(run.job, run.number + 1))

    def forget_agent(self, agent: str) -> None:
        """``agent`` is gone, and so are the blobs that it had."""
        self._sent = {(other, run) for other, run in self._sent if other != agent}
