"""``RowPages``: the rows of one key group, in pages that grow from 16 rows to 64 KB and never move."""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from sabotnb.native.pages cimport free_page, new_page

cdef enum:
    FIRST = 4  # the first page has 1 << FIRST rows
    PAGE_BYTES = 65536


cdef int shift_of(int64_t width) noexcept nogil:
    """The logarithm of the rows of a full page."""
    cdef int shift = FIRST
    while (<int64_t> 2 << shift) * width <= PAGE_BYTES:
        shift += 1
    return shift


cdef inline uint32_t first_row(uint32_t page, int shift) noexcept nogil:
    if page == 0:
        return 0
    if page <= <uint32_t> (shift - FIRST):
        return <uint32_t> 1 << (page + FIRST - 1)
    return (page - <uint32_t> (shift - FIRST)) << shift


cdef class RowPages:
    def __cinit__(self, int width):
        self.width = width
        self.shift = shift_of(width)

    def __dealloc__(self):
        cdef uint32_t page, first
        for page in range(self.count):
            first = first_row(page, self.shift)
            free_page(self.bases[page] + first * self.width, (first_row(page + 1, self.shift) - first) * self.width)
        free(self.bases)

    cdef bint reserve(self, uint32_t rows) noexcept nogil:
        """Add pages of zeros for slots below ``rows``; returns False if there is no memory."""
        cdef char** bases
        cdef char* page
        cdef uint32_t first
        cdef int64_t size
        while self.room < rows:
            if self.count == self.capacity:
                bases = <char**> realloc(self.bases, (2 * self.capacity + 4) * sizeof(char*))
                if bases == NULL:
                    return False
                self.bases = bases
                self.capacity = 2 * self.capacity + 4
            first = first_row(self.count, self.shift)
            size = (first_row(self.count + 1, self.shift) - first) * self.width
            page = <char*> new_page(size)
            if page == NULL:
                return False
            memset(page, 0, size)
            self.bases[self.count] = page - first * self.width
            self.count += 1
            self.room = first_row(self.count, self.shift)
        return True

    cdef int64_t nbytes(self) noexcept nogil:
        return self.room * self.width + self.capacity * <int64_t> sizeof(char*)


cdef void copy_rows(char** bases, int shift, int64_t width, uint32_t start, uint32_t stop, char* to) noexcept nogil:
    """Copy the rows of slots ``start`` to ``stop``."""
    cdef uint32_t page, end
    while start < stop:
        page = page_number(start, shift)
        end = min(stop, first_row(page + 1, shift))
        memcpy(to, bases[page] + start * width, (end - start) * width)
        to += (end - start) * width
        start = end


cdef void zero_rows(char** bases, int shift, int64_t width, uint32_t stop) noexcept nogil:
    """Set the rows of the slots below ``stop`` to zero."""
    cdef uint32_t page, end, start = 0
    while start < stop:
        page = page_number(start, shift)
        end = min(stop, first_row(page + 1, shift))
        memset(bases[page] + start * width, 0, (end - start) * width)
        start = end
