"""Write and read ``cut.json``: a ``StoredCut`` as JSON beside its state files.

The last field is the checksum of all bytes before it. Paths of state files in the same storage are written relative to
the storage, so that a folder of checkpoints may be moved or copied.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import replace

from sabotnb.errors import CheckpointError, SabotnbError
from sabotnb.protocol import StateFile, StoredCut, TaskSnapshot
from sabotnb.storage.checkpoint_faults import damaged, later_version
from sabotnb.storage.cut_codec import cut_from_plain, cut_to_plain
from sabotnb.storage.cut_folders import CUT_FILE, CutFolder
from sabotnb.storage.file_access import absolute, access_to

VERSION = 1
_CHECKSUM = b',\n "checksum": '
_BELOW = "./"
"""Begins a path that is relative to the storage."""


def write_cut(storage: str, cut: StoredCut) -> str:
    """Write ``cut`` beside its state files, whole or not at all, and return the path of the file. Blocks on I/O.

    Raises:
        CheckpointError: the file cannot be written, or the cut has a value that JSON does not have.
    """
    root = absolute(storage)
    path = CutFolder(root, cut.run, cut.epoch, cut.cut).cut_file
    relative = _with_paths(cut, lambda path: _relative(path, root))
    try:
        content = json.dumps({"version": VERSION, "cut": cut_to_plain(relative)}, indent=1)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"cut {cut.cut} of {cut.run} cannot be written: {error}. Let memos, positions and committables have only "
            "numbers, strings, lists and dicts"
        ) from error
    begin = content.encode().removesuffix(b"\n}")
    access_to(path).write(path, [begin + _CHECKSUM + f"{zlib.crc32(begin)}\n}}\n".encode()])
    return path


def read_cut(path: str) -> StoredCut:
    """Read what ``write_cut`` wrote: the path of the file, or of its folder. Blocks on I/O.

    Raises:
        CheckpointError: it is missing, incomplete, damaged, or of a later version.
    """
    path = absolute(path)
    path = path if path.endswith(f"/{CUT_FILE}") else f"{path}/{CUT_FILE}"
    access = access_to(path)
    data = access.read(path, 0, access.size(path)).to_pybytes()
    begin, _, end = data.rpartition(_CHECKSUM)
    if not begin or end != f"{zlib.crc32(begin)}\n}}\n".encode():
        raise damaged(path, "its checksum is wrong")
    try:
        content = json.loads(data)
        if content["version"] > VERSION:
            raise later_version(path, content["version"], VERSION)
        root = path.rsplit("/", 4)[0]
        return _with_paths(cut_from_plain(content["cut"]), lambda path: _resolved(path, root))
    except CheckpointError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, SabotnbError) as error:
        raise damaged(path, f"it does not describe a cut ({error})") from error


def is_complete(path: str) -> bool:
    """True if ``read_cut`` reads what is at ``path``, and all state files of it are there. Blocks on I/O."""
    try:
        cut = read_cut(path)
        files = {snapshot.file.path for snapshot in cut.tasks.values() if snapshot.file is not None}
        folders = {file.rpartition("/")[0] for file in files}
        present = {f"{folder}/{name}" for folder in folders for name in access_to(folder).names(folder)}
    except CheckpointError:
        return False
    return files <= present


def _with_paths(cut: StoredCut, change: Callable[[str], str]) -> StoredCut:
    """``cut`` with the paths of all state files changed."""
    return replace(cut, tasks={task: _with_path(snapshot, change) for task, snapshot in cut.tasks.items()})


def _with_path(snapshot: TaskSnapshot, change: Callable[[str], str]) -> TaskSnapshot:
    if snapshot.file is None:
        return snapshot
    file: StateFile = replace(snapshot.file, path=change(snapshot.file.path))
    return replace(snapshot, file=file)


def _relative(path: str, storage: str) -> str:
    below = f"{storage}/"
    return _BELOW + path.removeprefix(below) if path.startswith(below) else path


def _resolved(path: str, storage: str) -> str:
    return f"{storage}/{path.removeprefix(_BELOW)}" if path.startswith(_BELOW) else path
