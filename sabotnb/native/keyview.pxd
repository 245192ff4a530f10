from sabotnb.native._table cimport Table


cdef class KeyView:
    cdef Table table  # without entries
    cdef list types
    cdef list words


cdef KeyView view_of(const Table* table, list types, list words)
