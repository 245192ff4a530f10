"""The frame of a state file: what is before and behind its segments, and how they are checked.

Theory of operation. A file is a head, segments, an index and a foot. The head has a magic number and the version of the
format, and the foot has them too, with the length and the checksum of the index. The index lists every segment with its
offset, length and checksum. The segments follow each other without gaps, so every byte of a file is under a checksum or
is compared: a file in which one byte differs is refused. The checksum of the index therefore stands for the whole file.

A later version of the format may change everything but the first 12 and the last 12 bytes. The version is believed if
head and foot agree; otherwise the file is damaged.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb.errors import ProtocolError
from sabotnb.protocol import RunId, Scope, StateSpec, TaskId
from sabotnb.storage.checkpoint_faults import damaged

MAGIC = b"sabotnb\0"
VERSION = 1
HEAD = struct.Struct("<8sII")
"""Magic, version, 0."""

FOOT = struct.Struct("<QII8s")
"""Length and checksum of the index, version, magic. The checksum is that of the head and the index."""


@dataclass(frozen=True, slots=True)
class Segment:
    """An Arrow IPC stream with batches of one key group."""

    offset: int
    nbytes: int
    checksum: int
    rows: int


@dataclass(frozen=True, slots=True)
class StoredState:
    """A state of an operator in a file, with the segments of each key group that has rows."""

    operator: str
    spec: StateSpec
    schema: pa.Schema
    groups: Mapping[int, Sequence[Segment]]

    @property
    def rows(self) -> int:
        """The number of rows of all groups."""
        return sum(segment.rows for segments in self.groups.values() for segment in segments)

    @property
    def nbytes(self) -> int:
        """The bytes of all groups in the file."""
        return sum(segment.nbytes for segments in self.groups.values() for segment in segments)


@dataclass(frozen=True, slots=True)
class StateIndex:
    """Whose states a file has, and where they are in it."""

    task: TaskId
    epoch: int
    cut: int
    states: tuple[StoredState, ...]

    @property
    def segments(self) -> list[Segment]:
        """All segments, in the order of the file."""
        of_groups = (segments for state in self.states for segments in state.groups.values())
        return sorted((segment for segments in of_groups for segment in segments), key=lambda segment: segment.offset)


def head() -> bytes:
    """The first bytes of a file."""
    return HEAD.pack(MAGIC, VERSION, 0)


def tail(index: StateIndex) -> tuple[bytes, int]:
    """What follows the segments: the index and the foot; and the checksum of the file."""
    data = json.dumps(_index_to_json(index), separators=(",", ":")).encode()
    checksum = zlib.crc32(data, zlib.crc32(head()))
    return data + FOOT.pack(len(data), checksum, VERSION, MAGIC), checksum


def parse_index(path: str, data: pa.Buffer) -> StateIndex:
    """The index in ``data``, whose checksum was right; CheckpointError if it is not one."""
    try:
        return _index_from_json(json.loads(data.to_pybytes()))
    except (ValueError, KeyError, TypeError, AttributeError, ProtocolError, pa.ArrowException) as error:
        raise damaged(path, f"its index is not valid ({error})") from error


def _index_to_json(index: StateIndex) -> dict[str, Any]:
    return {
        "run": str(index.task.run),
        "vertex": index.task.vertex,
        "task": index.task.index,
        "epoch": index.epoch,
        "cut": index.cut,
        "states": [_state_to_json(state) for state in index.states],
    }


def _state_to_json(state: StoredState) -> dict[str, Any]:
    return {
        "operator": state.operator,
        "state": state.spec.name,
        "scope": state.spec.scope.value,
        "version": state.spec.version,
        "schema": base64.b64encode(state.schema.serialize()).decode(),
        "groups": {
            str(group): [[segment.offset, segment.nbytes, segment.checksum, segment.rows] for segment in segments]
            for group, segments in state.groups.items()
        },
    }


def _index_from_json(data: Any) -> StateIndex:
    task = TaskId(RunId.parse(data["run"]), data["vertex"], data["task"])
    return StateIndex(task, data["epoch"], data["cut"], tuple(_state_from_json(state) for state in data["states"]))


def _state_from_json(data: Any) -> StoredState:
    return StoredState(
        data["operator"],
        StateSpec(data["state"], Scope(data["scope"]), data["version"]),
        pa.ipc.read_schema(pa.py_buffer(base64.b64decode(data["schema"], validate=True))),
        {int(group): tuple(Segment(*numbers) for numbers in segments) for group, segments in data["groups"].items()},
    )
