"""Files in the user's runtime folder through which sessions find running clusters and their certificates."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from distributed import Security

from sabotnb.cluster.certificates import security_of
from sabotnb.cluster.user_folders import runtime_folder
from sabotnb.private_files import private_folder, write_private

ANNOUNCEMENT = "cluster.json"
"""Of the detached cluster."""

LOCAL = "local-"
"""Begins the names of those of local clusters, which last as long as the session that has started them."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """Address and certificate of a cluster; ``began`` tells its process from a later one with the same pid."""

    address: str
    pid: int
    workers: int
    slots: int
    began: float = 0.0
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)

    @classmethod
    def of_this_process(cls, address: str, workers: int, slots: int, certificate: str, key: str) -> Announcement:
        """The announcement of a cluster whose scheduler runs in this process."""
        return cls(address, os.getpid(), workers, slots, psutil.Process().create_time(), certificate, key)

    @property
    def alive(self) -> bool:
        """True while the process that announced itself is running."""
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.began and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    @property
    def security(self) -> Security:
        """The ``Security`` that clients of the cluster need."""
        return security_of(self.certificate, self.key)

    def text(self) -> str:
        """One line of JSON, as ``announced`` reads it."""
        return json.dumps(asdict(self))

    def write(self, folder: Path, name: str = ANNOUNCEMENT) -> Path:
        """Write the announcement into ``folder``; returns the file."""
        write_private(folder / name, self.text())
        return folder / name


def announced(text: str) -> Announcement:
    """Parse the result of ``Announcement.text``."""
    return Announcement(**json.loads(text))


def find_detached(folder: Path | None = None) -> Announcement | None:
    """The announcement of a detached cluster whose process is alive; None if there is none.

    Raises:
        EnvError: others may write into the folder, so what it says is not to be trusted.
    """
    folder = private_folder(folder, "give another one") if folder else runtime_folder()
    try:
        announcement = announced((folder / ANNOUNCEMENT).read_text())
    except FileNotFoundError:
        return None
    return announcement if announcement.alive else None


def announce_local(announcement: Announcement) -> Path:
    """Announce a local cluster to other sessions of this user; returns the file, to be removed when it ends.

    Also removes the files of sessions that were killed.
    """
    folder = runtime_folder()
    for path, left in _announcements(folder):
        if path.name.startswith(LOCAL) and not left.alive:
            path.unlink(missing_ok=True)
    port = announcement.address.rpartition(":")[2]
    return announcement.write(folder, f"{LOCAL}{announcement.pid}-{port}.json")


def find_announced(address: str) -> Announcement | None:
    """The announcement of the cluster of this user whose scheduler is at ``address``; None if there is none."""
    matching = (left for _, left in _announcements(runtime_folder()) if left.address == address and left.alive)
    return next(matching, None)


def _announcements(folder: Path) -> Iterator[tuple[Path, Announcement]]:
    for path in sorted(folder.glob("*.json")):
        with suppress(
            FileNotFoundError, ValueError, TypeError
        ):  # its cluster has ended meanwhile, or it is another file
            yield path, announced(path.read_text())
