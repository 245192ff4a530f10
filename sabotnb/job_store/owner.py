"""Who owns jobs: one JobManager in one process, and how other processes on its machine see that it is gone.

A process is known by its pid and by when it started, since pids are reused. The start is counted from the boot of the
machine: the wall clock, from which psutil computes it, may be set while the process runs.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import psutil

_open: set[str] = set()
"""Owners in this very process that have not ended."""


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner of jobs. ``machine`` tells machines, boots and pid namespaces apart, where hosts share a name."""

    id: str
    host: str
    machine: str
    pid: int
    process_start: str

    @property
    def gone(self) -> bool:
        """True if it is known to have ended; False while it may be alive, as it may be on another machine."""
        if self.machine != this_machine():
            return False
        if self.process_start != process_start(self.pid):
            return True
        return self.pid == os.getpid() and self.id not in _open

    def end(self) -> None:
        """It owns nothing any more, although its process goes on."""
        _open.discard(self.id)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def new_owner() -> Owner:
    """Return an owner in this process."""
    owner = Owner(uuid4().hex, socket.gethostname(), this_machine(), os.getpid(), process_start(os.getpid()) or "")
    _open.add(owner.id)
    return owner


@cache
def this_machine() -> str:
    """Return an id of this machine since its boot, and of the namespace that pids are numbered in."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not Linux
        return f"{socket.gethostname()}/{psutil.boot_time():.0f}"


def process_start(pid: int) -> str | None:
    """Return when the process started, as text for comparison; None if there is no such process, or a zombie."""
    try:
        # the name in parentheses may contain anything
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _start_elsewhere(pid)
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else ticks


def _start_elsewhere(pid: int) -> str | None:
    """The same by psutil, on systems without ``/proc``."""
    if Path("/proc/self/stat").exists():
        return None
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.NoSuchProcess:
        return None
