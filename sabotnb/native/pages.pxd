from libc.stdint cimport uint64_t

cdef void* new_page(uint64_t size) noexcept nogil
cdef void free_page(void* page, uint64_t size) noexcept nogil
