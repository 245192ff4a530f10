"""Claims on output folders: finds the runs that write into a folder now, and refuses a run that cannot share it.

Every task that writes holds a shared lock on a file in its run's hidden folder. The kernel releases the lock when the
process ends, in whichever way it ends, so the leftovers of a killed worker claim nothing. The name of the file says
whether the run appends. Runs that append can share a folder; any other run needs the folder for itself. On a file
system without locks there are no claims, and runs only detect each other when they commit.

Between the end of the last task and the commit no process holds a lock. Tasks with output to commit therefore leave a
file that claims the folder for as long as a commit may wait for an agent (``Config.commit_wait_seconds``), which it
says. A commit or an abort removes it together with the hidden folder. If all agents are lost in that time, the folder
stays claimed until then. A commit that comes even later meets what others have written: it then fails, and its output
is saved.

The hidden folder of an output is beside it or in it (``hidden_folders``). So the claims on an output and on the folders
above it are in these folders; those on folders below it are in the folders below, and in the output itself.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sabotnb.connectors.folders.file_search import is_dotted
from sabotnb.connectors.sinks.folder_changes import note_change
from sabotnb.connectors.sinks.hidden_folders import HiddenName, hidden_beside_or_in
from sabotnb.errors import SinkError
from sabotnb.protocol import RunId, failure

CLAIMS = {True: "appends.claim", False: "replaces.claim"}
PREPARED = "prepared"
"""The file in a hidden folder that tasks with output to commit leave when they end: the seconds that it claims."""


@dataclass(frozen=True, slots=True)
class Writer:
    """A run that writes into ``folder`` now, or commits soon."""

    folder: Path
    run: RunId
    appends: bool


def claim(hidden: Path, *, appends: bool) -> int:
    """Claim the output of the hidden folder ``hidden``, until the returned file descriptor is closed."""
    note_change("claim", hidden / CLAIMS[appends])
    handle = os.open(hidden / CLAIMS[appends], os.O_RDWR | os.O_CREAT, 0o666)
    with suppress(OSError):  # some network file systems have no locks
        fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def claim_for_commit(hidden: Path, seconds: float) -> None:
    """Claim the output of ``hidden`` until its run is committed or aborted, at most for ``seconds`` from now."""
    with suppress(OSError):  # the run was aborted
        (hidden / PREPARED).write_text(f"{seconds:g}")


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
    for folder in (real, *real.parents):
        for hidden, name in hidden_beside_or_in(folder):
            yield from _writers_of(hidden, name, folder)
    for parent, below, _ in os.walk(real):
        for text in below:
            inner = HiddenName.parse(text)
            if inner is not None:
                yield from _writers_of(Path(parent) / text, inner, Path(parent) / unquote(inner.tag))
        below[:] = [text for text in below if not is_dotted(text)]


def _writers_of(hidden: Path, name: HiddenName, folder: Path) -> Iterator[Writer]:
    for appends, claimed in CLAIMS.items():
        if _is_held(hidden / claimed):
            yield Writer(folder, name.run, appends)


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
    marker = hidden / PREPARED
    try:
        return time.time() - marker.stat().st_mtime < float(marker.read_text())
    except (OSError, ValueError):  # there is none, or its task was killed while it wrote it
        return False


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR)
    try:
        yield handle
    finally:
        os.close(handle)
