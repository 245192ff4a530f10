from libc.stdint cimport int64_t, uint32_t, uint64_t

from libc.string cimport memcpy

from sabotnb.native.row_pages cimport RowPages

cdef struct Log:
    # Saved rows in the order in which they changed. A record is a slot (8 bytes) and the row.
    char** chunks  # of 1 << shift records each; room for a record of each slot
    uint64_t* saved  # a bit per slot; the task's thread alone uses it
    uint32_t size  # slots whose rows are saved
    int shift
    uint64_t count  # records that readers may use


cdef class RowImage:
    cdef object __weakref__
    cdef Log log
    cdef uint32_t size  # slots that the image has
    cdef RowPages pages
    cdef char** bases
    cdef RowImage later
    cdef object lock
    cdef uint32_t* record_of  # by slot: the number of its record + 1, of those that were indexed
    cdef uint64_t indexed
    cdef bint _index(self) except False
    cdef bint _patch(self, uint32_t start, uint32_t stop, char* rows, char* patched) except False


cdef RowImage image_of(RowPages pages, uint32_t rows, RowImage last)
cdef bint add_chunk(Log* log, int64_t width) noexcept nogil

cdef extern from *:
    """
    #ifndef SABOTNB_ATOMICS
    #define SABOTNB_ATOMICS
    #define sabotnb_load(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
    #define sabotnb_store(p, value) __atomic_store_n(p, value, __ATOMIC_RELEASE)
    #define sabotnb_fence() __atomic_thread_fence(__ATOMIC_ACQ_REL)
    #endif
    """
    uint64_t load "sabotnb_load"(const uint64_t* p) noexcept nogil
    void store "sabotnb_store"(uint64_t* p, uint64_t value) noexcept nogil
    void fence "sabotnb_fence"() noexcept nogil

cdef enum:
    SLOT_BYTES = 8


cdef inline char* record_at(const Log* log, uint64_t record, int64_t width) noexcept nogil:
    cdef uint64_t within = record & ((<uint64_t> 1 << log.shift) - 1)
    return log.chunks[record >> log.shift] + within * (SLOT_BYTES + width)


cdef inline bint save(Log* log, uint32_t slot, const char* row, int64_t width) noexcept nogil:
    """Save a row unless it is new or saved; returns False if there is no memory. ``fence`` before a row changes."""
    cdef uint64_t bit = <uint64_t> 1 << (slot & 63)
    cdef char* record
    if slot >= log.size or log.saved[slot >> 6] & bit:
        return True
    if log.chunks[log.count >> log.shift] == NULL and not add_chunk(log, width):
        return False
    record = record_at(log, log.count, width)
    (<uint64_t*> record)[0] = slot
    memcpy(record + SLOT_BYTES, row, width)
    log.saved[slot >> 6] |= bit
    store(&log.count, log.count + 1)
    return True
