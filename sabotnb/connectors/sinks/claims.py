"""Claims on output folders: finds the runs that write into a folder now, and refuses a run that cannot share it.

Every task that writes holds a shared lock on a file in its run's hidden folder. The kernel releases the lock when the
process ends, in whichever way it ends, so the leftovers of a killed worker claim nothing. The name of the file says
whether the run appends. Runs that append can share a folder; any other run needs the folder for itself. On a file
system without locks there are no claims, and runs only detect each other when they commit.

Between the end of the last task and the commit no process holds a lock. Tasks with output to commit therefore leave a
file that claims the folder for COMMIT_SECONDS, the longest that a commit waits for an agent. A commit or an abort
removes it together with the hidden folder. If all agents are lost in that time, the folder stays claimed until then.
A commit that comes even later meets what others have written: it then fails, and its output is saved.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sabotnb.connectors.folders.file_search import is_dotted
from sabotnb.errors import SinkError
from sabotnb.protocol import FIRST_EPOCH, RunId, failure

CLAIMS = {True: "appends.claim", False: "replaces.claim"}
PREPARED = "prepared"
"""The file in a hidden folder that tasks with output to commit leave when they end."""

COMMIT_SECONDS = 60

_HIDDEN = re.compile(
    r"\.sabotnb-(?P<job>.+)-(?P<number>\d+)(?:e(?P<epoch>\d+))?(?:\.[0-9a-f]+)?(?:\.committed|\.aborted)?"
)


@dataclass(frozen=True, slots=True)
class Writer:
    """A run that writes into ``folder`` now, or commits soon."""

    folder: Path
    run: RunId
    appends: bool


def claim(hidden: Path, *, appends: bool) -> int:
    """Claim the folder that contains ``hidden``, until the returned file descriptor is closed."""
    handle = os.open(hidden / CLAIMS[appends], os.O_RDWR | os.O_CREAT, 0o666)
    with suppress(OSError):  # some network file systems have no locks
        fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def release(handle: int, hidden: Path, *, prepared: bool) -> None:
    """End a claim of ``hidden``; if ``prepared``, at the commit of the run or after COMMIT_SECONDS."""
    if prepared:
        with suppress(OSError):  # the run was aborted
            (hidden / PREPARED).touch()
    os.close(handle)


def run_of(name: str) -> tuple[RunId, int] | None:
    """The run of the hidden folder ``name``, and the epoch that writes there; None if it is not the name of one."""
    match = _HIDDEN.fullmatch(name)
    return (RunId(unquote(match["job"]), int(match["number"])), int(match["epoch"] or FIRST_EPOCH)) if match else None


def is_claimed(hidden: Path) -> bool:
    """True while a task writes into the hidden folder ``hidden``, and until the commit that follows."""
    return any(_is_held(hidden / name) for name in CLAIMS.values())


def refuse_writers(output: Path, *, appends: bool, but: Callable[[Writer], bool]) -> None:
    """Raise a SinkError if a run that cannot share ``output`` writes into it, or into a folder above or below it.

    Runs for which ``but`` is true do not count: they belong to the job that asks.
    """
    for writer in _writers(output):
        if not (appends and writer.appends) and not but(writer):
            raise SinkError(failure.output_taken(writer.run.job, str(writer.folder)))


def _writers(output: Path) -> Iterator[Writer]:
    real = Path(os.path.realpath(output))
    folders = [*real.parents]
    for parent, below, _ in os.walk(real):
        folders.append(Path(parent))
        below[:] = [name for name in below if not is_dotted(name)]
    for folder in folders:
        yield from _writers_in(folder)


def _writers_in(folder: Path) -> Iterator[Writer]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - thousands of names, of which few matter
    except OSError:  # it does not exist yet, or this user cannot read it
        return
    for name in names:
        writer = run_of(name)
        for appends, claimed in CLAIMS.items() if writer else ():
            if _is_held(folder / name / claimed):
                assert writer is not None
                yield Writer(folder, writer[0], appends)


def _is_held(path: Path) -> bool:
    try:  # an exclusive lock is refused exactly while a task holds a shared one; closing the file releases it
        with _opened(path) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is no such claim, or the file system has no locks
        return False
    return _awaits_commit(path.parent)


def _awaits_commit(hidden: Path) -> bool:
    try:
        ended = (hidden / PREPARED).stat().st_mtime
    except OSError:
        return False
    return time.time() - ended < COMMIT_SECONDS


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR)
    try:
        yield handle
    finally:
        os.close(handle)
