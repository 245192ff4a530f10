"""Removes output that runs have prepared up to cuts that are no longer in the job store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from sabotnb import connectors
from sabotnb.errors import CheckpointError
from sabotnb.protocol import StoredCut
from sabotnb.storage import read_cut


def remove_unneeded_output(dropped: Iterable[str], kept: Sequence[str], starts: Sequence[StoredCut]) -> None:
    """Remove the prepared output of the ``dropped`` cuts, given by the paths of their descriptions. Blocks on I/O.

    What the ``kept`` cuts of the job need stays, and what those need from which its runs began (``starts``).

    Raises:
        CheckpointError: one of the ``kept`` cuts cannot be read, so nothing is removed.
    """
    needed = _folders([*map(read_cut, kept), *starts])
    unneeded: set[Path] = set()
    for path in dropped:
        with suppress(CheckpointError):  # then its output stays until the next run of the job commits
            unneeded |= _folders([read_cut(path)])
    connectors.remove_prepared(unneeded - needed)


def _folders(cuts: Iterable[StoredCut]) -> set[Path]:
    return {folder for cut in cuts for folder in connectors.hidden_folders_of(cut.committables)}
