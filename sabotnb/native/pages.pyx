"""Memory for the pages of keyed state.

Theory of operation. The rows and the hash tables of many keys are touched at random, so address translation costs as
much as memory itself: with pages of 4 KB almost every access misses the TLB. Pages of keyed state are much smaller than
the huge pages of Linux (2 MB), so they are cut from aligned chunks of 2 MB, and the kernel is asked to use a huge page
for each chunk. A chunk has pages of one size. It is freed when its last page is freed, so that memory returns to the
system; a few of them are kept for the next pages of any size, as the system fills each one with zeros again, and every
checkpoint needs some for a moment. Pages under ``SMALL`` come from ``malloc``: a state of few keys must not hold a chunk.

The pools belong to the process. Kernels take pages without the GIL, and frozen views free them in other threads, so a
mutex protects the pools. It is held for a few instructions, except where a chunk is allocated or freed.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

cdef extern from *:
    """
    #include <pthread.h>
    #include <stdint.h>
    #include <stdlib.h>
    #include <sys/mman.h>

    #define SABOTNB_CHUNK ((uint64_t) 2 << 20)
    #define SABOTNB_LINE 64
    #define SABOTNB_SPARE 8  /* chunks without pages that are not freed */

    typedef struct sabotnb_pool {
        uint64_t size;               /* of a page, a multiple of SABOTNB_LINE */
        struct sabotnb_chunk* open;  /* chunks that have a free page */
        struct sabotnb_pool* next;
    } sabotnb_pool;

    /* At the start of each chunk, in one cache line. */
    typedef struct sabotnb_chunk {
        sabotnb_pool* pool;
        struct sabotnb_chunk* next;
        struct sabotnb_chunk* previous;
        void* freed;      /* list of pages that were freed; each begins with the next */
        uint32_t used;    /* pages in use */
        uint32_t touched; /* pages that were ever in use; those behind them are untouched */
    } sabotnb_chunk;

    static pthread_mutex_t sabotnb_lock = PTHREAD_MUTEX_INITIALIZER;
    static sabotnb_pool* sabotnb_pools = NULL;
    static sabotnb_chunk* sabotnb_spare = NULL;  /* linked by next */
    static int sabotnb_spares = 0;

    static uint32_t sabotnb_capacity(const sabotnb_pool* pool) {
        return (uint32_t) ((SABOTNB_CHUNK - SABOTNB_LINE) / pool->size);
    }

    static sabotnb_pool* sabotnb_pool_of(uint64_t size) {
        sabotnb_pool* pool = sabotnb_pools;
        while (pool != NULL && pool->size != size)
            pool = pool->next;
        if (pool == NULL && (pool = (sabotnb_pool*) malloc(sizeof(sabotnb_pool))) != NULL) {
            pool->size = size;
            pool->open = NULL;
            pool->next = sabotnb_pools;
            sabotnb_pools = pool;
        }
        return pool;
    }

    static void sabotnb_link(sabotnb_pool* pool, sabotnb_chunk* chunk) {
        chunk->previous = NULL;
        chunk->next = pool->open;
        if (pool->open != NULL)
            pool->open->previous = chunk;
        pool->open = chunk;
    }

    static void sabotnb_unlink(sabotnb_pool* pool, sabotnb_chunk* chunk) {
        if (chunk->previous != NULL)
            chunk->previous->next = chunk->next;
        else
            pool->open = chunk->next;
        if (chunk->next != NULL)
            chunk->next->previous = chunk->previous;
    }

    static void* sabotnb_chunk_memory(void) {
        void* memory = sabotnb_spare;
        if (memory != NULL) {
            sabotnb_spare = sabotnb_spare->next;
            sabotnb_spares--;
            return memory;
        }
        if (posix_memalign(&memory, SABOTNB_CHUNK, SABOTNB_CHUNK))
            return NULL;
    #ifdef MADV_HUGEPAGE
        madvise(memory, SABOTNB_CHUNK, MADV_HUGEPAGE);  /* only advice: without huge pages it is slower */
    #endif
        return memory;
    }

    static void sabotnb_free_chunk(sabotnb_chunk* chunk) {
        if (sabotnb_spares == SABOTNB_SPARE) {
            free(chunk);
            return;
        }
        chunk->next = sabotnb_spare;
        sabotnb_spare = chunk;
        sabotnb_spares++;
    }

    static sabotnb_chunk* sabotnb_new_chunk(sabotnb_pool* pool) {
        sabotnb_chunk* chunk = (sabotnb_chunk*) sabotnb_chunk_memory();
        if (chunk == NULL)
            return NULL;
        chunk->pool = pool;
        chunk->freed = NULL;
        chunk->used = chunk->touched = 0;
        sabotnb_link(pool, chunk);
        return chunk;
    }

    static void* sabotnb_take(uint64_t size) {
        void* page = NULL;
        sabotnb_chunk* chunk;
        sabotnb_pool* pool;
        size = (size + SABOTNB_LINE - 1) / SABOTNB_LINE * SABOTNB_LINE;
        pthread_mutex_lock(&sabotnb_lock);
        pool = sabotnb_pool_of(size);
        chunk = pool == NULL ? NULL : pool->open != NULL ? pool->open : sabotnb_new_chunk(pool);
        if (chunk != NULL) {
            if (chunk->freed != NULL) {
                page = chunk->freed;
                chunk->freed = *(void**) page;
            } else {
                page = (char*) chunk + SABOTNB_LINE + chunk->touched * size;
                chunk->touched++;
            }
            if (++chunk->used == sabotnb_capacity(pool))
                sabotnb_unlink(pool, chunk);
        }
        pthread_mutex_unlock(&sabotnb_lock);
        return page;
    }

    static void sabotnb_give(void* page) {
        sabotnb_chunk* chunk = (sabotnb_chunk*) ((uintptr_t) page & ~(uintptr_t) (SABOTNB_CHUNK - 1));
        sabotnb_pool* pool;
        pthread_mutex_lock(&sabotnb_lock);
        pool = chunk->pool;
        if (chunk->used == sabotnb_capacity(pool))
            sabotnb_link(pool, chunk);
        *(void**) page = chunk->freed;
        chunk->freed = page;
        if (--chunk->used == 0) {
            sabotnb_unlink(pool, chunk);
            sabotnb_free_chunk(chunk);
        }
        pthread_mutex_unlock(&sabotnb_lock);
    }
    """
    void* take "sabotnb_take"(uint64_t size) noexcept nogil
    void give "sabotnb_give"(void* page) noexcept nogil

cdef enum:
    SMALL = 32768  # bytes of a page below which it is allocated alone
    LARGE = 131072  # bytes of a page above which a chunk would waste too much


cdef void* new_page(uint64_t size) noexcept nogil:
    """Memory for a page of ``size`` bytes, with any content; NULL if there is none."""
    return take(size) if SMALL <= size <= LARGE else malloc(size)


cdef void free_page(void* page, uint64_t size) noexcept nogil:
    """Free what ``new_page`` returned for ``size``."""
    if page != NULL and SMALL <= size <= LARGE:
        give(page)
    else:
        free(page)
