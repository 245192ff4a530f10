from libc.stdint cimport int64_t, uint32_t, uint64_t

from sabotnb.native.row_pages cimport RowPages
from sabotnb.native.saved_rows cimport Records, SavedRows, append

cdef struct Log:
    # The part of the task's thread, which alone uses it.
    Records* records
    uint64_t* saved  # a bit per slot
    uint32_t size  # slots whose rows are saved
    uint32_t group
    uint64_t count  # rows saved for the image


cdef class RowImage:
    cdef object __weakref__
    cdef Log log
    cdef uint32_t size  # slots that the image has
    cdef RowPages pages
    cdef char** bases
    cdef RowImage later
    cdef SavedRows shared_log
    cdef bint _put_back(self, uint32_t first, uint32_t last, char* rows) except False


cdef RowImage image_of(RowPages pages, uint32_t rows, RowImage last, SavedRows saved, int group)


cdef inline bint save(Log* log, uint32_t slot, const char* row) noexcept nogil:
    """Save a row unless it is new or saved; returns False if there is no memory. ``fence`` before a row changes."""
    cdef uint64_t bit = <uint64_t> 1 << (slot & 63)
    if slot >= log.size or log.saved[slot >> 6] & bit:
        return True
    if not append(log.records, log.group, slot, row):
        return False
    log.saved[slot >> 6] |= bit
    log.count += 1
    return True
