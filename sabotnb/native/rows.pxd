from libc.stdint cimport int64_t, uint32_t


cdef class Rows:
    cdef char** bases
    cdef uint32_t* room
    cdef readonly int groups
    cdef readonly int width
    cdef int64_t total  # bytes of all groups
    cdef list buffers
    cdef _grow(self, int group, uint32_t rows)
    cdef _put(self, int group, buffer)
