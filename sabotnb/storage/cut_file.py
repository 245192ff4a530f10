"""Write and read ``cut.json``: a ``StoredCut`` as JSON beside its state files.

The last field is the checksum of all bytes before it. Paths of state files in the same storage are written relative to
the storage, so that a folder of checkpoints may be moved or copied.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from sabotnb.errors import CheckpointError, SabotnbError
from sabotnb.graph import JsonDecoder
from sabotnb.protocol import RunId, StateFile, StoredCut, TaskId, TaskSnapshot
from sabotnb.storage.checkpoint_faults import damaged, later_version
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
    try:
        content = json.dumps({"version": VERSION, "cut": _cut_to_json(cut, root)}, indent=1)
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
        return _cut_from_json(content["cut"], path.rsplit("/", 4)[0])
    except CheckpointError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, SabotnbError) as error:
        raise damaged(path, f"it does not describe a cut ({error})") from error


def _cut_to_json(cut: StoredCut, storage: str) -> dict[str, Any]:
    """Tasks are written by vertex and index: the run that their ids share is a field of its own."""
    tasks = {
        f"{task.vertex}[{task.index}]": _to_json(_with_path(snapshot, lambda path: _relative(path, storage)))
        for task, snapshot in cut.tasks.items()
    }
    return {**_to_json(replace(cut, tasks={})), "tasks": tasks}


def _cut_from_json(data: dict[str, Any], storage: str) -> StoredCut:
    decoder = JsonDecoder({}, {}, {})
    snapshots: Mapping[str, TaskSnapshot] = decoder.read(Mapping[str, TaskSnapshot], data["tasks"])
    cut: StoredCut = decoder.read(StoredCut, {**data, "tasks": {}})
    tasks = {
        _task(cut.run, name): _with_path(snapshot, lambda path: _resolved(path, storage))
        for name, snapshot in snapshots.items()
    }
    return replace(cut, tasks=tasks)


def _task(run: RunId, name: str) -> TaskId:
    vertex, _, index = name.removesuffix("]").rpartition("[")
    return TaskId(run, vertex, int(index))


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


def _to_json(value: Any) -> Any:
    """``value`` as JSON has it; fields with their default are left out. ``json`` refuses what it does not know."""
    match value:
        case Enum():
            return value.value
        case Mapping():
            return {_key(key): _to_json(item) for key, item in value.items()}
        case list() | tuple():
            return [_to_json(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {
                item.name: _to_json(content)
                for item in fields(value)
                if _differs(item, content := getattr(value, item.name))
            }
    return value


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{key!r} is a key of a dict, and JSON has only strings there")
    return key


def _differs(item: Field[Any], content: Any) -> bool:
    default = item.default if item.default_factory is MISSING else item.default_factory()
    return default is MISSING or content != default
