"""``Target`` and ``Values``, which kernels of accumulators share: the rows to update, and the values of a batch."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uintptr_t

from sabotnb.native._arrow cimport ArrowArray, array_of, is_valid, validity_of
from sabotnb.native._table cimport prefetch
from sabotnb.native.keyindex cimport Slots
from sabotnb.native.row_pages cimport row_at
from sabotnb.native.rows cimport Rows

cdef enum:
    AHEAD = 16  # rows between a prefetch and its use
    LINE = 64  # bytes of a cache line
    CACHED = 262144  # bytes of rows that stay in the L2 cache without prefetching


cdef struct Target:
    # The rows of a batch.
    char*** bases
    const uint16_t* groups  # NULL: all rows are in the first group
    const uint32_t* slots
    int64_t rows
    int64_t width
    int shift
    bint cold


cdef inline int aim(Rows rows, Slots slots, Target* target) except -1:
    cdef uint32_t[::1] slot_view = slots.slots
    cdef uint16_t[::1] group_view
    target.bases = rows.bases
    target.rows = slot_view.shape[0]
    target.slots = NULL if target.rows == 0 else &slot_view[0]
    target.groups = NULL
    if slots.groups is not None and target.rows:
        group_view = slots.groups
        target.groups = &group_view[0]
    target.width = rows.width
    target.shift = rows.shift
    target.cold = rows.total > CACHED
    return 0


cdef inline char* at(const Target* target, int64_t i) noexcept nogil:
    cdef char** bases = target.bases[0] if target.groups == NULL else target.bases[target.groups[i]]
    return row_at(bases, target.slots[i], target.width, target.shift)


cdef inline void prefetch_row(const char* row, int64_t width) noexcept nogil:
    """Only the first two cache lines: wider rows are rare."""
    prefetch(row)
    if (<uintptr_t> row & (LINE - 1)) + width > LINE:
        prefetch(row + width - 1)


cdef inline void look_ahead(const Target* target, int64_t i) noexcept nogil:
    if target.cold and i + AHEAD < target.rows:
        prefetch_row(at(target, i + AHEAD), target.width)


cdef struct Values:
    const void* data  # the first value; NULL: only validity is used
    const uint8_t* validity  # bit first + i
    int64_t first


cdef inline int read(capsules, int64_t rows, int64_t size, Values* values) except -1:
    cdef const ArrowArray* array = array_of(capsules[1])
    if array.length != rows:
        raise ValueError(f"{array.length} values for {rows} rows")
    values.validity = validity_of(array)
    values.first = array.offset
    values.data = <const char*> array.buffers[1] + array.offset * size
    return 0


cdef inline bint has(const Values* values, int64_t i) noexcept nogil:
    return is_valid(values.validity, values.first + i)
