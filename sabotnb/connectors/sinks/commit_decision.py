"""Decides once, for all committers of a run, whether its output is committed or aborted.

Theory of operation. The name of the run's hidden folder is the state: ``.sabotnb-<run>`` while the run is undecided,
then ``.sabotnb-<run>.committed`` or ``.sabotnb-<run>.aborted``. A rename of a folder succeeds for one process only, on
every file system, so of two committers that decide at once one wins and the other reads what it decided. A decision is
never changed. It ends when the folder is removed; a committer that finds none of the three names is late, and changes
nothing.

A run with several output folders has a hidden folder in each. The first one decides for all of them.
"""

from __future__ import annotations

import errno
from pathlib import Path

from sabotnb.connectors.sinks.file_sink import sync_folder

COMMITTED = ".committed"
ABORTED = ".aborted"
DECISIONS = (COMMITTED, ABORTED)
"""What the name of a hidden folder may end with."""


def decide(hidden: Path, decision: str) -> str | None:
    """Make ``decision`` for the run of ``hidden``; returns the one that holds, or None if the run is over.

    It is durable when this returns.
    """
    try:
        hidden.replace(_named(hidden, decision))
    except FileNotFoundError:
        return decided(hidden)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # a task that started late made the folder again
            raise
        return decided(hidden)
    sync_folder(hidden.parent)
    return decision


def decided(hidden: Path) -> str | None:
    """The decision for the run of ``hidden``; None if it is undecided or over."""
    return next((decision for decision in DECISIONS if _named(hidden, decision).exists()), None)


def current_names(hidden: Path) -> tuple[Path, ...]:
    """The names that the folder ``hidden`` may have now. Look in this order: it only moves from the first to others."""
    return (hidden, *(_named(hidden, decision) for decision in DECISIONS))


def _named(hidden: Path, decision: str) -> Path:
    return hidden.with_name(hidden.name + decision)
