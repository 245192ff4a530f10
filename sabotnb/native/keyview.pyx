"""``KeyView``: reads keys back from a share of a ``KeyIndex``'s memory."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from sabotnb.native._shared cimport let_go, share
from sabotnb.native._table cimport Table

import numpy as np
import pyarrow as pa

from sabotnb.native import canonical

cdef enum:
    ENCODED_WORD = 9  # as ``KeyIndex`` writes it: a validity byte, then the word


cdef class KeyView:
    def __dealloc__(self):
        let_go(self.table.keys)
        let_go(self.table.heap)

    def __len__(self):
        return self.table.size

    def slots(self):
        if self.freed is None:
            return np.arange(self.table.size)
        used = np.ones(self.table.size, np.bool_)
        used[self.freed] = False
        return np.flatnonzero(used)

    def keys(self, start=0, stop=None):
        cdef int64_t first = start
        cdef int64_t last = max(first, self.table.size if stop is None else min(stop, self.table.size))
        if len(self.types) > 1 or not self.words[0]:
            return self.take(np.arange(first, last))
        values = np.empty(last - first, np.int64)
        cdef int64_t[::1] words = values
        if first < last:
            memcpy(&words[0], self.table.keys + first, (last - first) * sizeof(uint64_t))
        valid = np.arange(first, last) != self.table.null_slot if first <= self.table.null_slot < last else None
        return [canonical.from_words(_array(pa.int64(), [pa.py_buffer(values)], valid), self.types[0])]

    def take(self, slots, columns=None):
        cdef int64_t[::1] numbers = np.ascontiguousarray(slots, np.int64)
        cdef int64_t wrong
        with nogil:
            wrong = _first_beyond(numbers, self.table.size)
        if wrong >= 0:
            raise IndexError(f"slot {numbers[wrong]} of {self.table.size}")
        if len(self.types) > 1:
            return _decoded(&self.table, numbers, self.types[:columns], self.words)
        valid = _all_but(self.table.null_slot, numbers)
        if self.words[0]:
            return [canonical.from_words(_words(&self.table, numbers, valid), self.types[0])]
        return [canonical.from_binary(_bytes(&self.table, numbers, valid), self.types[0])]


cdef KeyView view_of(const Table* table, list types, list words):
    cdef KeyView view = KeyView()
    view.table = table[0]
    if table.free_count:
        view.freed = np.asarray(<uint32_t[: table.free_count]> table.free_slots).copy()
    view.table.free_slots = NULL
    view.table.directory = NULL
    view.table.depths = NULL
    share(view.table.keys)
    share(view.table.heap)
    view.types = types
    view.words = words
    return view


cdef int64_t _first_beyond(const int64_t[::1] slots, int64_t size) noexcept nogil:
    """The position of the first slot that is not below ``size``; -1 if there is none."""
    cdef int64_t i
    for i in range(slots.shape[0]):
        if not 0 <= slots[i] < size:
            return i
    return -1


cdef _words(const Table* table, const int64_t[::1] slots, valid):
    cdef int64_t[::1] values = np.empty(len(slots), np.int64)
    cdef Py_ssize_t i
    with nogil:
        for i in range(slots.shape[0]):
            values[i] = <int64_t> table.keys[slots[i]]
    return _array(pa.int64(), [pa.py_buffer(np.asarray(values))], valid)


cdef _bytes(const Table* table, const int64_t[::1] slots, valid):
    cdef int64_t[::1] offsets = np.zeros(len(slots) + 1, np.int64)
    cdef uint32_t length
    cdef Py_ssize_t i, rows = slots.shape[0]
    with nogil:
        for i in range(rows):
            length = 0
            if slots[i] != table.null_slot:
                memcpy(&length, table.heap + table.keys[slots[i]], 4)
            offsets[i + 1] = offsets[i] + length
    buffer = pa.allocate_buffer(max(offsets[rows], 1))
    cdef uint8_t[::1] data = np.frombuffer(buffer, np.uint8)
    with nogil:
        for i in range(rows):
            if offsets[i + 1] > offsets[i]:
                memcpy(&data[0] + offsets[i], table.heap + table.keys[slots[i]] + 4, offsets[i + 1] - offsets[i])
    return _array(pa.large_binary(), [pa.py_buffer(np.asarray(offsets)), buffer], valid)


cdef _decoded(const Table* table, const int64_t[::1] slots, types, words):
    """Decode the bytes of several key columns, one for each of ``types``."""
    cdef int64_t[::1] at = np.empty(len(slots), np.int64)
    cdef Py_ssize_t i
    with nogil:
        for i in range(slots.shape[0]):
            at[i] = <int64_t> table.keys[slots[i]] + 4
    out = []
    for data_type, word in zip(types, words, strict=False):
        if word:
            out.append(canonical.from_words(_decoded_words(table.heap, at), data_type))
        else:
            out.append(canonical.from_binary(_decoded_bytes(table.heap, at), data_type))
    return out


cdef _decoded_words(const uint8_t* heap, int64_t[::1] at):
    cdef int64_t[::1] values = np.empty(len(at), np.int64)
    cdef uint8_t[::1] valid = np.empty(len(at), np.uint8)
    cdef Py_ssize_t i
    with nogil:
        for i in range(at.shape[0]):
            valid[i] = heap[at[i]]
            memcpy(&values[i], heap + at[i] + 1, 8)
            at[i] += ENCODED_WORD
    return _array(pa.int64(), [pa.py_buffer(np.asarray(values))], np.asarray(valid))


cdef _decoded_bytes(const uint8_t* heap, int64_t[::1] at):
    cdef Py_ssize_t i, rows = at.shape[0]
    cdef int64_t[::1] offsets = np.zeros(rows + 1, np.int64)
    cdef uint8_t[::1] valid = np.empty(rows, np.uint8)
    cdef uint32_t length
    with nogil:
        for i in range(rows):
            memcpy(&length, heap + at[i] + 1, 4)
            valid[i] = heap[at[i]]
            offsets[i + 1] = offsets[i] + length
    buffer = pa.allocate_buffer(max(offsets[rows], 1))
    cdef uint8_t[::1] data = np.frombuffer(buffer, np.uint8)
    with nogil:
        for i in range(rows):
            length = <uint32_t> (offsets[i + 1] - offsets[i])
            memcpy(&data[0] + offsets[i], heap + at[i] + 5, length)
            at[i] += 5 + length
    return _array(pa.large_binary(), [pa.py_buffer(np.asarray(offsets)), buffer], np.asarray(valid))


def _all_but(int64_t null_slot, slots):
    """The validity of the keys of ``slots``; None if none of them is null."""
    if null_slot < 0:
        return None
    valid = np.asarray(slots) != null_slot
    return None if valid.all() else valid


def _array(data_type, buffers, valid):
    rows = buffers[0].size // 8 - (len(buffers) - 1)
    bitmap = None
    if valid is not None and not valid.all():
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(data_type, rows, [bitmap, *buffers])
