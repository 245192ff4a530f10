"""Prepared output that stays when its run has failed or was canceled, as a stored cut of the run needs it.

Theory of operation. A run that begins from a cut commits what the run of the cut had prepared up to it
(``inherited_output``). So the abort of a run with stored cuts removes only what it prepared after the last of them. The
hidden folder stays, without its claims: it keeps no other job from the output. The folders of its epochs are *kept*
(``commit_decision``): whatever is late of the ended run finds nothing to commit, to hide or to write there.

The next run of the job that commits removes the folder: it has committed the files, or begun without them. So does
``remove_prepared``, for cuts that are not needed any more. A run that ends without a commit leaves it to the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from sabotnb.connectors.sinks.claims import CLAIMS, PREPARED, is_claimed
from sabotnb.connectors.sinks.commit_decision import current_names, keep_epoch
from sabotnb.connectors.sinks.folder_changes import remove_file, remove_if_empty, remove_tree
from sabotnb.connectors.sinks.hidden_folders import HiddenName, epoch_folder, epochs, made_folders
from sabotnb.connectors.sinks.inherited_output import hidden_file
from sabotnb.protocol import Committable


def prepared_files(committables: Iterable[Committable]) -> dict[Path, str]:
    """The hidden paths of files, each with its final name below the output."""
    files = (file for committable in committables for file in committable.payload.get("files", ()))
    return {Path(file["hidden"]): str(file["final"]) for file in files}


def keep_prepared(hidden: Path, epoch: int, needed: Collection[Path]) -> bool:
    """Remove all but the ``needed`` files from the hidden folder of a run that is aborted in ``epoch``.

    Returns False, and changes nothing, if none of these is there.
    """
    kept = {path for path in needed if path.parent.parent == hidden and hidden_file(path) is not None}
    if not kept:
        return False
    for name in (*CLAIMS.values(), PREPARED):
        remove_file(hidden, name)
    last = epoch_folder(hidden, epoch)
    # the last epoch at the end: when it is kept, the abort is over
    for folder in sorted({folder for _, folder in epochs(hidden)}, key=lambda folder: folder == last):
        names = {path.name for path in kept if path.parent == folder}
        for current in filter(Path.is_dir, current_names(folder)):
            for entry in [entry for entry in current.iterdir() if entry.name not in names]:
                remove_file(current, entry.name)
        if names or folder == last:
            keep_epoch(folder)
        else:
            for current in current_names(folder):
                remove_if_empty(current)
    return True


def hidden_folders_of(committables: Iterable[Committable]) -> set[Path]:
    """The hidden folders in which ``committables`` were prepared."""
    return {hidden.parent.parent for hidden in prepared_files(committables)}


def remove_prepared(folders: Iterable[Path]) -> None:
    """Remove hidden folders of ended runs, whose files no cut needs any more. Blocks on I/O."""
    for hidden in folders:
        if HiddenName.parse(hidden.name) is not None and hidden.is_dir() and not is_claimed(hidden):
            made = made_folders(hidden)
            with suppress(OSError):  # of another user, in a folder where all may write
                remove_tree(hidden)
            for folder in made:
                remove_if_empty(folder)
