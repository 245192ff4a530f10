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

    What the ``kept`` cuts of the job need stays, and of jobs that went on from it. So does what those need from which
    runs began (``starts``).

    Raises:
        CheckpointError: one of the ``kept`` cuts cannot be read, so nothing is removed.
    """
    needed = _folders([*map(read_cut, kept), *starts])
    unneeded: set[Path] = set()
    for path in dropped:
        with suppress(CheckpointError):  # then its output stays until the next run of the job commits
            unneeded |= _folders([read_cut(path)])
    connectors.remove_prepared(unneeded - needed)


def goes_on_from(job: str, starts: Iterable[tuple[str, str]]) -> set[str]:
    """Return ``job`` and the jobs that went on from its state, or from that of one of these.

    ``starts`` are pairs of a job and the one from whose state it began.
    """
    pairs, jobs, more = list(starts), {job}, {job}
    while more:
        more = {name for name, before in pairs if before in more} - jobs
        jobs |= more
    return jobs


def _folders(cuts: Iterable[StoredCut]) -> set[Path]:
    return {folder for cut in cuts for folder in connectors.hidden_folders_of(cut.committables)}
