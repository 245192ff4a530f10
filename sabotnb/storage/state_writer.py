"""Write the frozen states of a task into one file.

A thread beside the task's writes, so the GIL is taken rarely and briefly: Arrow encodes a batch into memory, the
checksum is computed over it and the file is written, all without the GIL. Memory is that of one segment at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sabotnb.protocol import Frozen, Releasable, RunId, StateFile, StateSpec, TaskId
from sabotnb.storage.cut_folders import CutFolder
from sabotnb.storage.file_access import Bytes, absolute, access_to
from sabotnb.storage.state_index import HEAD, Segment, StateIndex, StoredState, head, tail

SEGMENT_BYTES = 8 << 20
"""A segment takes no further batch from this size on; readers have a whole one in memory."""


@dataclass(frozen=True, slots=True)
class FrozenState:
    """A state of an operator at a cut, with the key groups that are not empty."""

    operator: str
    spec: StateSpec
    schema: pa.Schema
    groups: Sequence[int]
    frozen: Frozen


def write_states(
    storage: str, run: RunId, epoch: int, cut: int, task: TaskId, states: Iterable[FrozenState]
) -> StateFile:
    """Write the states of ``task`` at a cut into one file, whole or not at all. Blocks on I/O; any thread may call it.

    Raises:
        CheckpointError: the file cannot be written.
    """
    path = CutFolder(absolute(storage), run, epoch, cut).state_file(task)
    access = access_to(path)
    layout = _Layout(access.compression)
    access.write(path, layout.chunks(StateIndex(task, epoch, cut, ()), states))
    return StateFile(path, layout.nbytes, layout.checksum)


class _Layout:
    """Lays out a file: yields its bytes in order and notes where everything is."""

    def __init__(self, compression: str | None) -> None:
        self._options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
        self.nbytes = 0
        self.checksum = 0

    def chunks(self, index: StateIndex, states: Iterable[FrozenState]) -> Iterator[Bytes]:
        """The bytes of the file. ``index`` has no states yet."""
        self.nbytes = HEAD.size
        yield head()
        stored = []
        for state in states:
            groups: dict[int, list[Segment]] = {}
            for group in state.groups:
                for data, rows in self._streams(state, group):
                    groups.setdefault(group, []).append(Segment(self.nbytes, data.size, zlib.crc32(data), rows))
                    self.nbytes += data.size
                    yield data
            stored.append(StoredState(state.operator, state.spec, state.schema, groups))
        end, self.checksum = tail(StateIndex(index.task, index.epoch, index.cut, tuple(stored)))
        self.nbytes += len(end)
        yield end

    def _streams(self, state: FrozenState, group: int) -> Iterator[tuple[pa.Buffer, int]]:
        """The rows of a key group as Arrow IPC streams of bounded size, with their number of rows."""
        batches = _exported(state.frozen, group)
        first = next(batches, None)
        while first is not None:
            target, rows = pa.BufferOutputStream(), 0
            with pa.ipc.new_stream(target, state.schema, options=self._options) as writer:
                while first is not None:
                    writer.write_batch(first)
                    rows += first.num_rows
                    first = next(batches, None)
                    if target.tell() >= SEGMENT_BYTES:
                        break
            yield target.getvalue(), rows


def _exported(frozen: Frozen, group: int) -> Iterator[pa.RecordBatch]:
    """The rows of ``group``, which is released behind the last batch."""
    yield from frozen.export(group)
    if isinstance(frozen, Releasable):
        frozen.release(group)
