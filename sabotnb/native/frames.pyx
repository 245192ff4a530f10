"""``FrameReader``: reads frames from a blocking socket, each in one call without the GIL."""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

import os

import pyarrow as pa

from sabotnb.errors import ProtocolError

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void* buffer, size_t length, int flags)

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void** pointer, size_t alignment, size_t size)

# Bytes requested from the socket if the next header has not arrived: one call then reads many small frames.
cdef enum:
    AHEAD = 65536

cdef struct Header:
    uint32_t kind
    uint32_t channel
    uint64_t length
    uint64_t value

HEADER_BYTES = sizeof(Header)

cdef enum Outcome:
    READY
    CLOSED
    BROKEN
    TOO_LONG
    NO_MEMORY


cdef class Memory:
    """The memory of a payload, aligned for Arrow; pyarrow wraps it without a copy."""

    cdef uint8_t* data
    cdef Py_ssize_t length

    def __getbuffer__(self, Py_buffer* view, int flags):
        view.buf = self.data
        view.obj = self
        view.len = self.length
        view.readonly = 1
        view.itemsize = 1
        view.format = b"B"
        view.ndim = 1
        view.shape = &self.length
        view.strides = &view.itemsize
        view.suboffsets = NULL
        view.internal = NULL

    def __dealloc__(self):
        free(self.data)


cdef class FrameReader:
    cdef int fd
    cdef uint8_t* ahead
    cdef size_t start, end

    def __cinit__(self, int fd):
        self.fd = fd
        self.ahead = <uint8_t*> malloc(AHEAD)
        if self.ahead == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.ahead)

    def read(self, uint64_t limit):
        cdef Header header
        cdef uint8_t* payload = NULL
        cdef Outcome outcome
        cdef int error
        cdef Memory memory
        with nogil:
            outcome = self._read(&header, &payload, limit)
            error = errno
        if outcome == READY:
            if header.length == 0:
                return header.kind, header.channel, header.value, None
            memory = Memory.__new__(Memory)
            memory.data = payload
            memory.length = header.length
            return header.kind, header.channel, header.value, pa.py_buffer(memory)
        if outcome == CLOSED:
            return None
        if outcome == TOO_LONG:
            raise ProtocolError(f"a frame has {header.length} bytes, the limit is {limit}")
        if outcome == NO_MEMORY:
            raise MemoryError(f"no memory for a frame of {header.length} bytes")
        if error == EAGAIN:
            raise TimeoutError("the peer was silent for too long")
        raise OSError(error, os.strerror(error))

    cdef Outcome _read(self, Header* header, uint8_t** payload, uint64_t limit) noexcept nogil:
        cdef Outcome outcome = self._fill(sizeof(Header))
        cdef size_t present
        if outcome != READY:
            return outcome
        memcpy(header, self.ahead + self.start, sizeof(Header))
        self.start += sizeof(Header)
        if header.length > limit:
            return TOO_LONG
        if header.length == 0:
            return READY
        if posix_memalign(<void**> payload, 64, header.length):
            return NO_MEMORY
        present = min(self.end - self.start, header.length)
        memcpy(payload[0], self.ahead + self.start, present)
        self.start += present
        outcome = self._receive(payload[0] + present, header.length - present)
        if outcome != READY:
            free(payload[0])
        return outcome

    cdef Outcome _fill(self, size_t wanted) noexcept nogil:
        """Read ahead until at least ``wanted`` bytes are buffered."""
        cdef ssize_t got
        if self.end - self.start >= wanted:
            return READY
        memmove(self.ahead, self.ahead + self.start, self.end - self.start)
        self.end -= self.start
        self.start = 0
        while self.end < wanted:
            got = recv(self.fd, self.ahead + self.end, AHEAD - self.end, 0)
            if got < 0 and errno != EINTR:
                return BROKEN
            if got == 0:
                return CLOSED
            if got > 0:
                self.end += got
        return READY

    cdef Outcome _receive(self, uint8_t* to, size_t wanted) noexcept nogil:
        cdef ssize_t got
        while wanted:
            got = recv(self.fd, to, wanted, 0)
            if got < 0 and errno != EINTR:
                return BROKEN
            if got == 0:
                return CLOSED
            if got > 0:
                to += got
                wanted -= got
        return READY
