"""Sorts rows by key: a counting sort, since slots of a key group count from 0 without gaps."""

from libc.stdint cimport int64_t, uint16_t, uint32_t

import numpy as np


def rows_by_key(groups, slots):
    cdef const uint32_t[::1] slot_of = slots
    cdef const uint16_t[::1] group_of = groups
    cdef Py_ssize_t rows = slot_of.shape[0], i
    cdef int64_t[::1] first = np.zeros(65_537, np.int64)  # of each group: where its slots begin
    cdef int64_t[::1] order = np.empty(rows, np.int64)
    cdef int64_t total
    if group_of.shape[0] != rows:
        raise ValueError(f"{group_of.shape[0]} groups for {rows} slots")
    with nogil:
        for i in range(rows):
            first[group_of[i] + 1] = max(first[group_of[i] + 1], <int64_t> slot_of[i] + 1)
        for i in range(65_536):
            first[i + 1] += first[i]
        total = first[65_536]
    cdef int64_t[::1] next_row = np.zeros(total + 1, np.int64)
    with nogil:
        for i in range(rows):
            next_row[first[group_of[i]] + slot_of[i] + 1] += 1
        for i in range(total):
            next_row[i + 1] += next_row[i]
        for i in range(rows):
            order[next_row[first[group_of[i]] + slot_of[i]]] = i
            next_row[first[group_of[i]] + slot_of[i]] += 1
    return np.asarray(order)
