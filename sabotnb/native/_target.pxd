"""``Target`` and ``Values``, which kernels of accumulators share: the rows to update, and the values of a batch."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from sabotnb.native._arrow cimport ArrowArray, array_of, is_valid, validity_of
from sabotnb.native._table cimport prefetch
from sabotnb.native.keyindex cimport Slots
from sabotnb.native.rows cimport Rows

cdef enum:
    AHEAD = 16  # rows between a prefetch and its use
    CACHED = 262144  # bytes of rows that stay in the L2 cache without prefetching


cdef struct Target:
    # The location of one field in the accumulators of each row of a batch.
    char** bases
    const uint16_t* groups  # NULL: all rows are in the first group
    const uint32_t* slots
    int64_t rows
    int64_t width
    int64_t offset
    bint cold


cdef inline int aim(Rows rows, Py_ssize_t offset, Slots slots, Target* target) except -1:
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


cdef inline int read(capsules, const Target* target, int64_t size, Values* values) except -1:
    cdef const ArrowArray* array = array_of(capsules[1])
    if array.length != target.rows:
        raise ValueError(f"{array.length} values for {target.rows} rows")
    values.validity = validity_of(array)
    values.first = array.offset
    values.data = <const char*> array.buffers[1] + array.offset * size
    return 0


cdef inline bint has(const Values* values, int64_t i) noexcept nogil:
    return is_valid(values.validity, values.first + i)
