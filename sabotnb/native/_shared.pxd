"""Reference-counted memory: one owner grows and writes it, others read the part that was filled when they took a share.

While a share exists, the owner may write only behind the bytes that were filled when it was taken. The count is atomic,
so any thread may release a share. Pointers are to the data, 16 bytes behind the count.
"""

from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #ifndef SABOTNB_SHARED
    #define SABOTNB_SHARED
    #include <stdint.h>
    #include <stdlib.h>
    #include <string.h>
    #define SABOTNB_HEADER 16
    #define SABOTNB_OWNERS(data) ((int64_t*) ((char*) (data) - SABOTNB_HEADER))

    /* Resizes memory that only the caller owns; data may be NULL. Returns NULL if memory runs out. */
    static inline void* sabotnb_resized(void* data, uint64_t size) {
        char* header = (char*) realloc(data ? (char*) data - SABOTNB_HEADER : NULL, size + SABOTNB_HEADER);
        if (header == NULL)
            return NULL;
        if (data == NULL)
            *(int64_t*) header = 1;
        return header + SABOTNB_HEADER;
    }

    static inline void* sabotnb_share(void* data) {
        if (data)
            __atomic_add_fetch(SABOTNB_OWNERS(data), 1, __ATOMIC_RELAXED);
        return data;
    }

    static inline int sabotnb_is_shared(void* data) {
        return data && __atomic_load_n(SABOTNB_OWNERS(data), __ATOMIC_ACQUIRE) > 1;
    }

    static inline void sabotnb_let_go(void* data) {
        if (data && __atomic_sub_fetch(SABOTNB_OWNERS(data), 1, __ATOMIC_ACQ_REL) == 0)
            free((char*) data - SABOTNB_HEADER);
    }

    /* Grows data to size bytes and keeps the first used; shares keep theirs. Not inlined: callers are hot. */
    static __attribute__((noinline, unused)) void* sabotnb_grown(void* data, uint64_t used, uint64_t size) {
        void* copy;
        if (!sabotnb_is_shared(data))
            return sabotnb_resized(data, size);
        copy = sabotnb_resized(NULL, size);
        if (copy != NULL) {
            memcpy(copy, data, used);
            sabotnb_let_go(data);
        }
        return copy;
    }
    #endif
    """
    void* resized "sabotnb_resized"(void* data, uint64_t size) noexcept nogil
    void* share "sabotnb_share"(void* data) noexcept nogil
    bint is_shared "sabotnb_is_shared"(void* data) noexcept nogil
    void let_go "sabotnb_let_go"(void* data) noexcept nogil
    void* grown "sabotnb_grown"(void* data, uint64_t used, uint64_t size) noexcept nogil
