from libc.stdint cimport int64_t, uint32_t, uint64_t

from libc.string cimport memcpy

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
    RECORD_HEAD = 8  # bytes before the row: its group and its slot, 4 each


cdef struct Chunk:
    # Records follow. ``next`` is set before there are records in it.
    Chunk* next
    uint64_t size  # bytes, with this head


cdef struct Records:
    int64_t width  # of a row
    uint64_t count  # records that readers may use
    char* free  # where the next record goes; the task's thread alone uses this and the next two
    char* end
    Chunk* last
    Chunk* first


cdef class SavedRows:
    cdef object __weakref__
    cdef Records records
    cdef int groups
    cdef uint32_t* sizes  # by group: its slots are below
    cdef char* states  # by group: ABSENT, USED or RELEASED
    cdef object lock  # for the fields below, which readers use
    cdef char*** found  # by group: the saved row of each slot; NULL: none was indexed
    cdef Chunk* chunk
    cdef char* at
    cdef uint64_t indexed
    cdef bint empty(self, int group) noexcept
    cdef void add(self, int group, uint32_t size) noexcept
    cdef void release(self, int group) noexcept
    cdef bint put_back(self, int group, uint32_t start, uint32_t stop, char* rows, char* patched) except False
    cdef bint _index(self) noexcept nogil


cdef SavedRows saved_rows(int groups, int64_t width)
cdef bint add_chunk(Records* records) noexcept nogil


cdef inline bint append(Records* records, uint32_t group, uint32_t slot, const char* row) noexcept nogil:
    """Add a row; returns False if there is no memory. ``fence`` before the row changes."""
    if records.free == records.end and not add_chunk(records):
        return False
    (<uint32_t*> records.free)[0] = group
    (<uint32_t*> records.free)[1] = slot
    memcpy(records.free + RECORD_HEAD, row, records.width)
    records.free += RECORD_HEAD + records.width
    store(&records.count, records.count + 1)
    return True
