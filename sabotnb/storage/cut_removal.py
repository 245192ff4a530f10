"""Remove the files of cuts that are no longer needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from sabotnb.errors import CheckpointError
from sabotnb.protocol import CutKind, RunId, StoredCut
from sabotnb.storage.cut_file import read_cut
from sabotnb.storage.cut_folders import CUT_FILE, CutFolder, folders_of
from sabotnb.storage.file_access import absolute, access_to


def remove_cuts(storage: str, run: RunId, keep: Collection[StoredCut]) -> list[str]:
    """Remove the files of all cuts of ``run`` that are older than the last in ``keep``, also of incomplete ones.

    Spared are the cuts in ``keep``, savepoints, which only users remove, and every file that one of these refers to.
    A cut that is not older may be under way. Without ``keep`` nothing is removed. Blocks on I/O.

    Returns the paths that could not be read or removed; the next call tries again.
    """
    if not keep:
        return []
    last = max((cut.epoch, cut.cut) for cut in keep)
    unread: list[str] = []
    spared = list(keep)
    older = []
    try:
        folders = [folder for folder in folders_of(storage, run) if folder.age < last]
    except CheckpointError:
        return [absolute(storage)]
    for folder in folders:
        try:
            cut = _stored_in(folder)
        except CheckpointError:  # it may be a savepoint
            unread.append(folder.cut_file)
            continue
        if cut is not None and cut.kind is CutKind.SAVEPOINT:
            spared.append(cut)
        older.append(folder)
    ages = {(cut.epoch, cut.cut) for cut in spared}
    needed = _files_of(spared)
    return unread + [path for folder in older if folder.age not in ages for path in _remove(folder, needed)]


def remove_incomplete_cuts(storage: str, run: RunId) -> list[str]:
    """Remove the files of the cuts of ``run``, which has ended, that were not written completely. Blocks on I/O.

    Spared are files that a complete cut refers to. If one of these cannot be read, nothing is removed.

    Returns the paths that could not be read or removed.
    """
    needed: set[str] = set()
    incomplete = []
    try:
        for folder in folders_of(storage, run):
            cut = _stored_in(folder)
            if cut is None:
                incomplete.append(folder)
            else:
                needed |= _files_of([cut])
    except CheckpointError:
        return [absolute(storage)]
    return [path for folder in incomplete for path in _remove(folder, needed)]


def remove_run(storage: str, run: RunId) -> list[str]:
    """Remove the files of all cuts of ``run``, savepoints too. Blocks on I/O.

    Returns the paths that could not be removed.
    """
    try:
        folders = folders_of(storage, run)
    except CheckpointError:
        return [absolute(storage)]
    return [path for folder in folders for path in _remove(folder, ())]


def _files_of(cuts: Iterable[StoredCut]) -> set[str]:
    return {absolute(snapshot.file.path) for cut in cuts for snapshot in cut.tasks.values() if snapshot.file}


def _stored_in(folder: CutFolder) -> StoredCut | None:
    """The cut that ``folder`` describes; None if its files are not complete. CheckpointError if it cannot be read."""
    if CUT_FILE not in access_to(folder.path).names(folder.path):
        return None
    return read_cut(folder.cut_file)


def _remove(folder: CutFolder, needed: Collection[str]) -> Iterator[str]:
    """Remove the files of a cut and then its folder; yields what is left although it is not ``needed``."""
    access = access_to(folder.path)
    try:
        names = access.names(folder.path)
    except CheckpointError:
        yield folder.path
        return
    # The description goes first: a crash in between must not leave a cut that looks complete.
    paths = [f"{folder.path}/{name}" for name in sorted(names, key=lambda name: name != CUT_FILE)]
    left = [path for path in paths if path in needed or not access.remove(path)]
    yield from (path for path in left if path not in needed)
    if not left and not access.remove(folder.path):
        yield folder.path
