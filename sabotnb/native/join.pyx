"""``Matches``: pairs of row ids for an equality join, in slices of bounded size."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from sabotnb.native._table cimport MISSING

import numpy as np


cdef struct Keys:
    # The key number of each row: its slot, plus the number of keys in all preceding groups.
    Py_ssize_t rows
    const uint32_t* slots
    const uint16_t* groups  # NULL: all rows are in one group
    const int64_t* first  # number of the first key of each group


cdef Keys keys_of(const uint32_t[::1] slots, const uint16_t[::1] groups, const int64_t[::1] first) except *:
    """Wrap these arrays, which the caller keeps alive."""
    cdef Keys keys
    keys.rows = slots.shape[0]
    keys.slots = NULL
    keys.groups = NULL
    keys.first = &first[0]
    if groups is not None and groups.shape[0] != keys.rows:
        raise ValueError(f"{groups.shape[0]} groups for {keys.rows} slots")
    if keys.rows:
        keys.slots = &slots[0]
        keys.groups = NULL if groups is None else &groups[0]
    return keys


cdef inline int64_t key_at(const Keys* keys, Py_ssize_t row) noexcept nogil:
    """Return the key number of ``row``; -1 if it has none."""
    cdef uint32_t slot = keys.slots[row]
    if slot == MISSING:
        return -1
    return slot if keys.groups == NULL else keys.first[keys.groups[row]] + slot


cdef class Matches:
    """Row ids of the build side by key: ``rows[starts[key]:starts[key + 1]]``, in row order."""

    cdef int64_t[::1] starts
    cdef int64_t[::1] rows
    cdef readonly object first
    cdef readonly object matched

    def __cinit__(self, slots, first, groups=None):
        cdef Keys keys = keys_of(slots, groups, first)
        cdef Py_ssize_t count = first[len(first) - 1], i
        cdef int64_t[::1] starts = np.zeros(count + 2, np.int64)
        cdef int64_t[::1] rows
        cdef int64_t total = 0, key
        with nogil:
            for i in range(keys.rows):
                key = key_at(&keys, i)
                if key >= 0:
                    starts[key + 2] += 1
            for i in range(2, count + 2):
                total += starts[i]
                starts[i] = total
        rows = np.empty(total, np.int64)
        with nogil:
            for i in range(keys.rows):
                key = key_at(&keys, i)
                if key >= 0:
                    rows[starts[key + 1]] = i
                    starts[key + 1] += 1
        self.rows = rows
        self.starts = starts[: count + 1]
        self.first = first
        self.matched = np.zeros(count, np.bool_)

    def unmatched(self):
        cdef Py_ssize_t key, i
        cdef const uint8_t[::1] matched = self.matched.view(np.uint8)
        cdef uint8_t[::1] keep = np.zeros(len(self.rows), np.uint8)
        for key in range(matched.shape[0]):
            if not matched[key]:
                for i in range(self.starts[key], self.starts[key + 1]):
                    keep[i] = 1
        return np.sort(np.asarray(self.rows)[np.asarray(keep).view(np.bool_)])


cdef class Probe:
    """Walks the pairs of one probing batch; keeps its position, even between the rows of one key.

    All keys are marked as met at the start: flags that others copy between two calls of ``next`` are complete.
    """

    cdef Matches matches
    cdef Keys keys
    cdef tuple held  # what ``keys`` points into
    cdef bint outer
    cdef Py_ssize_t row
    cdef int64_t done  # pairs of this row that were returned

    def __cinit__(self, Matches matches, slots, bint outer, groups=None):
        self.matches = matches
        self.keys = keys_of(slots, groups, matches.first)
        self.held = slots, groups
        self.outer = outer
        self._mark_met()

    cdef void _mark_met(self):
        cdef uint8_t[::1] met = self.matches.matched.view(np.uint8)
        cdef Py_ssize_t row
        cdef int64_t key
        with nogil:
            for row in range(self.keys.rows):
                key = key_at(&self.keys, row)
                if key >= 0:
                    met[key] = 1

    def next(self, Py_ssize_t limit):
        cdef int64_t[::1] left = np.empty(max(limit, 1), np.int64)
        cdef int64_t[::1] right = np.empty(max(limit, 1), np.int64)
        cdef const int64_t* rows = &self.matches.rows[0] if self.matches.rows.shape[0] else NULL
        cdef Py_ssize_t count
        if limit < 1:
            raise ValueError(f"a slice of {limit} rows; it must have at least 1")
        with nogil:
            count = self._fill(&left[0], &right[0], &self.matches.starts[0], rows, limit)
        if count == 0:
            return None
        return np.asarray(left[:count]), np.asarray(right[:count])

    cdef Py_ssize_t _fill(
        self, int64_t* left, int64_t* right, const int64_t* starts, const int64_t* rows, Py_ssize_t limit,
    ) noexcept nogil:
        cdef Keys keys = self.keys
        cdef Py_ssize_t count = 0, row = self.row
        cdef int64_t at, end, key
        while row < keys.rows and count < limit:
            key = key_at(&keys, row)
            if key < 0:
                if self.outer:
                    left[count] = row
                    right[count] = -1
                    count += 1
                row += 1
                continue
            at = starts[key] + self.done
            end = starts[key + 1]
            while at < end and count < limit:
                left[count] = row
                right[count] = rows[at]
                count += 1
                at += 1
            if at == end:
                row += 1
                self.done = 0
            else:
                self.done = at - starts[key]
        self.row = row
        return count
