"""What a detached cluster leaves in the user's runtime folder, for sessions that look for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from distributed import Security

from sabotnb.cluster.certificates import security_of
from sabotnb.cluster.private_files import private_folder, runtime_folder, write_private

ANNOUNCEMENT = "cluster.json"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Where the cluster is, and what lets a session in; ``began`` tells the process from a later one of its pid."""

    address: str
    pid: int
    workers: int
    slots: int
    began: float = 0.0
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)

    @property
    def alive(self) -> bool:
        """True while that very process runs."""
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.began and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    @property
    def security(self) -> Security:
        """What clients of the cluster need."""
        return security_of(self.certificate, self.key)

    def text(self) -> str:
        """One line of JSON, as ``announced`` reads it."""
        return json.dumps(asdict(self))

    def write(self, folder: Path) -> None:
        """Announce the cluster in ``folder``."""
        write_private(folder / ANNOUNCEMENT, self.text())


def announced(text: str) -> Announcement:
    """The announcement of ``Announcement.text``."""
    return Announcement(**json.loads(text))


def find_detached(folder: Path | None = None) -> Announcement | None:
    """The announcement of a detached cluster whose process is alive; None if there is none.

    Raises:
        EnvError: others may write into the folder, so what it says is not to be trusted.
    """
    folder = private_folder(folder, "give another one") if folder else runtime_folder()
    try:
        found = announced((folder / ANNOUNCEMENT).read_text())
    except FileNotFoundError:
        return None
    return found if found.alive else None
