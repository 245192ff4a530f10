"""Read a state file: complete and unchanged, or refused with its name.

Nothing of a file is used before its checksum was compared: Arrow and the kernels behind it trust what they parse.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pyarrow as pa

from sabotnb.errors import CheckpointError
from sabotnb.native import check_batch
from sabotnb.protocol import StateFile, TaskId
from sabotnb.storage.checkpoint_faults import ANOTHER_CHECKPOINT, damaged, later_version, truncated
from sabotnb.storage.file_access import absolute, access_to
from sabotnb.storage.state_index import (
    FOOT,
    HEAD,
    MAGIC,
    VERSION,
    Segment,
    StateIndex,
    StoredState,
    head,
    parse_index,
)

AHEAD_BYTES = 4 << 20
"""What is read at once where segments are small: an object store takes 50 ms to answer, however little is asked for."""

_LAST_BYTES = 1 << 16
"""What is read at the end of a file: the foot and, of most files, the whole index."""


class StateReader:
    """The states in one file. Keeps no file open. Groups that are read in ascending order are read ahead."""

    def __init__(self, file: StateFile | str) -> None:
        """Read the index of ``file``; a StateFile says which size and checksum it must have.

        Raises:
            CheckpointError: it is missing, incomplete, damaged, of a later version, or not the file that is expected.
        """
        self.path = absolute(file if isinstance(file, str) else file.path)
        self._access = access_to(self.path)
        size = self._access.size(self.path)
        if isinstance(file, StateFile) and size != file.nbytes:
            raise self._another(f"it has {size} bytes instead of {file.nbytes}")
        index, checksum = self._read_index(size)
        if isinstance(file, StateFile) and checksum != file.checksum:
            raise self._another("its checksum differs")
        self._index = index
        self._size = size
        self._ahead = pa.py_buffer(b"")
        self._ahead_at = 0

    @property
    def task(self) -> TaskId:
        """The task whose states these are."""
        return self._index.task

    def states(self) -> tuple[StoredState, ...]:
        """All states, in the order in which they were written."""
        return self._index.states

    def batches(self, operator: str, name: str, group: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a key group, none if it is empty or there is no such state; reads as far as it is pulled.

        Raises:
            CheckpointError: the file cannot be read, or is damaged here.
        """
        for state in self._index.states:
            if (state.operator, state.spec.name) == (operator, name):
                for segment in state.groups.get(group, ()):
                    yield from self._segment(state, segment)

    def _segment(self, state: StoredState, segment: Segment) -> Iterator[pa.RecordBatch]:
        data = self._bytes(segment)
        if zlib.crc32(data) != segment.checksum:
            raise damaged(self.path, f"the checksum of state {state.spec.name!r} of {state.operator!r} is wrong")
        try:
            # The checksum says that the bytes are those that were written, not that Arrow may trust them.
            with pa.ipc.open_stream(data, options=pa.ipc.IpcReadOptions(use_threads=False)) as reader:
                if not reader.schema.equals(state.schema):
                    raise pa.ArrowInvalid("its columns differ from those in the index")
                for batch in reader:
                    check_batch(batch, text=False)
                    yield batch
        except (pa.ArrowException, OSError) as error:
            raise damaged(
                self.path, f"state {state.spec.name!r} of {state.operator!r} is not valid ({error})"
            ) from error

    def _bytes(self, segment: Segment) -> pa.Buffer:
        start = segment.offset - self._ahead_at
        if start < 0 or start + segment.nbytes > self._ahead.size:
            nbytes = max(segment.nbytes, min(AHEAD_BYTES, self._size - segment.offset))
            self._ahead, self._ahead_at, start = self._access.read(self.path, segment.offset, nbytes), segment.offset, 0
        return self._ahead.slice(start, segment.nbytes)

    def _read_index(self, size: int) -> tuple[StateIndex, int]:
        """The index of the file, and its checksum."""
        if size < HEAD.size + FOOT.size:
            raise truncated(self.path)
        begin = self._access.read(self.path, 0, HEAD.size)
        last = self._access.read(self.path, max(0, size - _LAST_BYTES), min(size, _LAST_BYTES))
        nbytes, checksum, version, magic = FOOT.unpack(last.slice(last.size - FOOT.size))
        self._check_version(begin, version, magic)
        start = size - FOOT.size - nbytes
        if start < HEAD.size:
            raise damaged(self.path, "the length of its index is wrong")
        if nbytes + FOOT.size > last.size:
            last = self._access.read(self.path, start, nbytes + FOOT.size)
        data = last.slice(last.size - FOOT.size - nbytes, nbytes)
        if zlib.crc32(data, zlib.crc32(begin)) != checksum:
            raise damaged(self.path, "the checksum of its index is wrong")
        index = parse_index(self.path, data)
        self._check_segments(index, start)
        return index, checksum

    def _check_version(self, begin: pa.Buffer, version: int, magic: bytes) -> None:
        first_magic, first_version, _ = HEAD.unpack(begin)
        if first_magic != MAGIC:
            raise damaged(self.path, "it does not begin as a state file does")
        if magic != MAGIC:
            raise truncated(self.path)
        if version == first_version > VERSION:
            raise later_version(self.path, version, VERSION)
        if begin.to_pybytes() != head() or version != VERSION:
            raise damaged(self.path, "its format version is wrong")

    def _check_segments(self, index: StateIndex, end: int) -> None:
        """Every byte between head and index belongs to one segment, so that each is under a checksum."""
        at = HEAD.size
        for segment in index.segments:
            if segment.offset != at or segment.nbytes < 0:
                raise damaged(self.path, "its index does not fit its segments")
            at += segment.nbytes
        if at != end:
            raise damaged(self.path, "its index does not fit its length")

    def _another(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"'{self.path}' is not the file that the checkpoint refers to: {what}. {ANOTHER_CHECKPOINT}"
        )
