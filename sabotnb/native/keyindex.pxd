cdef class Slots:
    cdef readonly object slots
    cdef readonly object groups
    cdef readonly object fresh
