"""Decides once, for all committers of an epoch of a run, whether its output is committed or aborted.

Theory of operation. The name of the folder with the files of an epoch is its state: ``e2`` while it is undecided, then
``e2.committed``, ``e2.aborted``, or ``e2.past`` if the run has started again in a later epoch. A rename of a folder
succeeds for one process only, on every file system, so of two committers that decide at once one wins and the other
reads what it decided. A decision is never changed, except that a past epoch is aborted together with a later one, and
that an aborted one is ``e2.kept`` at last if a stored cut of the run needs its files: no other committer of the run
finds them then, and a run that goes on from the cut does. A decision ends when the folder is removed; a committer that
finds none of the names is late, and changes nothing.

The first task of an epoch that opens makes the earlier ones past. From then on a committer of an earlier epoch, such as
one that was stopped, neither finds its files nor can decide. What the earlier epoch prepared up to the cut that the run
was restored from is committed by the later one, which also looks in folders of past epochs.

A run with several output folders has these folders for each. Those of the first output decide for all of them.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

from sabotnb.connectors.sinks.folder_changes import rename, sync_folder
from sabotnb.connectors.sinks.hidden_folders import epoch_folder, epochs

COMMITTED = ".committed"
ABORTED = ".aborted"
PAST = ".past"
KEPT = ".kept"
DECISIONS = (COMMITTED, ABORTED, PAST, KEPT)
"""What the name of an epoch's folder may end with."""


def begin_epoch(hidden: Path, epoch: int) -> str | None:
    """Create the folder of ``epoch`` in ``hidden``, and make earlier epochs past; returns what is decided, if any.

    An epoch that has been committed or aborted, or is kept, has ended the run.
    """
    holds = [decide(folder, PAST) for earlier, folder in list(epochs(hidden)) if earlier < epoch]
    folder = epoch_folder(hidden, epoch)
    holds.append(decided(folder))
    if holds[-1] is None:
        folder.mkdir(exist_ok=True)
    return next((decision for decision in holds if decision not in (None, PAST)), None)


def decide(folder: Path, decision: str) -> str | None:
    """Make ``decision`` for the epoch of ``folder``; returns the one that holds, or None if the epoch is over.

    It is durable when this returns.
    """
    holds = decided(folder)
    if holds is not None:
        return holds
    try:
        rename(folder, _named(folder, decision))
    except FileNotFoundError:
        return decided(folder)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # a task that started late made the folder again
            raise
        return decided(folder)
    sync_folder(folder.parent)
    return decision


def decided(folder: Path) -> str | None:
    """The decision for the epoch of ``folder``; None if it is undecided or over."""
    return next((decision for decision in DECISIONS if _named(folder, decision).exists()), None)


def abort_past(folder: Path) -> None:
    """Abort an epoch that is past, or undecided, because a later one is aborted: its files are not found any more."""
    for name in (_named(folder, PAST), folder):
        with suppress(OSError):  # of a folder that cannot be changed, in which a commit renames nothing either
            rename(name, _named(folder, ABORTED))


def keep_epoch(folder: Path) -> None:
    """Mark an epoch that was aborted, or is not decided, as kept."""
    for name in (_named(folder, ABORTED), _named(folder, PAST), folder):
        with suppress(OSError):  # another committer does the same
            rename(name, kept_name(folder))
            sync_folder(folder.parent)


def kept_name(folder: Path) -> Path:
    """The name of the ``folder`` of an epoch that is kept."""
    return _named(folder, KEPT)


def aborted_name(folder: Path) -> Path:
    """The name of the ``folder`` of an epoch that is being aborted."""
    return _named(folder, ABORTED)


def current_names(folder: Path) -> tuple[Path, ...]:
    """The names that ``folder`` may have now. Look in this order: it only moves from the first to others."""
    return (folder, *(_named(folder, decision) for decision in DECISIONS))


def committable_names(folder: Path, *, last: bool) -> tuple[Path, ...]:
    """The names under which a commit may take files from ``folder``; ``last``: it is that of the deciding epoch."""
    return (folder,) if last else (folder, _named(folder, PAST))


def _named(folder: Path, decision: str) -> Path:
    return folder.with_name(folder.name + decision)
