"""Fixed-width accumulators: one row of them per key, updated for a whole batch in one call.

All aggregates of a key are in one row, so that a batch of many keys misses the cache once per key instead of once per
aggregate. A kernel takes the rows, the offset of its field in a row, the slots of the batch, and values.
"""

from libc.stdint cimport int64_t, uint64_t

from sabotnb.native._arrow cimport schema_of
from sabotnb.native._target cimport Target, Values, aim, at, has, look_ahead, read
from sabotnb.native.keyindex cimport Slots
from sabotnb.native.rows cimport Rows

from sabotnb.errors import TypeMismatch

cdef extern from *:
    """
    /* Rows are aligned to 8 bytes only. */
    typedef __int128 sabotnb_i128 __attribute__((aligned(8)));
    #define sabotnb_overflows(a, b, sum) __builtin_add_overflow(a, b, sum)
    """
    ctypedef long long i128 "sabotnb_i128"
    bint overflows "sabotnb_overflows"(i128 a, i128 b, i128* sum) noexcept nogil

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


cdef char _format(capsules, array, bytes taken) except 0:
    """Return which of ``taken`` the array is: ``l`` (int64), ``L`` (uint64), ``g`` (double) or ``d`` (decimal128)."""
    cdef char kind = schema_of(capsules[0]).format[0]
    if kind not in taken or (kind == b"d" and array.type.bit_width != 128):
        names = ", ".join(KINDS[chr(one)] for one in taken)
        raise TypeMismatch(f"this kernel takes {names}, not {array.type}; convert the column first")
    return kind


def count_rows(Rows rows, Py_ssize_t offset, Slots slots):
    cdef Target target
    cdef int64_t i
    aim(rows, offset, slots, &target)
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
    aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    read(capsules, &target, 0, &values)
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
    aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    cdef char kind = _format(capsules, array, b"lg")
    read(capsules, &target, 8, &values)
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
    aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    cdef char kind = _format(capsules, array, b"lLgd")
    read(capsules, &target, 16 if kind == b"d" else 8, &values)
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
    """Sum in 128 bits, followed by a byte: a value was seen. Whether the result fits is checked at the end only."""
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
    aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    cdef char kind = _format(capsules, array, b"lLgd")
    read(capsules, &target, 16 if kind == b"d" else 8, &values)
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
    """Compare two values; NaN is larger than any other."""
    if number is double:
        return a < b or (b != b and a == a)
    else:
        return a < b


cdef void _extreme(const Target* target, const Values* values, const number* data, bint largest) noexcept nogil:
    """The value, followed by a byte: a value was seen."""
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
    aim(rows, offset, slots, &target)
    capsules = array.__arrow_c_array__()
    _format(capsules, array, b"g")
    read(capsules, &target, 8, &values)
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
    aim(rows, offset, slots, &target)
    count_capsules = count.__arrow_c_array__()
    mean_capsules = mean.__arrow_c_array__()
    m2_capsules = m2.__arrow_c_array__()
    _format(count_capsules, count, b"l")
    _format(mean_capsules, mean, b"g")
    _format(m2_capsules, m2, b"g")
    read(count_capsules, &target, 8, &counts)
    read(mean_capsules, &target, 8, &means)
    read(m2_capsules, &target, 8, &squares)
    with nogil:
        for i in range(target.rows):
            look_ahead(&target, i)
            n = (<const int64_t*> counts.data)[i]
            moments = <Moments*> at(&target, i)
            if n and not moments.count:  # merging into an empty one would overflow where the square of the mean does
                moments.count = n
                moments.mean = (<const double*> means.data)[i]
                moments.m2 = (<const double*> squares.data)[i]
            elif n:
                total = <double> (moments.count + n)
                delta = (<const double*> means.data)[i] - moments.mean
                moments.mean += delta * (<double> n / total)
                moments.m2 += (<const double*> squares.data)[i]
                moments.m2 += delta * delta * (<double> moments.count * <double> n / total)
                moments.count += n


def ordered(Rows rows, Py_ssize_t offset, Slots slots, array, order, bint last):
    cdef Target target
    cdef Values values, orders
    aim(rows, offset, slots, &target)
    capsules, order_capsules = array.__arrow_c_array__(), order.__arrow_c_array__()
    cdef char kind = _format(capsules, array, b"lLg")
    _format(order_capsules, order, b"l")
    read(capsules, &target, 8, &values)
    read(order_capsules, &target, 8, &orders)
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
    """The order, the value, and a byte: nothing yet, a value, or null. The smaller value wins among equal orders."""
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
