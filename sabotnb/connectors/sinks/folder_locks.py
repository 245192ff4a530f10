"""Exclusive locks on output folders, which the kernel releases when their process ends, in whichever way it ends."""

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
    """Hold the locks of ``folders``, so that commits and claims of other processes happen before or after the block.

    Best effort: a process that was stopped while it committed keeps its lock, so after LOCK_SECONDS the block runs
    without it. Two processes may then run the same commit at once, which the committer allows for.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    with ExitStack() as handles:
        for folder in sorted(set(folders)):  # one order for all processes, so that two cannot wait for each other
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
