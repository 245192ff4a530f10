"""The open-addressing hash table under ``KeyIndex``: one per key group.

A key is a word of 64 bits, or bytes in the table's heap. Keys get slots 0, 1, 2, ... in order of arrival; null has a
separate slot. An entry stores the low half of the key's hash (``tag``), so growing never hashes again. Keys by slot and
the heap are append-only, so views (``keyview``) share them.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from sabotnb.native._shared cimport grown, is_shared, let_go

cdef extern from *:
    """
    #ifndef SABOTNB_TABLE
    #define SABOTNB_TABLE
    #define sabotnb_prefetch(p) __builtin_prefetch(p)
    /* Slot of a key that is not there; marks an empty entry and, given by an upsert, that memory ran out. */
    #define SABOTNB_MISSING 0xFFFFFFFFu
    #endif
    """
    void prefetch "sabotnb_prefetch"(const void* p) noexcept nogil
    const uint32_t MISSING "SABOTNB_MISSING"

cdef enum:
    FIRST_ENTRIES = 16


cdef struct Entry:
    uint64_t key  # the word, or the position of the bytes in the heap
    uint32_t slot
    uint32_t tag


cdef struct Table:
    Entry* entries
    uint64_t mask  # number of entries - 1, a power of two less one
    uint64_t* keys  # by slot, as in Entry
    uint32_t size
    uint32_t room
    int64_t null_slot  # -1: no null key so far
    uint8_t* heap  # records of a length (uint32) and that many bytes
    uint64_t heap_used
    uint64_t heap_room


cdef inline void release(Table* table) noexcept nogil:
    """Drop all keys and free the memory."""
    free(table.entries)
    let_go(table.keys)
    let_go(table.heap)
    memset(table, 0, sizeof(Table))
    table.null_slot = -1


cdef inline void clear(Table* table) noexcept nogil:
    """Drop all keys; keeps the memory unless a view shares it."""
    if is_shared(table.keys) or is_shared(table.heap):
        release(table)
        return
    if table.entries != NULL:
        memset(table.entries, 0xFF, (table.mask + 1) * sizeof(Entry))
    table.size = 0
    table.null_slot = -1
    table.heap_used = 0


cdef inline bint grow_entries(Table* table) noexcept nogil:
    cdef uint64_t count = FIRST_ENTRIES if table.entries == NULL else 2 * (table.mask + 1)
    cdef Entry* entries = <Entry*> malloc(count * sizeof(Entry))
    cdef uint64_t i, at
    if entries == NULL:
        return False
    memset(entries, 0xFF, count * sizeof(Entry))
    if table.entries != NULL:
        for i in range(table.mask + 1):
            if table.entries[i].slot != MISSING:
                at = table.entries[i].tag & (count - 1)
                while entries[at].slot != MISSING:
                    at = (at + 1) & (count - 1)
                entries[at] = table.entries[i]
    free(table.entries)
    table.entries = entries
    table.mask = count - 1
    return True


cdef inline uint32_t new_slot(Table* table, uint64_t key) noexcept nogil:
    """Assign the next slot to ``key``."""
    cdef uint32_t room
    cdef uint64_t* keys
    if table.size == table.room:
        if table.room >= MISSING // 2:
            return MISSING
        room = FIRST_ENTRIES if table.room == 0 else 2 * table.room
        keys = <uint64_t*> grown(table.keys, table.size * sizeof(uint64_t), room * sizeof(uint64_t))
        if keys == NULL:
            return MISSING
        table.keys = keys
        table.room = room
    table.keys[table.size] = key
    table.size += 1
    return table.size - 1


cdef inline uint32_t insert(Table* table, uint64_t key, uint32_t tag, uint64_t at) noexcept nogil:
    """Store a new key in the empty entry ``at``; grows afterwards, so that every probe ends at an empty entry."""
    cdef uint32_t slot = new_slot(table, key)
    if slot == MISSING:
        return MISSING
    table.entries[at].key = key
    table.entries[at].slot = slot
    table.entries[at].tag = tag
    if <uint64_t> table.size * 10 > (table.mask + 1) * 7 and not grow_entries(table):
        return MISSING
    return slot


cdef inline uint32_t upsert_null(Table* table) noexcept nogil:
    cdef uint32_t slot
    if table.null_slot < 0:
        slot = new_slot(table, 0)
        if slot == MISSING:
            return MISSING
        table.null_slot = slot
    return <uint32_t> table.null_slot


cdef inline uint32_t find_null(const Table* table) noexcept nogil:
    return MISSING if table.null_slot < 0 else <uint32_t> table.null_slot


cdef inline uint32_t find_word(const Table* table, uint64_t word, uint32_t tag) noexcept nogil:
    cdef uint64_t at = tag & table.mask
    if table.entries == NULL:
        return MISSING
    while table.entries[at].slot != MISSING:
        if table.entries[at].key == word:
            return table.entries[at].slot
        at = (at + 1) & table.mask
    return MISSING


cdef inline uint32_t upsert_word(Table* table, uint64_t word, uint32_t tag) noexcept nogil:
    cdef uint64_t at
    if table.entries == NULL and not grow_entries(table):
        return MISSING
    at = tag & table.mask
    while table.entries[at].slot != MISSING:
        if table.entries[at].key == word:
            return table.entries[at].slot
        at = (at + 1) & table.mask
    return insert(table, word, tag, at)


cdef inline bint same_bytes(
    const Table* table, const Entry* entry, const uint8_t* data, uint32_t length, uint32_t tag
) noexcept nogil:
    cdef uint32_t found
    if entry.tag != tag:
        return False
    memcpy(&found, table.heap + entry.key, 4)
    return found == length and memcmp(table.heap + entry.key + 4, data, length) == 0


cdef inline uint32_t find_bytes(const Table* table, const uint8_t* data, uint32_t length, uint32_t tag) noexcept nogil:
    cdef uint64_t at = tag & table.mask
    if table.entries == NULL:
        return MISSING
    while table.entries[at].slot != MISSING:
        if same_bytes(table, &table.entries[at], data, length, tag):
            return table.entries[at].slot
        at = (at + 1) & table.mask
    return MISSING


cdef inline uint32_t upsert_bytes(Table* table, const uint8_t* data, uint32_t length, uint32_t tag) noexcept nogil:
    cdef uint64_t at, room, position
    cdef uint8_t* heap
    if table.entries == NULL and not grow_entries(table):
        return MISSING
    at = tag & table.mask
    while table.entries[at].slot != MISSING:
        if same_bytes(table, &table.entries[at], data, length, tag):
            return table.entries[at].slot
        at = (at + 1) & table.mask
    position = table.heap_used
    if position + 4 + length > table.heap_room:
        room = 2 * table.heap_room + 4 + length
        heap = <uint8_t*> grown(table.heap, position, room)
        if heap == NULL:
            return MISSING
        table.heap = heap
        table.heap_room = room
    memcpy(table.heap + position, &length, 4)
    memcpy(table.heap + position + 4, data, length)
    table.heap_used += 4 + length
    return insert(table, position, tag, at)
