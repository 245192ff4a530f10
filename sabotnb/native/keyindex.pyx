"""``KeyIndex``: maps keys to slots with one hash table per key group, a whole batch per call."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from sabotnb.native._arrow cimport ArrowArray, array_of, is_valid, validity_of
from sabotnb.native._hash cimport hash_bytes, mix64
from sabotnb.native._table cimport (
    LINE_ENTRIES, MISSING, Entry, Page, Table, clear, find_bytes, find_null, find_word, home, insert, insert_bytes,
    insert_null, make_room, match_tag, match_word, no_page, page_of, prefetch, release, remove_null, remove_slot,
    same_bytes, start,
)
from sabotnb.native.keyview cimport view_of

import numpy as np
import pyarrow as pa

from sabotnb.native import canonical
from sabotnb.native.hash import hash_rows

cdef enum:
    FIND = 0  # what to do with the keys of a batch
    ADD = 1
    REMOVE = 2
    BLOCK = 256  # rows that go through each step of a look-up together
    ENCODED_WORD = 9  # a validity byte, then the word
    SMALL_CODES = 4096  # combinations of dictionary values that are always numbered, however small the batch
    CROWD = 4  # rows per possible integer; below this, hashing rows is cheaper than numbering them


cdef class Slots:
    def __init__(self, slots, groups=None, fresh=None):
        self.slots = slots
        self.groups = groups
        self.fresh = fresh

    def __len__(self):
        return len(self.slots)

    def take(self, rows):
        return Slots(self.slots[rows], None if self.groups is None else self.groups[rows])


cdef struct Keys:
    # One batch of keys in one of the two forms; row i of words, or bytes offsets[i] to offsets[i + 1].
    int64_t rows
    const uint64_t* words
    const int64_t* offsets
    const uint8_t* data
    const uint8_t* validity  # bit first + i
    int64_t first
    const uint64_t* hashes  # NULL: hash the keys here


cdef class KeyIndex:
    cdef Table* tables
    cdef readonly int groups
    cdef readonly list types
    cdef list words
    cdef bint one_word

    def __cinit__(self, types, int groups=1):
        cdef int group
        if not 0 < groups <= 65536:
            raise ValueError(f"{groups} key groups; the range is 1 to 65536")
        self.types = [canonical.plain_type(data_type) for data_type in types]
        self.words = [canonical.is_word(data_type) for data_type in self.types]
        if not self.types:
            raise ValueError("a key index needs at least one key column")
        self.one_word = len(self.types) == 1 and self.words[0]
        self.groups = groups
        self.tables = <Table*> calloc(groups, sizeof(Table))
        if self.tables == NULL:
            raise MemoryError
        for group in range(groups):
            self.tables[group].salt = group
            start(&self.tables[group])

    def __dealloc__(self):
        cdef int group
        if self.tables != NULL:
            for group in range(self.groups):
                release(&self.tables[group])
        free(self.tables)

    def upsert(self, columns, bint fresh=False, within=None):
        if within is None:
            found = codes(columns)
            if found is not None:
                return self._upsert_codes(columns, found, fresh)
        return self._look_up([canonical.decoded(column) for column in columns], within, ADD, fresh)

    def find(self, columns):
        found = codes(columns)
        if found is not None:
            return self._find_codes(columns, found)
        return self._look_up([canonical.decoded(column) for column in columns], None, FIND, False)

    def remove(self, columns):
        return self._look_up([canonical.decoded(column) for column in columns], None, REMOVE, False)

    def expect(self, int group, keys):
        cdef Table* table = self._table(group)
        if not make_room(table, keys):
            raise MemoryError(f"cannot allocate memory for {keys:,} keys")

    def size(self, int group=0):
        cdef Table* table = self._table(group)
        return table.size - table.free_count

    def sizes(self):
        cdef uint32_t[::1] out = np.empty(self.groups, np.uint32)
        cdef int group
        for group in range(self.groups):
            out[group] = self.tables[group].size - self.tables[group].free_count
        return np.asarray(out)

    def extents(self):
        cdef uint32_t[::1] out = np.empty(self.groups, np.uint32)
        cdef int group
        for group in range(self.groups):
            out[group] = self.tables[group].size
        return np.asarray(out)

    def nbytes(self, int group=0):
        cdef Table* table = self._table(group)
        cdef uint64_t places = 0 if table.directory == &no_page else <uint64_t> 1 << table.depth
        return (
            table.entries * sizeof(Entry) + places * (sizeof(Page) + 1)
            + table.room * sizeof(uint64_t) + table.heap_room + table.free_room * sizeof(uint32_t)
        )

    def drop(self, int group):
        release(self._table(group))

    def clear(self):
        cdef int group
        for group in range(self.groups):
            clear(&self.tables[group])

    def view(self, int group=0):
        return view_of(self._table(group), self.types, self.words)

    cdef Table* _table(self, int group) except NULL:
        if not 0 <= group < self.groups:
            raise IndexError(f"key group {group} of {self.groups}")
        return &self.tables[group]

    def _upsert_codes(self, columns, numbered, bint fresh):
        places, firsts = numbered
        found = self._look_up([canonical.decoded(column.take(firsts)) for column in columns], None, ADD, fresh)
        new = found.fresh
        if fresh:
            new = np.sort(np.asarray(firsts)[new])
        return Slots(found.slots[places], None if found.groups is None else found.groups[places], new)

    def _find_codes(self, columns, numbered):
        places, firsts = numbered
        found = self._look_up([canonical.decoded(column.take(firsts)) for column in columns], None, FIND, False)
        return found.take(places)

    def _look_up(self, columns, within, int step, bint fresh):
        cdef Keys keys
        cdef const ArrowArray* array
        cdef const ArrowArray* hash_array
        cdef Py_ssize_t rows = len(columns[0])
        cdef uint32_t[::1] slots = np.empty(rows, np.uint32)
        cdef uint16_t[::1] groups = None
        cdef uint32_t[::1] new = np.empty(rows if fresh else 0, np.uint32)
        cdef int64_t count
        cdef bint given = within is not None and within.groups is not None
        if given:
            groups = within.groups
        elif self.groups > 1:
            groups = np.empty(rows, np.uint16)
        keys.hashes = NULL
        if self.groups > 1 and not given:
            hash_capsules = hash_rows(columns).__arrow_c_array__()
            hash_array = array_of(hash_capsules[1])
            keys.hashes = <const uint64_t*> hash_array.buffers[1] + hash_array.offset
        encoded = self._encoded(columns)
        capsules = encoded.__arrow_c_array__()
        array = array_of(capsules[1])
        keys.rows = rows
        keys.first = array.offset
        keys.validity = validity_of(array)
        keys.words = NULL
        keys.offsets = NULL
        keys.data = NULL
        if self.one_word:
            keys.words = <const uint64_t*> array.buffers[1] + array.offset
        else:
            keys.offsets = <const int64_t*> array.buffers[1] + array.offset
            keys.data = <const uint8_t*> array.buffers[2]
        if rows == 0:
            return Slots(np.asarray(slots), None if groups is None else np.asarray(groups), np.asarray(new))
        with nogil:
            count = _run(
                self.tables, self.groups, &keys, step, given, NULL if groups is None else &groups[0], &slots[0],
                &new[0] if fresh else NULL,
            )
        if count < 0:
            raise MemoryError(f"cannot allocate memory for more than {int(self.sizes().sum()):,} keys")
        found = np.asarray(new[:count]) if fresh else None
        return Slots(np.asarray(slots), None if groups is None else np.asarray(groups), found)

    def _encoded(self, columns):
        """Encode the key columns as one column for the tables: int64 for a single word, else large_binary."""
        if len(columns) == 1:
            return canonical.words(columns[0]) if self.one_word else canonical.as_binary(columns[0])
        parts = [
            canonical.words(column) if word else canonical.as_binary(column)
            for column, word in zip(columns, self.words, strict=True)
        ]
        return _encode_rows(parts, self.words)


cdef struct Staged:
    Table* table
    uint32_t tag
    uint64_t position  # of the bytes of the key that may be equal


cdef int64_t _run(
    Table* tables, uint64_t groups, const Keys* keys, int step, bint given, uint16_t* group_of, uint32_t* slots,
    uint32_t* fresh,
) noexcept nogil:
    """Find, add or remove every key; returns the number of rows with a new key (into ``fresh`` if given), or -1: no memory.

    Memory is slower than all else here, so blocks of rows go through three steps. The first hashes the keys of a block
    and prefetches the cache lines of their homes, one block ahead. The second looks for the keys in these lines, without
    branches that cannot be predicted, and prefetches what the third compares: bytes of keys, and the lines behind full
    ones. The third finds the rest, and adds new keys in the order of the rows.
    """
    cdef Staged staged[2][BLOCK]
    cdef int64_t row = 0, count, added = 0
    cdef int now = 0
    _stage(tables, groups, keys, given, group_of, 0, staged[0])
    while row < keys.rows:
        _stage(tables, groups, keys, given, group_of, row + BLOCK, staged[1 - now])
        count = min(<int64_t> BLOCK, keys.rows - row)
        if keys.words != NULL:
            _match_words(keys, staged[now], row, count, slots)
        else:
            _match_bytes(staged[now], count, slots + row)
        if step == REMOVE:
            if not _remove(keys, staged[now], row, count, slots):
                return -1
        else:
            added = _resolve(keys, staged[now], row, count, step == ADD, slots, fresh, added)
            if added < 0:
                return -1
        row += BLOCK
        now = 1 - now
    return added


cdef inline void _stage(
    Table* tables, uint64_t groups, const Keys* keys, bint given, uint16_t* group_of, int64_t start, Staged* staged
) noexcept nogil:
    """Hash the keys of a block, compute their groups and prefetch their homes."""
    cdef uint64_t key_hash
    cdef int64_t row
    cdef const Page* page
    cdef Table* table = tables
    for row in range(start, min(start + BLOCK, keys.rows)):
        if keys.hashes != NULL:
            key_hash = keys.hashes[row]
        elif keys.words != NULL:
            key_hash = mix64(keys.words[row])
        else:
            key_hash = hash_bytes(keys.data + keys.offsets[row], keys.offsets[row + 1] - keys.offsets[row])
        if group_of != NULL:
            if not given:
                group_of[row] = <uint16_t> (((key_hash >> 32) * groups) >> 32)
            table = &tables[group_of[row]]
        page = page_of(table, <uint32_t> key_hash)
        prefetch(&page.entries[home(page, <uint32_t> key_hash)])
        staged[row - start].table = table
        staged[row - start].tag = <uint32_t> key_hash


cdef inline bint _is_null(const Keys* keys, int64_t row) noexcept nogil:
    return keys.validity != NULL and not is_valid(keys.validity, keys.first + row)


cdef inline void _match_words(
    const Keys* keys, const Staged* staged, int64_t start, int64_t count, uint32_t* slots
) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        slots[start + i] = match_word(staged[i].table, keys.words[start + i], staged[i].tag)
        if slots[start + i] == MISSING:
            _prefetch_next(&staged[i])


cdef inline void _match_bytes(Staged* staged, int64_t count, uint32_t* slots) noexcept nogil:
    cdef const Entry* entry
    cdef int64_t i
    for i in range(count):
        entry = match_tag(staged[i].table, staged[i].tag)
        slots[i] = entry.slot if entry.tag == staged[i].tag else MISSING
        if slots[i] == MISSING:
            _prefetch_next(&staged[i])
        else:
            staged[i].position = entry.key
            prefetch(staged[i].table.heap + entry.key)


cdef inline void _prefetch_next(const Staged* row) noexcept nogil:
    cdef const Page* page = page_of(row.table, row.tag)
    prefetch(&page.entries[(home(page, row.tag) + LINE_ENTRIES) & page.mask])


cdef inline int64_t _resolve(
    const Keys* keys, const Staged* staged, int64_t start, int64_t count, bint adding, uint32_t* slots, uint32_t* fresh,
    int64_t added,
) noexcept nogil:
    """Find the keys that were not in their first line, and add those that are new; returns ``added`` and their number."""
    cdef int64_t i
    cdef uint32_t slot
    for i in range(count):
        slot = slots[start + i]
        if slot != MISSING and not _is_null(keys, start + i) and (keys.words != NULL or _same(keys, &staged[i], start + i)):
            continue
        slot = _find(keys, &staged[i], start + i)
        if slot == MISSING and adding:
            slot = _insert(keys, &staged[i], start + i)
            if slot == MISSING:
                return -1
            if fresh != NULL:
                fresh[added] = <uint32_t> (start + i)
            added += 1
        slots[start + i] = slot
    return added


cdef inline uint32_t _length(const Keys* keys, int64_t row) noexcept nogil:
    return <uint32_t> (keys.offsets[row + 1] - keys.offsets[row])


cdef inline bint _same(const Keys* keys, const Staged* staged, int64_t row) noexcept nogil:
    """Compare a key with the bytes that ``staged`` found."""
    return same_bytes(staged.table, staged.position, keys.data + keys.offsets[row], _length(keys, row))


cdef uint32_t _find(const Keys* keys, const Staged* staged, int64_t row) noexcept nogil:
    if _is_null(keys, row):
        return find_null(staged.table)
    if keys.words != NULL:
        return find_word(staged.table, keys.words[row], staged.tag)
    return find_bytes(staged.table, keys.data + keys.offsets[row], _length(keys, row), staged.tag)


cdef uint32_t _insert(const Keys* keys, const Staged* staged, int64_t row) noexcept nogil:
    if _is_null(keys, row):
        return insert_null(staged.table)
    if keys.words != NULL:
        return insert(staged.table, keys.words[row], staged.tag)
    return insert_bytes(staged.table, keys.data + keys.offsets[row], _length(keys, row), staged.tag)


cdef bint _remove(
    const Keys* keys, const Staged* staged, int64_t start, int64_t count, uint32_t* slots
) noexcept nogil:
    """Remove the keys of a block; a key that comes twice is MISSING the second time. False: no memory."""
    cdef int64_t i
    cdef uint32_t slot, length
    cdef bint done
    cdef Table* table
    for i in range(count):
        slot = slots[start + i] = _find(keys, &staged[i], start + i)
        if slot == MISSING:
            continue
        table = staged[i].table
        if _is_null(keys, start + i):
            done = remove_null(table)
        else:
            if keys.words == NULL:
                memcpy(&length, table.heap + table.keys[slot], 4)
                table.heap_garbage += 4 + length
            done = remove_slot(table, slot, staged[i].tag)
        if not done:
            return False
        if table.size == table.free_count:
            release(table)
    return True


def codes(columns):
    cdef Py_ssize_t rows = len(columns[0])
    cdef Py_ssize_t i, combinations = 1, most = max(2 * rows, SMALL_CODES)
    cdef uint32_t code, next_code = 0
    mixed = None
    for column in columns:
        numbered = _numbered(column, most // combinations)
        if numbered is None:
            return None
        indices, size = numbered
        mixed = indices if mixed is None else mixed * size + indices
        combinations *= size
    cdef const int64_t[::1] combined = np.ascontiguousarray(mixed)
    cdef uint32_t[::1] numbers = np.full(combinations, MISSING, np.uint32)
    cdef uint32_t[::1] places = np.empty(rows, np.uint32)
    cdef int64_t[::1] firsts = np.empty(min(rows, combinations), np.int64)
    with nogil:
        for i in range(rows):
            code = numbers[combined[i]]
            if code == MISSING:
                code = next_code
                numbers[combined[i]] = code
                firsts[code] = i
                next_code += 1
            places[i] = code
    return np.asarray(places), pa.array(np.asarray(firsts[:next_code]))


def _numbered(column, most):
    """Map each value to a number below some size, null to the last: (numbers, size); None if it would exceed ``most``."""
    if isinstance(column, pa.DictionaryArray):
        size = len(column.dictionary)
        if size >= most:
            return None
        return column.indices.cast(pa.int64()).fill_null(size).to_numpy(zero_copy_only=False), size + 1
    if not pa.types.is_integer(column.type):
        return None
    import pyarrow.compute as pc  # here, because writing an expression should not load Arrow's kernels

    bounds = pc.min_max(column)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is None:
        return np.zeros(len(column), np.int64), 1
    size = high - low + 1
    if size >= min(most, len(column) // CROWD):
        return None
    low = low if low < 2**63 else low - 2**64  # the word that stands for a uint64
    values = canonical.words(column)
    if column.null_count:
        values = values.fill_null(low)
    numbers = values.to_numpy(zero_copy_only=False)
    if low:
        numbers = numbers - low
    if column.null_count:
        numbers = np.where(column.is_null().to_numpy(zero_copy_only=False), size, numbers)
    return numbers, size + 1


def _encode_rows(parts, words):
    """Encode each row's keys one after another, so that the bytes of two rows are equal only if their keys are."""
    cdef Py_ssize_t rows = len(parts[0])
    cdef int64_t[::1] offsets = np.zeros(rows + 1, np.int64)
    cdef const ArrowArray* array
    cdef Py_ssize_t i
    cdef int64_t total = 0, size
    cdef bint word
    for part, word in zip(parts, words, strict=True):
        if len(part) != rows:
            raise ValueError(f"key columns of {rows} and {len(part)} rows")
        capsules = part.__arrow_c_array__()
        array = array_of(capsules[1])
        with nogil:
            if word:
                for i in range(rows):
                    offsets[i + 1] += ENCODED_WORD
            else:
                _add_lengths(array, offsets)
    for i in range(rows):
        total += offsets[i + 1]
        offsets[i + 1] = total
    data_buffer = pa.allocate_buffer(max(total, 1))
    cdef uint8_t[::1] data = np.frombuffer(data_buffer, np.uint8)
    cdef int64_t[::1] at = np.array(offsets[:rows], np.int64)
    for part, word in zip(parts, words, strict=True):
        capsules = part.__arrow_c_array__()
        array = array_of(capsules[1])
        with nogil:
            if word:
                _write_words(array, at, &data[0])
            else:
                _write_bytes(array, at, &data[0])
    return pa.Array.from_buffers(pa.large_binary(), rows, [None, pa.py_buffer(np.asarray(offsets)), data_buffer])


cdef void _add_lengths(const ArrowArray* array, int64_t[::1] offsets) noexcept nogil:
    cdef const int64_t* bounds = <const int64_t*> array.buffers[1] + array.offset
    cdef const uint8_t* validity = validity_of(array)
    cdef int64_t i
    for i in range(array.length):
        if is_valid(validity, array.offset + i):
            offsets[i + 1] += 5 + bounds[i + 1] - bounds[i]
        else:
            offsets[i + 1] += 5


cdef void _write_words(const ArrowArray* array, int64_t[::1] at, uint8_t* data) noexcept nogil:
    cdef const uint64_t* values = <const uint64_t*> array.buffers[1] + array.offset
    cdef const uint8_t* validity = validity_of(array)
    cdef uint64_t value
    cdef int64_t i
    for i in range(array.length):
        data[at[i]] = is_valid(validity, array.offset + i)
        value = values[i] if data[at[i]] else 0
        memcpy(data + at[i] + 1, &value, 8)
        at[i] += ENCODED_WORD


cdef void _write_bytes(const ArrowArray* array, int64_t[::1] at, uint8_t* data) noexcept nogil:
    cdef const int64_t* bounds = <const int64_t*> array.buffers[1] + array.offset
    cdef const uint8_t* values = <const uint8_t*> array.buffers[2]
    cdef const uint8_t* validity = validity_of(array)
    cdef uint32_t length
    cdef int64_t i
    for i in range(array.length):
        data[at[i]] = is_valid(validity, array.offset + i)
        length = <uint32_t> (bounds[i + 1] - bounds[i]) if data[at[i]] else 0
        memcpy(data + at[i] + 1, &length, 4)
        if length:
            memcpy(data + at[i] + 5, values + bounds[i], length)
        at[i] += 5 + length
