"""``TimeIndex``: rows sorted by key and time; ``TimeProbe``: pairs of other rows with those in a range of time."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from sabotnb.native._table cimport prefetch

import numpy as np

cdef enum:
    DIGIT = 11  # bits of the key that one pass of the sort covers
    DIGITS = 2048
    BLOCK = 64  # probing rows whose entries are prefetched together
    FEW = 8  # ranges of at most so many entries are scanned, longer ones bisected


cdef packed struct Timed:
    int64_t time
    uint32_t slot
    uint32_t row

ENTRY = np.dtype([("time", np.int64), ("slot", np.uint32), ("row", np.uint32)])


cdef inline bint is_before(const Timed* entry, uint32_t slot, int64_t time) noexcept nogil:
    return entry.slot < slot or (entry.slot == slot and entry.time < time)


cdef inline int bits_of(uint64_t number) noexcept nogil:
    cdef int bits = 0
    while number:
        bits += 1
        number >>= 1
    return bits


cdef bint sort_by_digit(
    const Timed* source, Timed* target, Py_ssize_t rows, bint by_time, int64_t least, int shift
) noexcept nogil:
    """One stable pass of a radix sort; False if all rows have one digit, and nothing was done."""
    cdef Py_ssize_t ends[DIGITS + 1]
    cdef Py_ssize_t i
    cdef uint64_t word
    memset(ends, 0, sizeof(ends))
    for i in range(rows):
        word = (<uint64_t> source[i].time - <uint64_t> least) if by_time else source[i].slot
        ends[((word >> shift) & (DIGITS - 1)) + 1] += 1
    for i in range(DIGITS):
        if ends[i + 1] == rows:
            return False
        ends[i + 1] += ends[i]
    for i in range(rows):
        word = (<uint64_t> source[i].time - <uint64_t> least) if by_time else source[i].slot
        word = (word >> shift) & (DIGITS - 1)
        target[ends[word]] = source[i]
        ends[word] += 1
    return True


cdef Timed* sort(Timed* source, Timed* target, Py_ssize_t rows, int time_bits, int64_t least, int slot_bits) noexcept nogil:
    """Sort by slot and time, the least significant digits first; returns the one of the two that has the result."""
    cdef int shift = 0
    while shift < time_bits:
        if sort_by_digit(source, target, rows, True, least, shift):
            source, target = target, source
        shift += DIGIT
    shift = 0
    while shift < slot_bits:
        if sort_by_digit(source, target, rows, False, 0, shift):
            source, target = target, source
        shift += DIGIT
    return source


cdef struct Sorted:
    const Timed* entries
    const uint32_t* starts  # of each bucket of slots: its first entry
    uint32_t least  # the smallest slot
    uint32_t largest
    int shift  # from slot - least to the bucket


cdef inline bint has(const Sorted* index, uint32_t slot) noexcept nogil:
    return index.least <= slot <= index.largest


cdef inline const uint32_t* bucket_of(const Sorted* index, uint32_t slot) noexcept nogil:
    return index.starts + ((slot - index.least) >> index.shift)


cdef inline void find(
    const Sorted* index, uint32_t slot, int64_t low, int64_t high, uint32_t* start, uint32_t* stop
) noexcept nogil:
    """Find the entries of ``slot`` whose times are from ``low`` to ``high``."""
    cdef const Timed* entries = index.entries
    cdef const uint32_t* bucket = bucket_of(index, slot)
    cdef uint32_t at = bucket[0], end = bucket[1], limit = bucket[1], middle
    while end - at > FEW:
        middle = at + ((end - at) >> 1)
        if is_before(&entries[middle], slot, low):
            at = middle + 1
        else:
            end = middle
    while at < end and is_before(&entries[at], slot, low):
        at += 1
    start[0] = at
    end = min(limit, at + FEW)
    while at < end and entries[at].slot == slot and entries[at].time <= high:
        at += 1
    if at == end:
        end = limit
        while at < end:
            middle = at + ((end - at) >> 1)
            if entries[middle].slot == slot and entries[middle].time <= high:
                at = middle + 1
            else:
                end = middle
    stop[0] = at


cdef class TimeIndex:
    cdef Sorted index
    cdef uint32_t[::1] starts
    cdef Py_ssize_t entry_count
    cdef readonly object entries

    def __cinit__(self, const uint32_t[::1] slots, const int64_t[::1] times):
        cdef Py_ssize_t rows = slots.shape[0], i
        cdef Timed[::1] given
        cdef Timed[::1] spare
        cdef Timed* result
        cdef int64_t least, largest
        cdef uint32_t least_slot, largest_slot
        cdef bint in_order = True
        if times.shape[0] != rows or not 0 < rows < 2**32:
            raise ValueError(f"{rows} slots and {times.shape[0]} times; there must be as many, and at least one")
        self.entry_count = rows
        given_rows, spare_rows = np.empty(rows, ENTRY), np.empty(rows, ENTRY)
        given, spare = given_rows, spare_rows
        with nogil:
            least = largest = times[0]
            least_slot = largest_slot = slots[0]
            for i in range(rows):
                given[i].time = times[i]
                given[i].slot = slots[i]
                given[i].row = <uint32_t> i
                in_order = in_order and times[i] >= largest
                least = min(least, times[i])
                largest = max(largest, times[i])
                least_slot = min(least_slot, slots[i])
                largest_slot = max(largest_slot, slots[i])
            result = sort(
                &given[0], &spare[0], rows, 0 if in_order else bits_of(<uint64_t> largest - <uint64_t> least), least,
                bits_of(largest_slot),
            )
            self.index.least = least_slot
            self.index.largest = largest_slot
            self.index.entries = result
            self.index.shift = 0
            while ((largest_slot - least_slot) >> self.index.shift) > <uint64_t> rows:
                self.index.shift += 1
        self.entries = given_rows if result == &given[0] else spare_rows
        self.starts = np.empty(((largest_slot - least_slot) >> self.index.shift) + 2, np.uint32)
        self.index.starts = &self.starts[0]
        self._fill_buckets()

    cdef Py_ssize_t rows(self) noexcept nogil:
        return self.entry_count

    cdef void _fill_buckets(self) noexcept nogil:
        cdef uint32_t bucket, done = 0, i, rows = <uint32_t> self.rows()
        for i in range(rows):
            bucket = (self.index.entries[i].slot - self.index.least) >> self.index.shift
            while done <= bucket:
                self.starts[done] = i
                done += 1
        self.starts[done] = rows

    def any(self, const uint32_t[::1] slots, const int64_t[::1] low, const int64_t[::1] high):
        cdef Ranges ranges = Ranges(self, slots, low, high)
        cdef uint8_t[::1] found = np.zeros(slots.shape[0], np.uint8)
        cdef Py_ssize_t i
        with nogil:
            while ranges.next_block():
                for i in range(ranges.rows):
                    found[ranges.first + i] = ranges.stop[i] > ranges.start[i]
        return np.asarray(found).view(np.bool_)

    def nearest(self, const uint32_t[::1] slots, const int64_t[::1] low, const int64_t[::1] high, bint last):
        cdef Ranges ranges = Ranges(self, slots, low, high)
        cdef int64_t[::1] rows = np.full(slots.shape[0], -1, np.int64)
        cdef int64_t[::1] times = np.zeros(slots.shape[0], np.int64)
        cdef Py_ssize_t i
        cdef uint32_t at
        with nogil:
            while ranges.next_block():
                for i in range(ranges.rows):
                    if ranges.stop[i] > ranges.start[i]:
                        at = ranges.stop[i] - 1 if last else ranges.start[i]
                        rows[ranges.first + i] = self.index.entries[at].row
                        times[ranges.first + i] = self.index.entries[at].time
        return np.asarray(rows), np.asarray(times)


cdef class Ranges:
    """The ranges of entries of probing rows, ``BLOCK`` at a time."""

    cdef TimeIndex owner
    cdef Sorted index
    cdef const uint32_t[::1] slots
    cdef const int64_t[::1] low
    cdef const int64_t[::1] high
    cdef Py_ssize_t first  # number of the first row of the block
    cdef Py_ssize_t rows  # rows in the block
    cdef uint32_t start[BLOCK]
    cdef uint32_t stop[BLOCK]

    def __cinit__(self, TimeIndex owner, const uint32_t[::1] slots, const int64_t[::1] low, const int64_t[::1] high):
        if low.shape[0] != slots.shape[0] or high.shape[0] != slots.shape[0]:
            raise ValueError(f"{slots.shape[0]} slots, {low.shape[0]} and {high.shape[0]} bounds")
        self.owner = owner
        self.index = owner.index
        self.slots = slots
        self.low = low
        self.high = high

    cdef bint next_block(self) noexcept nogil:
        """Find the ranges of the next rows; False at the end."""
        cdef const Sorted* index = &self.index
        cdef Py_ssize_t i, first = self.first + self.rows
        cdef Py_ssize_t rows = min(<Py_ssize_t> BLOCK, self.slots.shape[0] - first)
        cdef const uint32_t* slots = &self.slots[0]
        self.first = first
        self.rows = rows
        for i in range(first, first + rows):
            if has(index, slots[i]):
                prefetch(bucket_of(index, slots[i]))
        for i in range(first, first + rows):
            if has(index, slots[i]):
                prefetch(&index.entries[bucket_of(index, slots[i])[0]])
        for i in range(rows):
            self.start[i] = self.stop[i] = 0
            if has(index, slots[first + i]):
                find(index, slots[first + i], self.low[first + i], self.high[first + i], &self.start[i], &self.stop[i])
        return rows > 0


cdef class TimeProbe:
    cdef Ranges ranges
    cdef bint exact
    cdef const int64_t[::1] times
    cdef const int64_t[::1] since
    cdef const int64_t[::1] until
    cdef Py_ssize_t row  # in the block
    cdef uint32_t at  # the next entry of this row

    def __cinit__(self, TimeIndex index, slots, low, high, times=None, since=None, until=None):
        self.ranges = Ranges(index, slots, low, high)
        self.exact = times is None
        if times is not None:
            if len(times) != len(slots) or len(since) != len(index.entries) or len(until) != len(index.entries):
                raise ValueError(f"{len(times)} times, {len(since)} and {len(until)} bounds")
            self.times = times
            self.since = since
            self.until = until

    cdef inline bint is_pair(self, Py_ssize_t row, uint32_t other) noexcept nogil:
        return self.exact or self.since[other] <= self.times[row] <= self.until[other]

    def next(self, Py_ssize_t limit):
        cdef int64_t[::1] mine = np.empty(max(limit, 1), np.int64)
        cdef int64_t[::1] others = np.empty(max(limit, 1), np.int64)
        cdef Py_ssize_t count
        if limit < 1:
            raise ValueError(f"a slice of {limit} rows; it must have at least 1")
        with nogil:
            count = self._fill(&mine[0], &others[0], limit)
        if count == 0:
            return None
        return np.asarray(mine[:count]), np.asarray(others[:count])

    cdef Py_ssize_t _fill(self, int64_t* mine, int64_t* others, Py_ssize_t limit) noexcept nogil:
        cdef const Timed* entries = self.ranges.index.entries
        cdef Py_ssize_t count = 0
        cdef uint32_t at, stop, other
        while True:
            while self.row < self.ranges.rows:
                at = max(self.at, self.ranges.start[self.row])
                stop = self.ranges.stop[self.row]
                while at < stop:
                    if count == limit:
                        self.at = at
                        return count
                    other = entries[at].row
                    if self.is_pair(self.ranges.first + self.row, other):
                        mine[count] = self.ranges.first + self.row
                        others[count] = other
                        count += 1
                    at += 1
                self.at = 0
                self.row += 1
            self.row = 0
            if not self.ranges.next_block():
                return count

    def settle(self, uint8_t[::1] settled):
        """Walk all pairs; returns the rows of the index that had not been settled, and settles them."""
        cdef int64_t[::1] fresh = np.empty(self.ranges.owner.rows(), np.int64)
        cdef Ranges ranges = self.ranges
        cdef Py_ssize_t count = 0, i
        cdef uint32_t at, other
        with nogil:
            while ranges.next_block():
                for i in range(ranges.rows):
                    for at in range(ranges.start[i], ranges.stop[i]):
                        other = ranges.index.entries[at].row
                        if not settled[other] and self.is_pair(ranges.first + i, other):
                            settled[other] = 1
                            fresh[count] = other
                            count += 1
        return np.sort(np.asarray(fresh[:count]))
