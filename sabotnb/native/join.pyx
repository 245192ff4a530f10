"""Pairs of row ids for an equality join, in pieces of bounded size."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from sabotnb.native._table cimport MISSING

import numpy as np


cdef class Matches:
    """Rows of the built side by slot: ``rows[starts[slot]:starts[slot + 1]]``, in their order."""

    cdef int64_t[::1] starts
    cdef int64_t[::1] rows
    cdef readonly object matched

    def __cinit__(self, slots, Py_ssize_t keys):
        cdef const uint32_t[::1] slot_of = slots
        cdef int64_t[::1] starts = np.zeros(keys + 2, np.int64)
        cdef Py_ssize_t i
        cdef int64_t total = 0
        with nogil:
            for i in range(slot_of.shape[0]):
                if slot_of[i] != MISSING:
                    starts[slot_of[i] + 2] += 1
            for i in range(2, keys + 2):
                total += starts[i]
                starts[i] = total
        self.rows = np.empty(total, np.int64)
        with nogil:
            for i in range(slot_of.shape[0]):
                if slot_of[i] != MISSING:
                    self.rows[starts[slot_of[i] + 1]] = i
                    starts[slot_of[i] + 1] += 1
        self.starts = starts[: keys + 1]
        self.matched = np.zeros(keys, np.bool_)

    def unmatched(self):
        cdef Py_ssize_t slot, i
        cdef const uint8_t[::1] matched = self.matched.view(np.uint8)
        cdef uint8_t[::1] keep = np.zeros(len(self.rows), np.uint8)
        for slot in range(matched.shape[0]):
            if not matched[slot]:
                for i in range(self.starts[slot], self.starts[slot + 1]):
                    keep[i] = 1
        return np.sort(np.asarray(self.rows)[np.asarray(keep).view(np.bool_)])


cdef class Probe:
    """Walks the pairs of one probing batch; remembers where it stopped, inside of a key's rows too."""

    cdef Matches matches
    cdef const uint32_t[::1] slots
    cdef bint outer
    cdef Py_ssize_t row
    cdef int64_t done  # pairs of this row that were given

    def __cinit__(self, Matches matches, slots, bint outer):
        self.matches = matches
        self.slots = slots
        self.outer = outer

    def next(self, Py_ssize_t limit):
        cdef int64_t[::1] left = np.empty(limit, np.int64)
        cdef int64_t[::1] right = np.empty(limit, np.int64)
        cdef uint8_t[::1] matched = self.matches.matched.view(np.uint8)
        cdef Py_ssize_t count
        if limit < 1:
            raise ValueError(f"a piece of {limit} rows; at least 1 is needed")
        with nogil:
            count = self._fill(left, right, matched, limit)
        if count == 0:
            return None
        return np.asarray(left[:count]), np.asarray(right[:count])

    cdef Py_ssize_t _fill(
        self, int64_t[::1] left, int64_t[::1] right, uint8_t[::1] matched, Py_ssize_t limit
    ) noexcept nogil:
        cdef Py_ssize_t count = 0
        cdef int64_t at, end
        cdef uint32_t slot
        while self.row < self.slots.shape[0] and count < limit:
            slot = self.slots[self.row]
            if slot == MISSING:
                if self.outer:
                    left[count] = self.row
                    right[count] = -1
                    count += 1
                self.row += 1
                continue
            matched[slot] = 1
            at = self.matches.starts[slot] + self.done
            end = self.matches.starts[slot + 1]
            while at < end and count < limit:
                left[count] = self.row
                right[count] = self.matches.rows[at]
                count += 1
                at += 1
            if at == end:
                self.row += 1
                self.done = 0
            else:
                self.done = at - self.matches.starts[slot]
        return count
