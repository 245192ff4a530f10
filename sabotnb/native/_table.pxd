"""The hash table under ``KeyIndex``: one per key group.

A key is a word of 64 bits, or bytes in the table's heap. A new key gets the slot that was freed last, or the next one:
0, 1, 2, ... Null has a slot, but no entry. Keys by slot and the heap are append-only while a view shares them.

Theory of operation. An entry stores the low half of the key's hash (``tag``), so growing never hashes again. Entries are
in pages, each a hash table of its own with linear probing. The low bits of the tag tell a cache line of the page, where
probing starts (``home``), the high bits its page, by a directory. A full page of fewer than ``PAGE_ENTRIES`` entries doubles, then a full page is split: its
entries are divided by the next high bit of their tags, and the directory doubles if it does not tell them apart yet
(R. Fagin et al., "Extendible hashing", TODS 4 (1979)). So growth never costs more than one page and one directory at a
time, and pages of one size come from ``pages``. Where the number of keys is known before, as in a restore, all pages are
made at once (``make_room``).

Removal. The entries behind a removed one move up, so probing still ends at the first empty entry. The slot goes to a
stack of free slots, but is given to a new key only when no view shares the keys: a view may read its old key. The bytes
of a removed key are garbage until the heap is full and more than half garbage; it is then written again without them.
Pages do not shrink. The memory of a table is freed with its last key.

Hashes are uniform, hence pages, and tables of all key groups, would fill up and be split at the same time. Each page
therefore has a limit of its own.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from sabotnb.native._shared cimport grown, is_shared, let_go
from sabotnb.native.pages cimport free_page, new_page

cdef extern from *:
    """
    #ifndef SABOTNB_TABLE
    #define SABOTNB_TABLE
    /* To the L2 cache: more such requests may be under way than requests to the L1 cache. */
    #define sabotnb_prefetch(p) __builtin_prefetch(p, 0, 2)
    /* Slot of a key that is not there; marks an empty entry and, given by an upsert, that memory ran out. */
    #define SABOTNB_MISSING 0xFFFFFFFFu

    typedef struct { uint64_t key; uint32_t slot; uint32_t tag; } sabotnb_entry;
    typedef struct { sabotnb_entry* entries; uint32_t mask; uint32_t used; } sabotnb_page;

    /* The page of a table without keys. */
    #define SABOTNB_NO_ENTRY {0, SABOTNB_MISSING, 0}
    static sabotnb_entry sabotnb_no_entries[4] = {
        SABOTNB_NO_ENTRY, SABOTNB_NO_ENTRY, SABOTNB_NO_ENTRY, SABOTNB_NO_ENTRY};
    static sabotnb_page sabotnb_no_page = {sabotnb_no_entries, 3, 0};
    #endif
    """
    void prefetch "sabotnb_prefetch"(const void* p) noexcept nogil
    const uint32_t MISSING "SABOTNB_MISSING"

    ctypedef struct Entry "sabotnb_entry":
        uint64_t key  # the word, or the position of the bytes in the heap
        uint32_t slot
        uint32_t tag

    ctypedef struct Page "sabotnb_page":
        Entry* entries
        uint32_t mask  # number of entries - 1, a power of two less one
        uint32_t used  # entries in use; correct only in the first of the directory's places of a page

    Page no_page "sabotnb_no_page"

cdef enum:
    LINE_ENTRIES = 4  # of a cache line
    FIRST_ENTRIES = 16
    PAGE_ENTRIES = 4096  # 64 KB
    DEEPEST = 16  # bits of a tag that choose a page; pages with more keys than that tells apart double


cdef struct Table:
    Page* directory  # a page may have several places, which are neighbours
    uint8_t* depths  # of each place: the number of high bits that all tags of its page share
    int depth  # the directory has 1 << depth places
    uint32_t salt  # varies the limits of pages between tables
    uint64_t entries  # of all pages
    uint64_t* keys  # by slot, as in Entry
    uint32_t size  # slots in use or free
    uint32_t room
    uint32_t* free_slots  # of removed keys
    uint32_t free_count
    uint32_t free_room
    int64_t null_slot  # -1: no null key
    uint8_t* heap  # records of a length (uint32) and that many bytes
    uint64_t heap_used
    uint64_t heap_room
    uint64_t heap_garbage


cdef inline uint32_t place_of(const Table* table, uint32_t tag) noexcept nogil:
    return <uint32_t> (<uint64_t> tag >> (32 - table.depth))


cdef inline Page* page_of(const Table* table, uint32_t tag) noexcept nogil:
    return &table.directory[place_of(table, tag)]


cdef inline uint32_t home(const Page* page, uint32_t tag) noexcept nogil:
    """The entry where probing for ``tag`` starts: the first of a cache line."""
    return tag & page.mask & ~(<uint32_t> LINE_ENTRIES - 1)


cdef inline uint32_t first_place(const Table* table, uint32_t place) noexcept nogil:
    """The first place of the page at ``place``."""
    return place & ~((<uint32_t> 1 << (table.depth - table.depths[place])) - 1)


cdef inline uint32_t limit_of(const Table* table, uint32_t place) noexcept nogil:
    """Entries that the page at ``place``, its first place, may use: 72 to 88 % of it. The next one grows it."""
    cdef uint64_t mixed = ((<uint64_t> place << (32 - table.depth)) + table.salt + 1) * <uint64_t> 0x9E3779B97F4A7C15
    cdef uint64_t count = table.directory[place].mask
    return <uint32_t> (count * 72 // 100 + ((count * 16 // 100 * (mixed >> 48)) >> 16))


cdef inline void start(Table* table) noexcept nogil:
    """Make ``table``, whose memory was released, one without keys."""
    cdef uint32_t salt = table.salt
    memset(table, 0, sizeof(Table))
    table.salt = salt
    table.directory = &no_page
    table.null_slot = -1


cdef inline void free_pages(Table* table) noexcept nogil:
    cdef uint32_t place = 0
    if table.directory == &no_page:
        return
    while place < <uint32_t> 1 << table.depth:
        free_page(table.directory[place].entries, (<uint64_t> table.directory[place].mask + 1) * sizeof(Entry))
        place += <uint32_t> 1 << (table.depth - table.depths[place])
    free(table.directory)
    free(table.depths)


cdef inline void release(Table* table) noexcept nogil:
    """Drop all keys and free the memory."""
    free_pages(table)
    let_go(table.keys)
    let_go(table.heap)
    free(table.free_slots)
    start(table)


cdef inline void clear(Table* table) noexcept nogil:
    """Drop all keys; keeps the memory unless a view shares it, or there was more than a page."""
    if table.depth or table.free_count or is_shared(table.keys) or is_shared(table.heap):
        release(table)
        return
    if table.directory != &no_page:
        memset(table.directory[0].entries, 0xFF, (<uint64_t> table.directory[0].mask + 1) * sizeof(Entry))
        table.directory[0].used = 0
    table.size = 0
    table.null_slot = -1
    table.heap_used = 0
    table.heap_garbage = 0


cdef inline Entry* new_entries(Table* table, uint64_t count) noexcept nogil:
    cdef Entry* entries = <Entry*> new_page(count * sizeof(Entry))
    if entries != NULL:
        memset(entries, 0xFF, count * sizeof(Entry))
        table.entries += count
    return entries


cdef inline void free_entries(Table* table, Entry* entries, uint64_t count) noexcept nogil:
    free_page(entries, count * sizeof(Entry))
    table.entries -= count


cdef inline void put(Page* page, const Entry* entry) noexcept nogil:
    """Copy an entry to its place, or to the next one that is empty."""
    cdef uint32_t at = home(page, entry.tag)
    while page.entries[at].slot != MISSING:
        at = (at + 1) & page.mask
    page.entries[at] = entry[0]


cdef inline void install(Table* table, uint32_t place, Page page, int depth) noexcept nogil:
    """Make ``page`` the page of ``place`` and of those that follow it, as many as tags of ``depth`` common bits have."""
    cdef uint32_t i
    for i in range(place, place + (<uint32_t> 1 << (table.depth - depth))):
        table.directory[i] = page
        table.depths[i] = depth


cdef inline bint first_page(Table* table) noexcept nogil:
    cdef Page page
    page.mask = FIRST_ENTRIES - 1
    page.used = 0
    page.entries = new_entries(table, FIRST_ENTRIES)
    if page.entries == NULL:
        return False
    table.directory = <Page*> malloc(sizeof(Page))
    table.depths = <uint8_t*> malloc(1)
    if table.directory == NULL or table.depths == NULL:
        free(table.directory)
        free(table.depths)
        table.directory = &no_page
        table.depths = NULL
        free_entries(table, page.entries, FIRST_ENTRIES)
        return False
    install(table, 0, page, 0)
    return True


cdef inline bint double_page(Table* table, uint32_t place) noexcept nogil:
    cdef Page old = table.directory[place]
    cdef Page page
    cdef uint64_t i, count = <uint64_t> old.mask + 1
    page.mask = <uint32_t> (2 * count - 1)
    page.used = old.used
    page.entries = new_entries(table, 2 * count)
    if page.entries == NULL:
        return False
    for i in range(count):
        if old.entries[i].slot != MISSING:
            put(&page, &old.entries[i])
    install(table, place, page, table.depths[place])
    free_entries(table, old.entries, count)
    return True


cdef inline bint double_directory(Table* table) noexcept nogil:
    cdef uint32_t i, places = <uint32_t> 1 << table.depth
    cdef Page* directory = <Page*> malloc(2 * places * sizeof(Page))
    cdef uint8_t* depths = <uint8_t*> malloc(2 * places)
    if directory == NULL or depths == NULL:
        free(directory)
        free(depths)
        return False
    for i in range(2 * places):
        directory[i] = table.directory[i >> 1]
        depths[i] = table.depths[i >> 1]
    free(table.directory)
    free(table.depths)
    table.directory = directory
    table.depths = depths
    table.depth += 1
    return True


cdef inline bint split_page(Table* table, uint32_t tag) noexcept nogil:
    """Divide the page of ``tag`` in two."""
    cdef uint32_t place = first_place(table, place_of(table, tag))
    cdef Page halves[2]
    cdef Page old
    cdef uint64_t i, count = <uint64_t> table.directory[place].mask + 1
    cdef int depth = table.depths[place], half
    if depth == table.depth:
        if not double_directory(table):
            return False
        place = first_place(table, place_of(table, tag))
    old = table.directory[place]
    for half in range(2):
        halves[half].mask = old.mask
        halves[half].used = 0
        halves[half].entries = new_entries(table, count)
    if halves[0].entries == NULL or halves[1].entries == NULL:
        for half in range(2):
            if halves[half].entries != NULL:
                free_entries(table, halves[half].entries, count)
        return False
    for i in range(count):
        if old.entries[i].slot != MISSING:
            half = (old.entries[i].tag >> (31 - depth)) & 1
            put(&halves[half], &old.entries[i])
            halves[half].used += 1
    install(table, place, halves[0], depth + 1)
    install(table, place + (<uint32_t> 1 << (table.depth - depth - 1)), halves[1], depth + 1)
    free_entries(table, old.entries, count)
    return True


cdef inline bint grow_page(Table* table, uint32_t tag) noexcept nogil:
    """Give the page of ``tag`` more room; returns False if there is no memory."""
    cdef uint32_t place
    if table.directory == &no_page:
        return first_page(table)
    place = first_place(table, place_of(table, tag))
    if table.directory[place].mask + 1 < PAGE_ENTRIES or table.depths[place] == DEEPEST:
        return double_page(table, place)
    return split_page(table, tag)


cdef inline bint make_room(Table* table, uint32_t keys) noexcept nogil:
    """Make room for ``keys`` keys in all; returns False if there is no memory.

    Growing to them page by page costs twice as much: entries are moved, and new memory is touched, with each doubling.
    For less than twice the keys that there are it does nothing, as it would move all of these.
    """
    cdef Page page
    cdef Page* directory
    cdef Page* known
    cdef uint8_t* depths
    cdef uint64_t count = FIRST_ENTRIES, before = table.entries, i
    cdef uint32_t place, places
    cdef int depth = 0
    cdef bint fits = True
    if keys <= FIRST_ENTRIES or keys // 2 < table.size:
        return True
    while count < PAGE_ENTRIES and count * 3 // 5 < keys:
        count *= 2
    while depth < DEEPEST and (count * 3 // 5) << depth < keys:
        depth += 1
    if table.directory != &no_page and depth < table.depth:  # the tags are not uniform, and it is deep already
        return True
    places = <uint32_t> 1 << depth
    directory = <Page*> malloc(places * sizeof(Page))
    depths = <uint8_t*> malloc(places)
    if directory == NULL or depths == NULL:
        free(directory)
        free(depths)
        return False
    page.mask = <uint32_t> (count - 1)
    page.used = 0
    for place in range(places):
        page.entries = new_entries(table, count) if fits else NULL
        fits = fits and page.entries != NULL
        directory[place] = page
        depths[place] = depth
    if not fits:
        for place in range(places):
            if directory[place].entries != NULL:
                free_entries(table, directory[place].entries, count)
        free(directory)
        free(depths)
        return False
    place = 0
    while table.directory != &no_page and place < <uint32_t> 1 << table.depth:
        known = &table.directory[place]
        for i in range(<uint64_t> known.mask + 1):
            if known.entries[i].slot != MISSING:
                put_apart(directory, depth, &known.entries[i])
        place += <uint32_t> 1 << (table.depth - table.depths[place])
    free_pages(table)
    table.entries -= before
    table.directory = directory
    table.depths = depths
    table.depth = depth
    return room_for_slots(table, keys)


cdef inline void put_apart(Page* directory, int depth, const Entry* entry) noexcept nogil:
    """Copy an entry to its page of a ``directory`` of pages that all have the ``depth`` of the directory."""
    cdef Page* page = &directory[<uint64_t> entry.tag >> (32 - depth)]
    put(page, entry)
    page.used += 1


cdef inline bint room_for_slots(Table* table, uint32_t room) noexcept nogil:
    """Make ``room`` for keys by slot; returns False if there is no memory."""
    cdef uint64_t* keys
    if room > table.room:
        keys = <uint64_t*> grown(table.keys, table.size * sizeof(uint64_t), room * sizeof(uint64_t))
        if keys == NULL:
            return False
        table.keys = keys
        table.room = room
    return True


cdef inline uint32_t new_slot(Table* table, uint64_t key) noexcept nogil:
    """Assign a slot to ``key``."""
    if table.free_count and not is_shared(table.keys):
        table.free_count -= 1
        table.keys[table.free_slots[table.free_count]] = key
        return table.free_slots[table.free_count]
    if table.size == table.room:
        if table.room >= MISSING // 2:
            return MISSING
        if not room_for_slots(table, FIRST_ENTRIES + table.room + table.room // 4):
            return MISSING
    table.keys[table.size] = key
    table.size += 1
    return table.size - 1


cdef inline bint has_room(Table* table, uint32_t tag) noexcept nogil:
    """Make sure that the page of ``tag`` may take one more entry; returns False if there is no memory."""
    cdef uint32_t place
    while True:
        if table.directory != &no_page:
            place = first_place(table, place_of(table, tag))
            if table.directory[place].used < limit_of(table, place):
                return True
        if not grow_page(table, tag):
            return False


cdef inline uint32_t insert(Table* table, uint64_t key, uint32_t tag) noexcept nogil:
    """Store a key that the table does not have."""
    cdef Entry entry
    cdef uint32_t place
    if not has_room(table, tag):
        return MISSING
    entry.key = key
    entry.tag = tag
    entry.slot = new_slot(table, key)
    if entry.slot != MISSING:
        place = first_place(table, place_of(table, tag))
        put(&table.directory[place], &entry)
        table.directory[place].used += 1
    return entry.slot


cdef inline uint32_t insert_null(Table* table) noexcept nogil:
    """Give null a slot if it has none."""
    table.null_slot = new_slot(table, 0)
    return <uint32_t> table.null_slot


cdef inline uint32_t find_null(const Table* table) noexcept nogil:
    return MISSING if table.null_slot < 0 else <uint32_t> table.null_slot


cdef inline uint32_t match_word(const Table* table, uint64_t word, uint32_t tag) noexcept nogil:
    """The slot of a key in its first cache line, MISSING if it is not in that line. No branch depends on the key.

    MISSING has all bits set, so the slot is what remains of the entries' slots, each with all bits set unless its key
    is equal. Empty entries have slot MISSING, so they may have any key.
    """
    cdef const Page* page = page_of(table, tag)
    cdef const Entry* line = &page.entries[home(page, tag)]
    cdef uint32_t slot = line[0].slot | (<uint32_t> (line[0].key == word) - 1)
    slot &= line[1].slot | (<uint32_t> (line[1].key == word) - 1)
    slot &= line[2].slot | (<uint32_t> (line[2].key == word) - 1)
    return slot & (line[3].slot | (<uint32_t> (line[3].key == word) - 1))


cdef inline const Entry* match_tag(const Table* table, uint32_t tag) noexcept nogil:
    """An entry with this tag in its first cache line, or any entry."""
    cdef const Page* page = page_of(table, tag)
    cdef const Entry* line = &page.entries[home(page, tag)]
    cdef int at = 0
    at = 1 if line[1].tag == tag else at
    at = 2 if line[2].tag == tag else at
    at = 3 if line[3].tag == tag else at
    return &line[at]


cdef inline uint32_t find_word(const Table* table, uint64_t word, uint32_t tag) noexcept nogil:
    cdef const Page* page = page_of(table, tag)
    cdef const Entry* entries = page.entries
    cdef uint32_t at = home(page, tag)
    while entries[at].slot != MISSING:
        if entries[at].key == word:
            return entries[at].slot
        at = (at + 1) & page.mask
    return MISSING


cdef inline bint same_bytes(
    const Table* table, uint64_t position, const uint8_t* data, uint32_t length
) noexcept nogil:
    cdef uint32_t found
    memcpy(&found, table.heap + position, 4)
    return found == length and memcmp(table.heap + position + 4, data, length) == 0


cdef inline uint32_t find_bytes(const Table* table, const uint8_t* data, uint32_t length, uint32_t tag) noexcept nogil:
    cdef const Page* page = page_of(table, tag)
    cdef uint32_t at = home(page, tag)
    while page.entries[at].slot != MISSING:
        if page.entries[at].tag == tag and same_bytes(table, page.entries[at].key, data, length):
            return page.entries[at].slot
        at = (at + 1) & page.mask
    return MISSING


cdef inline bint compact_heap(Table* table) noexcept nogil:
    """Write the heap again without garbage; views keep the old one, and the old positions."""
    cdef uint64_t room = table.heap_used - table.heap_garbage, used = 0, i
    cdef uint32_t place = 0, length
    cdef Page* page
    cdef Entry* entry
    cdef uint64_t* keys = <uint64_t*> grown(table.keys, table.size * sizeof(uint64_t), table.room * sizeof(uint64_t))
    cdef uint8_t* heap
    if keys == NULL:
        return False
    table.keys = keys
    heap = <uint8_t*> grown(NULL, 0, room)
    if heap == NULL:
        return False
    while place < <uint32_t> 1 << table.depth:
        page = &table.directory[place]
        for i in range(<uint64_t> page.mask + 1):
            entry = &page.entries[i]
            if entry.slot != MISSING:
                memcpy(&length, table.heap + entry.key, 4)
                memcpy(heap + used, table.heap + entry.key, 4 + length)
                entry.key = keys[entry.slot] = used
                used += 4 + length
        place += <uint32_t> 1 << (table.depth - table.depths[place])
    for i in range(table.free_count):
        keys[table.free_slots[i]] = 0  # a valid position, as views may read the keys of free slots
    let_go(table.heap)
    table.heap = heap
    table.heap_used = table.heap_room = used
    table.heap_garbage = 0
    return True


cdef inline bint make_heap_room(Table* table, uint64_t size) noexcept nogil:
    cdef uint64_t room
    cdef uint8_t* heap
    if 2 * table.heap_garbage > table.heap_used and not compact_heap(table):
        return False
    room = table.heap_room + table.heap_room // 4 + 64 + size
    heap = <uint8_t*> grown(table.heap, table.heap_used, room)
    if heap == NULL:
        return False
    table.heap = heap
    table.heap_room = room
    return True


cdef inline uint32_t insert_bytes(Table* table, const uint8_t* data, uint32_t length, uint32_t tag) noexcept nogil:
    """Store a key that the table does not have."""
    cdef uint64_t position
    cdef uint32_t slot
    if table.heap_used + 4 + length > table.heap_room and not make_heap_room(table, 4 + length):
        return MISSING
    position = table.heap_used
    memcpy(table.heap + position, &length, 4)
    memcpy(table.heap + position + 4, data, length)
    slot = insert(table, position, tag)
    if slot != MISSING:
        table.heap_used += 4 + length
    return slot


cdef inline bint free_slot(Table* table, uint32_t slot) noexcept nogil:
    cdef uint32_t* free_slots
    if table.free_count == table.free_room:
        free_slots = <uint32_t*> realloc(table.free_slots, (2 * table.free_room + 16) * sizeof(uint32_t))
        if free_slots == NULL:
            return False
        table.free_slots = free_slots
        table.free_room = 2 * table.free_room + 16
    table.free_slots[table.free_count] = slot
    table.free_count += 1
    return True


cdef inline void take_out(Page* page, uint32_t hole) noexcept nogil:
    """Empty an entry; entries behind it that may be nearer to their home move up.

    D. E. Knuth, "The Art of Computer Programming" 3 (1998), section 6.4, algorithm R.
    """
    cdef uint32_t at = (hole + 1) & page.mask
    while page.entries[at].slot != MISSING:
        if ((at - home(page, page.entries[at].tag)) & page.mask) >= ((at - hole) & page.mask):
            page.entries[hole] = page.entries[at]
            hole = at
        at = (at + 1) & page.mask
    page.entries[hole].slot = MISSING


cdef inline bint remove_slot(Table* table, uint32_t slot, uint32_t tag) noexcept nogil:
    """Remove the key of ``slot``, which is not null; returns False if there is no memory."""
    cdef uint32_t place = first_place(table, place_of(table, tag)), at
    cdef Page* page = &table.directory[place]
    if not free_slot(table, slot):
        return False
    at = home(page, tag)
    while page.entries[at].slot != slot:
        at = (at + 1) & page.mask
    take_out(page, at)
    page.used -= 1
    return True


cdef inline bint remove_null(Table* table) noexcept nogil:
    if not free_slot(table, <uint32_t> table.null_slot):
        return False
    table.null_slot = -1
    return True
