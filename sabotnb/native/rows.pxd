from libc.stdint cimport int64_t, uint32_t

from sabotnb.native.row_image cimport Log, RowImage
from sabotnb.native.row_pages cimport RowPages
from sabotnb.native.saved_rows cimport SavedRows


cdef class Rows:
    cdef char*** bases  # of each group; NULL: it has no rows
    cdef uint32_t* room
    cdef readonly int groups
    cdef readonly int width
    cdef int shift
    cdef int64_t total  # bytes of all groups
    cdef list pages
    cdef dict images  # by group: a weak reference to the last image that may be in use
    cdef object log  # a weak reference to the log of the last image
    cdef SavedRows _log(self, int group)
    cdef list _images(self)
    cdef RowImage _image(self, int group)
    cdef bint _grow(self, int group, uint32_t rows) except False


cdef Log** logs_of(Rows rows, list images) except? NULL
