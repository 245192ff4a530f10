"""Fixed-width accumulators: one row of them per key, updated for a whole batch in one call.

All aggregates of a key lie in one row, so that a batch of many keys misses the cache once per key and not once per
aggregate. A kernel takes the rows, the offset of its field in a row, the slots of the batch, and values.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from sabotnb.native._arrow cimport ArrowArray, array_of, is_valid, schema_of, validity_of
from sabotnb.native._table cimport prefetch
from sabotnb.native.keyindex cimport Slots

import numpy as np

from sabotnb.errors import TypeMismatch

cdef extern from *:
    """
    /* Rows are aligned to 8 bytes only. */
    typedef __int128 sabotnb_i128 __attribute__((aligned(8)));
    #define sabotnb_overflows(a, b, sum) __builtin_add_overflow(a, b, sum)
    """
    ctypedef long long i128 "sabotnb_i128"
    bint overflows "sabotnb_overflows"(i128 a, i128 b, i128* sum) noexcept nogil

cdef enum:
    FIRST_ROOM = 16
    AHEAD = 16  # rows between a prefetch and its use
    CACHED = 262144  # bytes of rows that stay in the L2 cache without prefetching

KINDS = {"l": "int64", "L": "uint64", "g": "double", "d": "decimal128"}

ctypedef fused number:
    int64_t
    uint64_t
    double
    i128

ctypedef fused word:
    int64_t
    uint64_t
    double

ctypedef fused integer:
    int64_t
    uint64_t
    i128


cdef class Rows:
    cdef char** bases
    cdef uint32_t* room
    cdef readonly int groups
    cdef readonly int width
    cdef int64_t total
    cdef list buffers

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

    def detach(self, int group):
        """Go on with a copy: whoever has the buffer keeps it as it is now."""
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


cdef struct Target:
    # Where the field of each row of a batch is.
    char** bases
    const uint16_t* groups  # NULL: all in the first
    const uint32_t* slots
    int64_t rows
    int64_t width
    int64_t offset
    bint cold


cdef int _aim(Rows rows, Py_ssize_t offset, Slots slots, Target* target) except -1:
    cdef uint32_t[::1] slot_view = slots.slots
    cdef uint16_t[::1] group_view
    if not 0 <= offset < rows.width:
        raise ValueError(f"a field at {offset} in rows of {rows.width} bytes")
    target.bases = rows.bases
    target.rows = slot_view.shape[0]
    target.slots = NULL if target.rows == 0 else &slot_view[0]
    target.groups = NULL
    if slots.groups is not None and target.rows:
        group_view = slots.groups
        target.groups = &group_view[0]
    target.width = rows.width
    target.offset = offset
    target.cold = rows.total > CACHED
    return 0


cdef inline char* at(const Target* target, int64_t i) noexcept nogil:
    cdef char* base = target.bases[0] if target.groups == NULL else target.bases[target.groups[i]]
    return base + target.slots[i] * target.width + target.offset


cdef inline void look_ahead(const Target* target, int64_t i) noexcept nogil:
    if target.cold and i + AHEAD < target.rows:
        prefetch(at(target, i + AHEAD))


cdef struct Values:
    const void* data  # the first value
    const uint8_t* validity  # bit first + i
    int64_t first


cdef int _read(capsules, const Target* target, int64_t size, Values* values) except -1:
    cdef const ArrowArray* array = array_of(capsules[1])
    if array.length != target.rows:
        raise ValueError(f"{array.length} values for {target.rows} rows")
    values.validity = validity_of(array)
    values.first = array.offset
    values.data = <const char*> array.buffers[1] + array.offset * size
    return 0


cdef inline bint has(const Values* values, int64_t i) noexcept nogil:
    return is_valid(values.validity, values.first + i)


cdef char _format(capsules, array, bytes taken) except 0:
    """One of ``taken``: ``l`` (int64), ``L`` (uint64), ``g`` (double) or ``d`` (decimal128)."""
    cdef char kind = schema_of(capsules[0]).format[0]
    if kind not in taken or (kind == b"d" and array.type.bit_width != 128):
        names = ", ".join(KINDS[chr(one)] for one in taken)
        raise TypeMismatch(f"this kernel takes {names}, not {array.type}; convert the column first")
    return kind


def count_rows(Rows rows, Py_ssize_t offset, Slots slots):
    cdef Target target
    cdef int64_t i
    _aim(rows, offset, slots, &target)
    with nogil:
        for i in range(target.rows):
            look_ahead(&target, i)
            (<int64_t*> at(&target, i))[0] += 1


def count_valid(Rows rows, Py_ssize_t offset, Slots slots, array):
    cdef Target target
    cdef Values values
    cdef int64_t i
    if array.null_count == 0:
        return count_rows(rows, offset, slots)
    _aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    _read(capsules, &target, 0, &values)
    if schema_of(capsules[0]).format[0] == b"n":
        return None
    with nogil:
        for i in range(target.rows):
            look_ahead(&target, i)
            if has(&values, i):
                (<int64_t*> at(&target, i))[0] += 1


def add(Rows rows, Py_ssize_t offset, Slots slots, array):
    cdef Target target
    cdef Values values
    _aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    cdef char kind = _format(capsules, array, b"lg")
    _read(capsules, &target, 8, &values)
    with nogil:
        if kind == b"l":
            _add(&target, &values, <const int64_t*> values.data)
        else:
            _add(&target, &values, <const double*> values.data)


cdef void _add(const Target* target, const Values* values, const word* data) noexcept nogil:
    cdef int64_t i
    for i in range(target.rows):
        look_ahead(target, i)
        if has(values, i):
            (<word*> at(target, i))[0] += data[i]


def sum_values(Rows rows, Py_ssize_t offset, Slots slots, array):
    cdef Target target
    cdef Values values
    cdef bint fits = True
    _aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    cdef char kind = _format(capsules, array, b"lLgd")
    _read(capsules, &target, 16 if kind == b"d" else 8, &values)
    with nogil:
        if kind == b"l":
            fits = _sum(&target, &values, <const int64_t*> values.data)
        elif kind == b"L":
            fits = _sum(&target, &values, <const uint64_t*> values.data)
        elif kind == b"d":
            fits = _sum(&target, &values, <const i128*> values.data)
        else:
            _sum_doubles(&target, &values, <const double*> values.data)
    if not fits:
        raise OverflowError("a sum is beyond 128 bits")


cdef bint _sum(const Target* target, const Values* values, const integer* data) noexcept nogil:
    """Into 128 bits and a byte behind them that says: seen. Whether a result fits is asked at the end only."""
    cdef int64_t i
    cdef char* field
    cdef bint lost = False
    for i in range(target.rows):
        look_ahead(target, i)
        if has(values, i):
            field = at(target, i)
            if integer is i128:
                lost |= overflows((<i128*> field)[0], data[i], <i128*> field)
            else:
                (<i128*> field)[0] += <i128> data[i]
            field[16] = 1
    return not lost


cdef void _sum_doubles(const Target* target, const Values* values, const double* data) noexcept nogil:
    cdef int64_t i
    cdef char* field
    for i in range(target.rows):
        look_ahead(target, i)
        if has(values, i):
            field = at(target, i)
            (<double*> field)[0] += data[i]
            field[8] = 1


def extreme(Rows rows, Py_ssize_t offset, Slots slots, array, bint largest):
    cdef Target target
    cdef Values values
    _aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    cdef char kind = _format(capsules, array, b"lLgd")
    _read(capsules, &target, 16 if kind == b"d" else 8, &values)
    with nogil:
        if kind == b"l":
            _extreme(&target, &values, <const int64_t*> values.data, largest)
        elif kind == b"L":
            _extreme(&target, &values, <const uint64_t*> values.data, largest)
        elif kind == b"d":
            _extreme(&target, &values, <const i128*> values.data, largest)
        else:
            _extreme(&target, &values, <const double*> values.data, largest)


cdef inline bint less(number a, number b) noexcept nogil:
    """Order of values; NaN is above every other."""
    if number is double:
        return a < b or (b != b and a == a)
    else:
        return a < b


cdef void _extreme(const Target* target, const Values* values, const number* data, bint largest) noexcept nogil:
    """The value, and a byte behind it that says: seen."""
    cdef int64_t i
    cdef char* field
    cdef number found
    for i in range(target.rows):
        look_ahead(target, i)
        if has(values, i):
            field = at(target, i)
            found = (<number*> field)[0]
            if not field[sizeof(number)] or (less(found, data[i]) if largest else less(data[i], found)):
                (<number*> field)[0] = data[i]
                field[sizeof(number)] = 1


cdef struct Moments:
    int64_t count
    double mean
    double m2  # sum of squared distances from the mean


def variance(Rows rows, Py_ssize_t offset, Slots slots, array):
    cdef Target target
    cdef Values values
    cdef const double* data
    cdef Moments* moments
    cdef double delta
    cdef int64_t i
    _aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    _format(capsules, array, b"g")
    _read(capsules, &target, 8, &values)
    with nogil:
        data = <const double*> values.data
        for i in range(target.rows):
            look_ahead(&target, i)
            if has(&values, i):
                moments = <Moments*> at(&target, i)
                moments.count += 1
                delta = data[i] - moments.mean
                moments.mean += delta / <double> moments.count
                moments.m2 += delta * (data[i] - moments.mean)


def merge_variance(Rows rows, Py_ssize_t offset, Slots slots, count, mean, m2):
    cdef Target target
    cdef Values counts, means, squares
    cdef Moments* moments
    cdef int64_t i, n
    cdef double delta, total
    _aim(rows, offset, slots, &target)
    count_capsules = count.__arrow_c_array__()
    mean_capsules = mean.__arrow_c_array__()
    m2_capsules = m2.__arrow_c_array__()
    _format(count_capsules, count, b"l")
    _format(mean_capsules, mean, b"g")
    _format(m2_capsules, m2, b"g")
    _read(count_capsules, &target, 8, &counts)
    _read(mean_capsules, &target, 8, &means)
    _read(m2_capsules, &target, 8, &squares)
    with nogil:
        for i in range(target.rows):
            look_ahead(&target, i)
            n = (<const int64_t*> counts.data)[i]
            if n:
                moments = <Moments*> at(&target, i)
                total = <double> (moments.count + n)
                delta = (<const double*> means.data)[i] - moments.mean
                moments.mean += delta * (<double> n / total)
                moments.m2 += (<const double*> squares.data)[i]
                moments.m2 += delta * delta * (<double> moments.count * <double> n / total)
                moments.count += n


def ordered(Rows rows, Py_ssize_t offset, Slots slots, array, order, bint last):
    cdef Target target
    cdef Values values, orders
    _aim(rows, offset, slots, &target)
    capsules, order_capsules = array.__arrow_c_array__(), order.__arrow_c_array__()
    cdef char kind = _format(capsules, array, b"lLg")
    _format(order_capsules, order, b"l")
    _read(capsules, &target, 8, &values)
    _read(order_capsules, &target, 8, &orders)
    with nogil:
        if kind == b"l":
            _ordered(&target, &values, <const int64_t*> values.data, &orders, last)
        elif kind == b"L":
            _ordered(&target, &values, <const uint64_t*> values.data, &orders, last)
        else:
            _ordered(&target, &values, <const double*> values.data, &orders, last)


cdef enum:
    NOTHING = 0
    VALUE = 1
    NULL_VALUE = 2


cdef void _ordered(
    const Target* target, const Values* values, const word* data, const Values* orders, bint last
) noexcept nogil:
    """The order, the value, and a byte: nothing yet, a value, or null. Of equal orders the smaller value."""
    cdef const int64_t* order_of = <const int64_t*> orders.data
    cdef int64_t i
    cdef char* field
    cdef word found
    cdef bint valid, better
    for i in range(target.rows):
        look_ahead(target, i)
        if not has(orders, i):
            continue
        field = at(target, i)
        valid = has(values, i)
        if field[16] == NOTHING:
            better = True
        elif order_of[i] != (<int64_t*> field)[0]:
            better = (order_of[i] > (<int64_t*> field)[0]) == last
        elif field[16] == NULL_VALUE:
            better = valid
        else:
            found = (<word*> (field + 8))[0]
            better = valid and less(data[i], found)
        if better:
            (<int64_t*> field)[0] = order_of[i]
            (<word*> (field + 8))[0] = data[i] if valid else 0
            field[16] = VALUE if valid else NULL_VALUE
