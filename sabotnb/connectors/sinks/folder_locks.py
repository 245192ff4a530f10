"""Locks on output folders: the kernel releases them when their process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

LOCK_SECONDS = 10.0
LOCK_LOOK_SECONDS = 0.05


@contextmanager
def alone_in(folders: Iterable[Path]) -> Iterator[None]:
    """Keep other jobs from publishing into ``folders`` meanwhile: each has to see what the one before did.

    A process that was stopped while it published keeps its lock, so no one waits longer than LOCK_SECONDS: the same
    commit may be run by two at once, and what comes late changes nothing.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    with ExitStack() as handles:
        for folder in sorted(set(folders)):  # in the same order everywhere, or two jobs could wait for each other
            if folder.is_dir():
                handle = os.open(folder, os.O_RDONLY)
                handles.callback(os.close, handle)
                _lock(handle, deadline)
        yield


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
