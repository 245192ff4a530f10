"""``SavedRows``: the rows that images need and that have changed since, in the order of their first change.

Theory of operation. Images that were made one after the other, before any row changed, share one log, whatever their
groups: so a batch that changes rows of all groups writes to one place, and not to one for each group. A record is a
group, a slot and the row. Records are in chunks that grow to 64 KB, never move, and are freed with the log.

One thread appends (the task's), any thread reads. The writer writes a record, and then stores the number of records
with release order. A reader loads the number with acquire order and follows the chunks that far. Readers share an index
from group and slot to the record, which they extend under a lock; it skips groups whose image is gone.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from sabotnb.native.pages cimport free_page, new_page

from threading import Lock

cdef enum:
    FIRST_BYTES = 1024
    CHUNK_BYTES = 65472  # 32 of them, and a line, are a chunk of ``pages``
    ABSENT = 0
    USED = 1
    RELEASED = 2


cdef bint add_chunk(Records* records) noexcept nogil:
    cdef uint64_t stride = RECORD_HEAD + records.width
    cdef uint64_t size = FIRST_BYTES if records.last == NULL else min(2 * records.last.size, <uint64_t> CHUNK_BYTES)
    cdef Chunk* chunk
    size = max(size, sizeof(Chunk) + stride)
    chunk = <Chunk*> new_page(size)
    if chunk == NULL:
        return False
    chunk.next = NULL
    chunk.size = size
    if records.last == NULL:
        records.first = chunk
    else:
        records.last.next = chunk
    records.last = chunk
    records.free = <char*> chunk + sizeof(Chunk)
    records.end = records.free + (size - sizeof(Chunk)) // stride * stride
    return True


cdef class SavedRows:
    def __dealloc__(self):
        cdef Chunk* chunk = self.records.first
        cdef Chunk* following
        cdef int group
        while chunk != NULL:
            following = chunk.next
            free_page(chunk, chunk.size)
            chunk = following
        if self.found != NULL:
            for group in range(self.groups):
                free(self.found[group])
        free(self.found)
        free(self.sizes)
        free(self.states)

    cdef bint empty(self, int group) noexcept:
        """True if nothing was saved yet, and ``group`` was not added."""
        return self.records.first == NULL and self.states[group] == ABSENT

    cdef void add(self, int group, uint32_t size) noexcept:
        """Save rows of ``group`` from now on, of slots below ``size``; ``group`` is ``empty``."""
        self.sizes[group] = size
        self.states[group] = USED

    cdef void release(self, int group) noexcept:
        """Index no further rows of ``group``."""
        self.states[group] = RELEASED

    cdef bint put_back(self, int group, uint32_t start, uint32_t stop, char* rows, char* patched) except False:
        """Replace ``rows``, those of slots ``start`` to ``stop``, by saved ones, except those that are ``patched``."""
        cdef uint32_t slot
        cdef int64_t width = self.records.width
        cdef bint fits
        cdef char** found
        with self.lock:
            with nogil:
                fits = self._index()
                found = self.found[group]
                for slot in range(start, min(stop, self.sizes[group]) if found != NULL else start):
                    if found[slot] != NULL and not patched[slot - start]:
                        memcpy(rows + (slot - start) * width, found[slot], width)
                        patched[slot - start] = 1
        if not fits:
            raise MemoryError("cannot allocate memory for the frozen rows of a checkpoint")
        return True

    cdef bint _index(self) noexcept nogil:
        """Find the rows that were saved since the last call; returns False if there is no memory."""
        cdef uint64_t count = load(&self.records.count)
        cdef uint64_t stride = RECORD_HEAD + self.records.width
        cdef uint32_t group
        while self.indexed < count:
            if self.chunk == NULL or self.at + stride > <char*> self.chunk + self.chunk.size:
                self.chunk = self.records.first if self.chunk == NULL else self.chunk.next
                self.at = <char*> self.chunk + sizeof(Chunk)
            group = (<uint32_t*> self.at)[0]
            if self.states[group] == USED:
                if self.found[group] == NULL:
                    self.found[group] = <char**> calloc(self.sizes[group], sizeof(char*))
                    if self.found[group] == NULL:
                        return False
                self.found[group][(<uint32_t*> self.at)[1]] = self.at + RECORD_HEAD
            self.at += stride
            self.indexed += 1
        return True


cdef SavedRows saved_rows(int groups, int64_t width):
    """Make an empty log of rows of ``width`` bytes."""
    cdef SavedRows saved = SavedRows()
    saved.groups = groups
    saved.records.width = width
    saved.lock = Lock()
    saved.sizes = <uint32_t*> calloc(groups, sizeof(uint32_t))
    saved.states = <char*> calloc(groups, 1)
    saved.found = <char***> calloc(groups, sizeof(char**))
    if saved.sizes == NULL or saved.states == NULL or saved.found == NULL:
        raise MemoryError
    return saved
