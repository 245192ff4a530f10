"""The Arrow C data interface, and the functions with which kernels read it.

Keep the capsules alive while their pointers are in use: they own the memory. Row ``i`` of an array is at
``array.offset + i`` in all its buffers.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t, uint8_t

cdef extern from *:
    """
    #ifndef ARROW_C_DATA_INTERFACE
    #define ARROW_C_DATA_INTERFACE
    #include <stdint.h>

    #define ARROW_FLAG_DICTIONARY_ORDERED 1
    #define ARROW_FLAG_NULLABLE 2
    #define ARROW_FLAG_MAP_KEYS_SORTED 4

    struct ArrowSchema {
        const char* format;
        const char* name;
        const char* metadata;
        int64_t flags;
        int64_t n_children;
        struct ArrowSchema** children;
        struct ArrowSchema* dictionary;
        void (*release)(struct ArrowSchema*);
        void* private_data;
    };

    struct ArrowArray {
        int64_t length;
        int64_t null_count;
        int64_t offset;
        int64_t n_buffers;
        int64_t n_children;
        const void** buffers;
        struct ArrowArray** children;
        struct ArrowArray* dictionary;
        void (*release)(struct ArrowArray*);
        void* private_data;
    };
    #endif
    """

    cdef struct ArrowSchema:
        const char* format
        const char* name
        int64_t flags
        int64_t n_children
        ArrowSchema** children
        ArrowSchema* dictionary

    cdef struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void** buffers
        ArrowArray** children
        ArrowArray* dictionary


cdef inline const ArrowSchema* schema_of(object capsule) except NULL:
    """The schema, first of the pair that ``__arrow_c_array__`` returns."""
    return <const ArrowSchema*> PyCapsule_GetPointer(capsule, "arrow_schema")


cdef inline const ArrowArray* array_of(object capsule) except NULL:
    """The array, second of the pair that ``__arrow_c_array__`` returns."""
    return <const ArrowArray*> PyCapsule_GetPointer(capsule, "arrow_array")


cdef inline const uint8_t* validity_of(const ArrowArray* array) noexcept nogil:
    """The validity bitmap, or NULL if no value is null. Not for arrays of type null: they have no buffers."""
    if array.null_count == 0:
        return NULL
    return <const uint8_t*> array.buffers[0]


cdef inline bint is_set(const uint8_t* bits, int64_t i) noexcept nogil:
    """Bit ``i`` of a bitmap; ``i`` includes the array's offset."""
    return (bits[i >> 3] >> (i & 7)) & 1


cdef inline bint is_valid(const uint8_t* validity, int64_t i) noexcept nogil:
    """True if the value at ``i`` (offset included) is not null; ``validity`` may be NULL."""
    return validity == NULL or is_set(validity, i)
