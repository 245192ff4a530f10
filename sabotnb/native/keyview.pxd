from sabotnb.native._table cimport Table


cdef class KeyView:
    cdef Table table  # without entries
    cdef list types
    cdef list words
    cdef object freed  # slots that had no key; None: all have one


cdef KeyView view_of(const Table* table, list types, list words)
