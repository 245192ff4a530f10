"""``Rows``: rows of accumulators, one per key, in a buffer per key group."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free

import numpy as np

cdef enum:
    FIRST_ROOM = 16


cdef class Rows:
    def __cinit__(self, int width, int groups=1):
        if width <= 0 or width % 8:
            raise ValueError(f"rows of {width} bytes; it must be a positive multiple of 8")
        self.width = width
        self.groups = groups
        self.buffers = [None] * groups
        self.bases = <char**> calloc(groups, sizeof(char*))
        self.room = <uint32_t*> calloc(groups, sizeof(uint32_t))
        if self.bases == NULL or self.room == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.bases)
        free(self.room)

    def reserve(self, sizes):
        cdef const uint32_t[::1] wanted = sizes
        cdef int group
        for group in range(self.groups):
            if wanted[group] > self.room[group]:
                self._grow(group, wanted[group])

    def buffer(self, int group=0):
        return self.buffers[group]

    def share(self, int group, buffer):
        if buffer is not None:
            self._put(group, buffer)

    def detach(self, int group):
        """Continue with a copy, so that other owners of the buffer see no later change."""
        if self.buffers[group] is not None:
            self._put(group, self.buffers[group].copy())

    def drop(self, int group):
        self.total -= <int64_t> self.room[group] * self.width
        self.buffers[group] = None
        self.bases[group] = NULL
        self.room[group] = 0

    def clear(self, sizes):
        cdef const uint32_t[::1] used = sizes
        cdef int group
        for group in range(self.groups):
            if used[group] and self.room[group]:
                self.buffers[group][:min(used[group], self.room[group])] = 0

    def nbytes(self, int group=0):
        return <int64_t> self.room[group] * self.width

    cdef _grow(self, int group, uint32_t rows):
        room = max(FIRST_ROOM, rows + rows // 2, 2 * self.room[group])
        grown = np.zeros((room, self.width), np.uint8)
        if self.room[group]:
            grown[: self.room[group]] = self.buffers[group]
        self.total += <int64_t> (room - self.room[group]) * self.width
        self._put(group, grown)

    cdef _put(self, int group, buffer):
        cdef uint8_t[:, ::1] view = buffer
        self.buffers[group] = buffer
        self.bases[group] = <char*> &view[0, 0]
        self.room[group] = <uint32_t> view.shape[0]
