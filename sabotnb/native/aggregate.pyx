"""Fixed-width accumulators: one row of them per key, updated for a whole batch in one call.

All aggregates of a key are in one row, so that a batch of many keys misses the cache once per key instead of once per
aggregate. ``FieldUpdates`` collects the updates of a batch. It runs them block by block: it computes the addresses of the
rows of a block and prefetches them, then each kernel updates its field in the rows of the previous block, which are in
the cache by now.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc

from sabotnb.native._arrow cimport schema_of
from sabotnb.native._target cimport Target, Values, aim, at, has, prefetch_row, read
from sabotnb.native._table cimport prefetch
from sabotnb.native.keyindex cimport Slots
from sabotnb.native.row_image cimport Log, save
from sabotnb.native.rows cimport Rows, logs_of
from sabotnb.native.saved_rows cimport fence

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
    BLOCK = 256  # rows; those of two blocks fit the L2 cache

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


cdef enum Kernel:
    COUNT_ROWS
    COUNT_VALID
    ADD
    SUM
    EXTREME
    VARIANCE
    MERGE_VARIANCE
    ORDERED


cdef struct Update:
    # One field's part in the updates of a batch.
    Kernel kernel
    char kind  # of the values, see KINDS
    int64_t offset
    bint last  # the largest value, or the last by order
    bint lost  # a sum went beyond 128 bits
    Values values
    Values more[2]  # the order; or mean and m2


cdef class FieldUpdates:
    cdef Rows rows
    cdef Slots slots
    cdef Target target
    cdef Update* updates
    cdef int count
    cdef list held  # what ``target`` and ``updates`` point into

    def __cinit__(self, Rows rows, Slots slots):
        self.rows = rows
        self.slots = slots
        self.held = []
        aim(rows, slots, &self.target)

    def __dealloc__(self):
        free(self.updates)

    cdef Update* _new(self, Kernel kernel, Py_ssize_t offset) except NULL:
        cdef Update* updates
        if not 0 <= offset < self.target.width:
            raise ValueError(f"a field at {offset} in rows of {self.target.width} bytes")
        updates = <Update*> realloc(self.updates, (self.count + 1) * sizeof(Update))
        if updates == NULL:
            raise MemoryError
        self.updates = updates
        updates += self.count
        self.count += 1
        updates.kernel = kernel
        updates.offset = offset
        updates.lost = False
        return updates

    cdef char _read(self, array, bytes taken, Values* values) except 0:
        """Let ``values`` point into the array; returns its kind, one of ``taken``."""
        capsules = array.__arrow_c_array__()
        cdef char kind = _format(capsules, array, taken)
        read(capsules, self.target.rows, 16 if kind == b"d" else 8, values)
        self.held.append(capsules)
        return kind

    def count_rows(self, Py_ssize_t offset):
        self._new(COUNT_ROWS, offset)

    def count_valid(self, Py_ssize_t offset, array):
        cdef Values values
        if array.null_count == 0:
            return self.count_rows(offset)
        capsules = array.__arrow_c_array__()
        read(capsules, self.target.rows, 0, &values)
        if schema_of(capsules[0]).format[0] != b"n":
            self.held.append(capsules)
            self._new(COUNT_VALID, offset).values = values

    def add(self, Py_ssize_t offset, array):
        self._with_values(ADD, offset, array, b"lg")

    def sum_values(self, Py_ssize_t offset, array):
        self._with_values(SUM, offset, array, b"lLgd")

    def extreme(self, Py_ssize_t offset, array, bint largest):
        self._with_values(EXTREME, offset, array, b"lLgd").last = largest

    def variance(self, Py_ssize_t offset, array):
        self._with_values(VARIANCE, offset, array, b"g")

    def merge_variance(self, Py_ssize_t offset, count, mean, m2):
        cdef Values means, squares
        self._read(mean, b"g", &means)
        self._read(m2, b"g", &squares)
        cdef Update* update = self._with_values(MERGE_VARIANCE, offset, count, b"l")
        update.more[0] = means
        update.more[1] = squares

    def ordered(self, Py_ssize_t offset, array, order, bint last):
        cdef Values orders
        self._read(order, b"l", &orders)
        cdef Update* update = self._with_values(ORDERED, offset, array, b"lLg")
        update.more[0] = orders
        update.last = last

    cdef Update* _with_values(self, Kernel kernel, Py_ssize_t offset, array, bytes taken) except NULL:
        cdef Values values
        cdef char kind = self._read(array, taken, &values)
        cdef Update* update = self._new(kernel, offset)
        update.kind = kind
        update.values = values
        return update

    def run(self):
        cdef int i
        cdef list images = self.rows._images()
        cdef Log** logs = logs_of(self.rows, images)
        cdef bint fits
        with nogil:
            fits = self._run(logs)
        free(logs)
        if not fits:
            raise MemoryError("cannot allocate memory for the frozen rows of a checkpoint")
        overflowed = [self.updates[i].offset for i in range(self.count) if self.updates[i].lost]
        self.count = 0
        self.held = []
        if overflowed:
            raise OverflowError(overflowed[0], "a sum is beyond 128 bits")

    cdef bint _run(self, Log** logs) noexcept nogil:
        cdef char* rows[2][BLOCK]
        cdef int64_t start = 0
        cdef int i, now = 0
        self._find(0, rows[0], logs)
        while start < self.target.rows:
            self._find(start + BLOCK, rows[1 - now], logs)
            if logs != NULL and not self._save(start, rows[now], logs):
                return False
            for i in range(self.count):
                _update(&self.updates[i], rows[now], start, min(<int64_t> BLOCK, self.target.rows - start))
            start += BLOCK
            now = 1 - now
        return True

    cdef bint _save(self, int64_t start, char** rows, Log** logs) noexcept nogil:
        """Save the rows of a block, which change next, for the images that are in use."""
        cdef Log* log
        cdef int64_t i
        for i in range(start, min(start + BLOCK, self.target.rows)):
            log = logs[0 if self.target.groups == NULL else self.target.groups[i]]
            if log != NULL and not save(log, self.target.slots[i], rows[i - start]):
                return False
        fence()
        return True

    cdef void _find(self, int64_t start, char** rows, Log** logs) noexcept nogil:
        """Compute the addresses of the rows of a block, and prefetch them."""
        cdef int64_t i, width = self.target.width
        cdef bint cold = self.target.cold
        cdef Log* log
        for i in range(min(<int64_t> BLOCK, self.target.rows - start)):
            rows[i] = at(&self.target, start + i)
            if cold:
                prefetch_row(rows[i], width)
                if logs != NULL:
                    log = logs[0 if self.target.groups == NULL else self.target.groups[start + i]]
                    if log != NULL:
                        prefetch(&log.saved[self.target.slots[start + i] >> 6])


cdef void _update(Update* update, char** rows, int64_t first, int64_t count) noexcept nogil:
    """Update one field in ``rows``, which have the values from ``first`` on."""
    cdef const void* data = update.values.data
    cdef Kernel kernel = update.kernel
    cdef char kind = update.kind
    if kernel == COUNT_ROWS:
        _count_rows(update, rows, count)
    elif kernel == COUNT_VALID:
        _count_valid(update, rows, first, count)
    elif kernel == VARIANCE:
        _variance(update, rows, first, count)
    elif kernel == MERGE_VARIANCE:
        _merge_variance(update, rows, first, count)
    elif kernel == SUM and kind == b"g":
        _sum_doubles(update, rows, first, count)
    elif kind == b"l":
        _by_kernel(update, rows, first, count, <const int64_t*> data)
    elif kind == b"L":
        _by_kernel(update, rows, first, count, <const uint64_t*> data)
    elif kind == b"d":
        _by_kernel(update, rows, first, count, <const i128*> data)
    else:
        _by_kernel(update, rows, first, count, <const double*> data)


cdef inline void _by_kernel(
    Update* update, char** rows, int64_t first, int64_t count, const number* data
) noexcept nogil:
    if update.kernel == EXTREME:
        _extreme(update, rows, first, count, data)
    elif number is not i128 and update.kernel == ADD:
        _add(update, rows, first, count, data)
    elif number is not i128 and update.kernel == ORDERED:
        _ordered(update, rows, first, count, data)
    elif number is not double:
        _sum(update, rows, first, count, data)


cdef void _count_rows(const Update* update, char** rows, int64_t count) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        (<int64_t*> (rows[i] + update.offset))[0] += 1


cdef void _count_valid(const Update* update, char** rows, int64_t first, int64_t count) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        if has(&update.values, first + i):
            (<int64_t*> (rows[i] + update.offset))[0] += 1


cdef void _add(const Update* update, char** rows, int64_t first, int64_t count, const word* data) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        if has(&update.values, first + i):
            (<word*> (rows[i] + update.offset))[0] += data[first + i]


cdef void _sum(Update* update, char** rows, int64_t first, int64_t count, const integer* data) noexcept nogil:
    """Sum in 128 bits, followed by a byte: a value was seen. Whether the result fits is checked at the end only."""
    cdef int64_t i
    cdef char* field
    for i in range(count):
        if has(&update.values, first + i):
            field = rows[i] + update.offset
            if integer is i128:
                update.lost |= overflows((<i128*> field)[0], data[first + i], <i128*> field)
            else:
                (<i128*> field)[0] += <i128> data[first + i]
            field[16] = 1


cdef void _sum_doubles(const Update* update, char** rows, int64_t first, int64_t count) noexcept nogil:
    cdef const double* data = <const double*> update.values.data
    cdef int64_t i
    cdef char* field
    for i in range(count):
        if has(&update.values, first + i):
            field = rows[i] + update.offset
            (<double*> field)[0] += data[first + i]
            field[8] = 1


cdef inline bint less(number a, number b) noexcept nogil:
    """Compare two values; NaN is larger than any other."""
    if number is double:
        return a < b or (b != b and a == a)
    else:
        return a < b


cdef void _extreme(const Update* update, char** rows, int64_t first, int64_t count, const number* data) noexcept nogil:
    """The value, followed by a byte: a value was seen."""
    cdef int64_t i
    cdef char* field
    cdef number found, value
    for i in range(count):
        if has(&update.values, first + i):
            field = rows[i] + update.offset
            found = (<number*> field)[0]
            value = data[first + i]
            if not field[sizeof(number)] or (less(found, value) if update.last else less(value, found)):
                (<number*> field)[0] = value
                field[sizeof(number)] = 1


cdef struct Moments:
    int64_t count
    double mean
    double m2  # sum of squared distances from the mean


cdef void _variance(const Update* update, char** rows, int64_t first, int64_t count) noexcept nogil:
    cdef const double* data = <const double*> update.values.data + first
    cdef Moments* moments
    cdef double delta
    cdef int64_t i
    for i in range(count):
        if has(&update.values, first + i):
            moments = <Moments*> (rows[i] + update.offset)
            moments.count += 1
            delta = data[i] - moments.mean
            moments.mean += delta / <double> moments.count
            moments.m2 += delta * (data[i] - moments.mean)


cdef void _merge_variance(const Update* update, char** rows, int64_t first, int64_t count) noexcept nogil:
    cdef const int64_t* counts = <const int64_t*> update.values.data + first
    cdef const double* means = <const double*> update.more[0].data + first
    cdef const double* squares = <const double*> update.more[1].data + first
    cdef Moments* moments
    cdef int64_t i, n
    cdef double delta, total
    for i in range(count):
        n = counts[i]
        moments = <Moments*> (rows[i] + update.offset)
        if n and not moments.count:  # merging into an empty one would overflow where the square of the mean does
            moments.count = n
            moments.mean = means[i]
            moments.m2 = squares[i]
        elif n:
            total = <double> (moments.count + n)
            delta = means[i] - moments.mean
            moments.mean += delta * (<double> n / total)
            moments.m2 += squares[i]
            moments.m2 += delta * delta * (<double> moments.count * <double> n / total)
            moments.count += n


cdef enum:
    NOTHING = 0
    VALUE = 1
    NULL_VALUE = 2


cdef void _ordered(const Update* update, char** rows, int64_t first, int64_t count, const word* data) noexcept nogil:
    """The order, the value, and a byte: nothing yet, a value, or null. The smaller value wins among equal orders."""
    cdef const int64_t* order_of = <const int64_t*> update.more[0].data
    cdef int64_t i
    cdef char* field
    cdef word found
    cdef bint valid, better
    for i in range(first, first + count):
        if not has(&update.more[0], i):
            continue
        field = rows[i - first] + update.offset
        valid = has(&update.values, i)
        if field[16] == NOTHING:
            better = True
        elif order_of[i] != (<int64_t*> field)[0]:
            better = (order_of[i] > (<int64_t*> field)[0]) == update.last
        elif field[16] == NULL_VALUE:
            better = valid
        else:
            found = (<word*> (field + 8))[0]
            better = valid and less(data[i], found)
        if better:
            (<int64_t*> field)[0] = order_of[i]
            (<word*> (field + 8))[0] = data[i] if valid else 0
            field[16] = VALUE if valid else NULL_VALUE
