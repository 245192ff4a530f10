"""Accumulators that hold a text per key: its position is in a row, its bytes are in a heap of the key group.

A new text overwrites the previous one if it is not longer. Otherwise the previous one is garbage until the heap is full:
it is then rewritten without garbage, which changes the positions of all texts.

While a view of a group is in use, its heap only grows at the end and positions stay. The view shares the memory that the
heap has now, and finds the texts in it by the rows as they were (``row_image``).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from sabotnb.native._arrow cimport ArrowArray, array_of
from sabotnb.native._shared cimport grown, let_go, resized, share
from sabotnb.native._target cimport Target, Values, aim, at, has, look_ahead, read
from sabotnb.native.keyindex cimport Slots
from sabotnb.native.row_image cimport RowImage
from sabotnb.native.row_pages cimport row_at
from sabotnb.native.rows cimport Rows

import numpy as np
import pyarrow as pa

cdef enum:
    NOTHING = 0
    VALUE = 1
    NULL_VALUE = 2
    FIRST_HEAP = 256

cdef struct Place:
    int64_t order
    uint64_t position  # in the heap
    uint32_t length
    uint32_t room  # bytes from position on that this text may use
    uint32_t seen
    uint32_t _padding

cdef struct Heap:
    uint8_t* data
    uint64_t used
    uint64_t room
    uint64_t garbage
    bint frozen  # a view may be in use


cdef class TextView:
    cdef RowImage rows
    cdef uint8_t* data

    def __dealloc__(self):
        let_go(self.data)

    def texts(self, start, stop):
        return _texts(self.rows.read(start, stop), self.data)

    def orders(self, start, stop):
        return _orders(self.rows.read(start, stop))


cdef class Texts:
    cdef readonly Rows rows
    cdef Heap* heaps

    def __cinit__(self, int groups=1):
        self.rows = Rows(sizeof(Place), groups)
        self.heaps = <Heap*> calloc(groups, sizeof(Heap))
        if self.heaps == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef int group
        if self.heaps != NULL:
            for group in range(self.rows.groups):
                let_go(self.heaps[group].data)
        free(self.heaps)

    def view(self, int group=0):
        cdef TextView view = TextView()
        view.rows = self.rows.freeze(group, self.rows.room[group])
        view.data = <uint8_t*> share(self.heaps[group].data)
        self.heaps[group].frozen = True
        return view

    def drop(self, int group):
        self.rows.drop(group)
        let_go(self.heaps[group].data)
        self.heaps[group] = Heap(NULL, 0, 0, 0, False)

    def nbytes(self, int group=0):
        return self.rows.nbytes(group) + self.heaps[group].room

    def update(self, Slots slots, array, order, bint last):
        cdef Target target
        cdef Values values, orders
        cdef const int64_t* bounds
        cdef const uint8_t* data
        cdef const ArrowArray* texts
        cdef bint fits
        aim(self.rows, slots, &target)
        capsules = array.cast(pa.large_binary()).__arrow_c_array__()
        read(capsules, target.rows, 8, &values)
        order_capsules = None if order is None else order.__arrow_c_array__()
        if order is not None:
            read(order_capsules, target.rows, 8, &orders)
        if target.rows == 0:
            return
        self._save(slots)
        texts = array_of(capsules[1])
        with nogil:
            bounds = <const int64_t*> values.data
            data = <const uint8_t*> texts.buffers[2]
            if order_capsules is None:
                fits = self._extreme(&target, &values, bounds, data, last)
            else:
                fits = self._ordered(&target, &values, &orders, bounds, data, last)
        if not fits:
            raise MemoryError("cannot allocate memory for another text")

    def texts(self, int group, start, stop):
        return _texts(self.rows.read(group, start, stop), self.heaps[group].data)

    def orders(self, int group, start, stop):
        return _orders(self.rows.read(group, start, stop))

    cdef bint _save(self, Slots slots) except False:
        """Save the rows of ``slots`` for the views that are in use, and note which groups have one."""
        cdef int group
        for group in range(self.rows.groups):
            if self.heaps[group].frozen:
                self.heaps[group].frozen = self.rows._image(group) is not None
        self.rows.save(slots)
        return True

    cdef bint _extreme(
        self, const Target* target, const Values* values, const int64_t* bounds, const uint8_t* data, bint largest
    ) noexcept nogil:
        cdef int64_t i
        cdef int group
        cdef Place* place
        cdef uint32_t length
        cdef int order
        for i in range(target.rows):
            look_ahead(target, i)
            if not has(values, i):
                continue
            group = 0 if target.groups == NULL else target.groups[i]
            place = <Place*> at(target, i)
            length = <uint32_t> (bounds[i + 1] - bounds[i])
            if place.seen:
                order = self._compared(group, place, data + bounds[i], length)
                if order >= 0 if largest else order <= 0:
                    continue
            if not self._store(group, place, data + bounds[i], length):
                return False
        return True

    cdef bint _ordered(
        self, const Target* target, const Values* values, const Values* orders, const int64_t* bounds,
        const uint8_t* data, bint last,
    ) noexcept nogil:
        """The smaller text wins among equal orders; null comes last."""
        cdef const int64_t* order_of = <const int64_t*> orders.data
        cdef int64_t i
        cdef int group
        cdef Place* place
        cdef uint32_t length
        cdef bint better, valid
        for i in range(target.rows):
            look_ahead(target, i)
            if not has(orders, i):
                continue
            group = 0 if target.groups == NULL else target.groups[i]
            place = <Place*> at(target, i)
            valid = has(values, i)
            length = <uint32_t> (bounds[i + 1] - bounds[i]) if valid else 0
            if place.seen == NOTHING:
                better = True
            elif order_of[i] != place.order:
                better = (order_of[i] > place.order) == last
            elif place.seen == NULL_VALUE:
                better = valid
            else:
                better = valid and self._compared(group, place, data + bounds[i], length) > 0
            if better:
                place.order = order_of[i]
                if not self._store(group, place, data + bounds[i], length):
                    return False
                place.seen = VALUE if valid else NULL_VALUE
        return True

    cdef int _compared(self, int group, const Place* place, const uint8_t* data, uint32_t length) noexcept nogil:
        """Negative if the text of ``place`` is smaller, positive if it is larger."""
        cdef int found = memcmp(self.heaps[group].data + place.position, data, min(place.length, length))
        if found:
            return found
        return (place.length > length) - (place.length < length)

    cdef bint _store(self, int group, Place* place, const uint8_t* data, uint32_t length) noexcept nogil:
        cdef Heap* heap = &self.heaps[group]
        if length > place.room or heap.frozen:
            heap.garbage += place.room
            place.room = 0
            if heap.used + length > heap.room and not self._make_room(group, length):
                return False
            place.position = heap.used
            place.room = length
            heap.used += length
        if length:
            memcpy(heap.data + place.position, data, length)
        place.length = length
        place.seen = VALUE
        return True

    cdef bint _make_room(self, int group, uint32_t length) noexcept nogil:
        """Make room for as much again; rewrites the heap without its garbage unless a view needs the positions."""
        cdef Heap* heap = &self.heaps[group]
        cdef uint64_t room = 2 * (heap.used - heap.garbage) + length + FIRST_HEAP
        cdef uint8_t* data
        if heap.frozen:
            room += 2 * heap.garbage
            data = <uint8_t*> grown(heap.data, heap.used, room)
            if data == NULL:
                return False
        else:
            data = <uint8_t*> resized(NULL, room)
            if data == NULL:
                return False
            self._compact(group, data)
            let_go(heap.data)
        heap.data = data
        heap.room = room
        return True

    cdef void _compact(self, int group, uint8_t* data) noexcept nogil:
        cdef Heap* heap = &self.heaps[group]
        cdef Place* place
        cdef uint64_t used = 0
        cdef uint32_t slot
        for slot in range(self.rows.room[group]):
            place = <Place*> row_at(self.rows.bases[group], slot, self.rows.width, self.rows.shift)
            if place.room:
                memcpy(data + used, heap.data + place.position, place.length)
                place.position = used
                place.room = place.length
                used += place.length
        heap.used = used
        heap.garbage = 0


cdef _texts(rows, const uint8_t* heap):
    """The texts of copied rows, null for a row without text."""
    cdef const uint8_t[:, ::1] view = rows
    cdef Py_ssize_t count = view.shape[0], i
    cdef int64_t[::1] offsets = np.zeros(count + 1, np.int64)
    cdef uint8_t[::1] valid = np.zeros(count, np.uint8)
    cdef const Place* places = <const Place*> &view[0, 0] if count else NULL
    with nogil:
        for i in range(count):
            if places[i].seen == VALUE:
                valid[i] = 1
                offsets[i + 1] = places[i].length
            offsets[i + 1] += offsets[i]
    buffer = pa.allocate_buffer(max(offsets[count], 1))
    cdef uint8_t[::1] data = np.frombuffer(buffer, np.uint8)
    with nogil:
        for i in range(count):
            if offsets[i + 1] > offsets[i]:
                memcpy(&data[0] + offsets[i], heap + places[i].position, places[i].length)
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.large_binary(), count, [bitmap, pa.py_buffer(np.asarray(offsets)), buffer])


cdef _orders(rows):
    """The orders of copied rows, null for a row that was never updated."""
    cdef const uint8_t[:, ::1] view = rows
    cdef Py_ssize_t count = view.shape[0], i
    cdef int64_t[::1] orders = np.zeros(count, np.int64)
    cdef uint8_t[::1] valid = np.zeros(count, np.uint8)
    cdef const Place* places = <const Place*> &view[0, 0] if count else NULL
    with nogil:
        for i in range(count):
            if places[i].seen != NOTHING:
                valid[i] = 1
                orders[i] = places[i].order
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), count, [bitmap, pa.py_buffer(np.asarray(orders))])
