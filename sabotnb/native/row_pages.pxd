from libc.stdint cimport int64_t, uint32_t

cdef extern from *:
    """
    #ifndef SABOTNB_PAGE_NUMBER
    #define SABOTNB_PAGE_NUMBER
    #define SABOTNB_FIRST 4  /* the first page has 16 rows */

    /* Pages have 16, 16, 32, 64, ... rows up to 1 << shift, and then 1 << shift each. */
    static inline uint32_t sabotnb_page_number(uint32_t slot, int shift) {
        if (slot >> shift)
            return (slot >> shift) + (uint32_t) shift - SABOTNB_FIRST;
        return slot >> SABOTNB_FIRST ? 32 - SABOTNB_FIRST - (uint32_t) __builtin_clz(slot) : 0;
    }
    #endif
    """
    uint32_t page_number "sabotnb_page_number"(uint32_t slot, int shift) noexcept nogil


cdef class RowPages:
    cdef char** bases  # of each page, the address that slot 0 would have
    cdef uint32_t count  # of pages
    cdef uint32_t capacity  # of ``bases``
    cdef uint32_t room  # rows of all pages
    cdef int shift
    cdef int64_t width
    cdef bint reserve(self, uint32_t rows) noexcept nogil
    cdef int64_t nbytes(self) noexcept nogil


cdef inline char* row_at(char** bases, uint32_t slot, int64_t width, int shift) noexcept nogil:
    return bases[page_number(slot, shift)] + slot * width


cdef int shift_of(int64_t width) noexcept nogil
cdef void copy_rows(char** bases, int shift, int64_t width, uint32_t start, uint32_t stop, char* to) noexcept nogil
cdef void zero_rows(char** bases, int shift, int64_t width, uint32_t stop) noexcept nogil
