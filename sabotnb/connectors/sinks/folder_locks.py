"""Exclusive locks on output folders, which the kernel releases when their process ends, in whichever way it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sabotnb.connectors.sinks.folder_changes import make_folder

LOCK_SECONDS = 10.0
LOCK_LOOK_SECONDS = 0.05


@contextmanager
def alone_in(folders: Iterable[Path]) -> Iterator[None]:
    """Hold the locks of ``folders``, so that commits and claims of other processes happen before or after the block.

    Best effort: a process that was stopped while it committed keeps its lock, so after LOCK_SECONDS the block runs
    without it. Two processes may then run the same commit at once, which the committer allows for.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    with ExitStack() as handles:
        for folder in sorted(set(folders)):  # one order for all processes, so that two cannot wait for each other
            handle = _locked(folder, deadline)
            if handle is not None:
                handles.callback(os.close, handle)
        yield


@contextmanager
def alone_in_made(folder: Path) -> Iterator[list[Path]]:
    """Create ``folder`` if it is missing, and hold its lock; yields the folders that were created, deepest first.

    A task that ends without output removes the folders that it created. The lock keeps it from doing so in the block.
    """
    made: list[Path] = []
    while True:
        made += [path for path in make_folder(folder) if path not in made]
        with alone_in([folder]):
            if folder.is_dir():
                yield made
                return


def _locked(folder: Path, deadline: float) -> int | None:
    """Lock what is called ``folder`` when the lock is had; returns its descriptor, None if there is no such folder."""
    while True:
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        _lock(handle, deadline)
        try:
            if os.path.samestat(os.fstat(handle), folder.stat()):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)  # it was removed, and perhaps made again, before the lock was had


def _lock(handle: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return
            time.sleep(LOCK_LOOK_SECONDS)
        except OSError:  # some network file systems have no locks
            return
        else:
            return
