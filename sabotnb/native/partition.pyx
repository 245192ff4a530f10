"""Splits a record batch by rows: a counting sort of row ids, then one gather per column."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc, strtol
from libc.string cimport memcpy, memset, strchr

from sabotnb.native._arrow cimport ArrowArray, ArrowSchema, array_of, is_set, schema_of, validity_of

import pyarrow as pa

from sabotnb.errors import TypeMismatch
from sabotnb.native.hash import hash_rows

ctypedef struct Wide:
    uint64_t low
    uint64_t high

ctypedef fused value:
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    Wide

ctypedef fused position:
    int32_t
    int64_t

cdef enum Layout:
    OTHER
    NULLS
    BITS
    FIXED
    OFFSETS_32
    OFFSETS_64

# A copy of a string's last bytes may touch this many bytes behind them.
cdef enum:
    SLACK = 16


cdef struct Move:
    # The move of one column into the permuted batch; ``offset`` is the column's, ``valid`` counts what is not null.
    Layout layout
    int64_t width
    int64_t offset
    int64_t valid
    const uint8_t* validity
    const uint8_t* values
    const void* offsets
    uint8_t* to_validity
    uint8_t* to_values
    void* to_offsets


def partition(batch, keys, table, int partitions):
    cdef int64_t rows = batch.num_rows, wrong
    cdef uint16_t* destinations
    cdef const ArrowArray* hashes
    cdef const ArrowArray* owners
    cdef const uint16_t* owner
    if table.type != pa.uint16() or table.null_count or not len(table):
        raise TypeMismatch(f"a table of key groups is a non-empty uint16 array without nulls, not {table.type}")
    table_capsules = table.__arrow_c_array__()
    owners = array_of(table_capsules[1])
    owner = <const uint16_t*> owners.buffers[1] + owners.offset
    wrong = _beyond(owner, owners.length, partitions)
    if wrong >= 0:
        raise ValueError(f"the table assigns key group {wrong} to partition {owner[wrong]} of {partitions}")
    if partitions == 1:
        return [batch if rows else None]
    hash_capsules = hash_rows([batch.column(key) for key in keys]).__arrow_c_array__()
    hashes = array_of(hash_capsules[1])
    destinations = <uint16_t*> malloc(2 * rows + 1)
    if destinations == NULL:
        raise MemoryError
    try:
        with nogil:
            _route(<const uint64_t*> hashes.buffers[1], rows, owner, <uint64_t> owners.length, destinations)
        return _scatter(batch, destinations, partitions)
    finally:
        free(destinations)


def scatter(batch, destinations, int partitions):
    cdef const ArrowArray* array
    if destinations.type != pa.uint16() or destinations.null_count:
        raise TypeMismatch(f"destinations are uint16 without nulls, not {destinations.type}")
    if len(destinations) != batch.num_rows:
        raise ValueError(f"{len(destinations)} destinations for {batch.num_rows} rows")
    capsules = destinations.__arrow_c_array__()
    array = array_of(capsules[1])
    return _scatter(batch, <const uint16_t*> array.buffers[1] + array.offset, partitions)


cdef int64_t _beyond(const uint16_t* numbers, int64_t length, int partitions) noexcept nogil:
    """The index of the first partition that does not exist, or -1."""
    cdef int64_t i
    for i in range(length):
        if numbers[i] >= partitions:
            return i
    return -1


cdef void _route(
    const uint64_t* hashes, int64_t rows, const uint16_t* owners, uint64_t groups, uint16_t* destinations
) noexcept nogil:
    cdef int64_t i
    for i in range(rows):
        destinations[i] = owners[((hashes[i] >> 32) * groups) >> 32]


cdef list _scatter(object batch, const uint16_t* destinations, int partitions):
    cdef int64_t rows = batch.num_rows
    cdef int64_t* ends
    cdef int64_t wrong, start = 0
    cdef uint32_t* order
    cdef int p
    if rows >= <int64_t> 1 << 32:
        raise ValueError(f"a batch of {rows} rows; a kernel takes fewer than 2**32")
    if not 0 < partitions <= 65536:
        raise ValueError(f"{partitions} partitions; the range is 1 to 65536")
    if rows == 0:
        return [None] * partitions
    ends = <int64_t*> calloc(partitions, sizeof(int64_t))
    if ends == NULL:
        raise MemoryError
    order_buffer = pa.allocate_buffer(4 * rows)
    order = <uint32_t*> <uintptr_t> order_buffer.address
    try:
        with nogil:
            wrong = _count(destinations, rows, partitions, ends)
        if wrong >= 0:
            raise ValueError(f"row {wrong} is for partition {destinations[wrong]} of {partitions}")
        if ends[destinations[0]] == rows:  # all rows have one destination: nothing to copy
            return [batch if p == destinations[0] else None for p in range(partitions)]
        with nogil:
            _sort(destinations, rows, partitions, ends, order)
        permuted = _permute(batch, order_buffer, order)
        pieces = []
        for p in range(partitions):
            pieces.append(permuted.slice(start, ends[p] - start) if ends[p] > start else None)
            start = ends[p]
        return pieces
    finally:
        free(ends)


cdef int64_t _count(const uint16_t* destinations, int64_t rows, int partitions, int64_t* counts) noexcept nogil:
    """Count the rows of each destination; returns the first row whose destination does not exist, or -1."""
    cdef int64_t i
    for i in range(rows):
        if destinations[i] >= partitions:
            return i
        counts[destinations[i]] += 1
    return -1


cdef void _sort(
    const uint16_t* destinations, int64_t rows, int partitions, int64_t* counts, uint32_t* order
) noexcept nogil:
    """Row ids by destination, each in the order of the batch; turns counts into the partitions' ends."""
    cdef int64_t i, count, start = 0
    for i in range(partitions):
        count = counts[i]
        counts[i] = start
        start += count
    for i in range(rows):
        order[counts[destinations[i]]] = <uint32_t> i
        counts[destinations[i]] += 1


cdef object _permute(object batch, object order_buffer, const uint32_t* order):
    """The rows of ``batch`` in ``order``."""
    cdef int64_t rows = batch.num_rows
    cdef int n = batch.num_columns, i
    cdef const ArrowSchema* schema
    cdef const ArrowArray* array
    cdef Move* moves
    capsules = batch.__arrow_c_array__()
    schema = schema_of(capsules[0])
    array = array_of(capsules[1])
    moves = <Move*> calloc(n + 1, sizeof(Move))
    if moves == NULL:
        raise MemoryError
    try:
        made = [_plan(schema.children[i].format, array.children[i], rows, &moves[i]) for i in range(n)]
        with nogil:
            for i in range(n):
                _move(&moves[i], order, rows)
        columns = [
            _finish(batch.column(i), schema.children[i], &moves[i], made[i], order_buffer) for i in range(n)
        ]
    finally:
        free(moves)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


cdef list _plan(const char* format, const ArrowArray* array, int64_t rows, Move* move):
    """Plan the move of a column and allocate its target: validity (None without nulls), offsets, values."""
    cdef int64_t nbytes = 0
    made = []
    move.layout = _layout(format, &move.width)
    move.offset = array.offset
    move.valid = rows
    if move.layout == OTHER or move.layout == NULLS:
        return made
    move.validity = validity_of(array)
    if move.validity == NULL:
        made.append(None)
    else:
        made.append(pa.allocate_buffer((rows + 7) // 8))
        move.to_validity = <uint8_t*> <uintptr_t> made[0].address
    if move.layout == BITS:
        nbytes = (rows + 7) // 8
    elif move.layout == FIXED:
        nbytes = rows * move.width
    elif move.layout == OFFSETS_32:
        nbytes = _extent(<const int32_t*> array.buffers[1] + array.offset, rows)
    else:
        nbytes = _extent(<const int64_t*> array.buffers[1] + array.offset, rows)
    if move.layout == OFFSETS_32 or move.layout == OFFSETS_64:
        move.offsets = array.buffers[1]
        made.append(pa.allocate_buffer((rows + 1) * (4 if move.layout == OFFSETS_32 else 8)))
        move.to_offsets = <void*> <uintptr_t> made[1].address
        move.values = <const uint8_t*> array.buffers[2]
        nbytes += SLACK
    else:
        move.values = <const uint8_t*> array.buffers[1]
    values = pa.allocate_buffer(nbytes)
    made.append(values)
    move.to_values = <uint8_t*> <uintptr_t> values.address
    return made


cdef int64_t _extent(const position* offsets, int64_t rows):
    return offsets[rows] - offsets[0]


cdef Layout _layout(const char* format, int64_t* width) noexcept nogil:
    """Parse a format string of the C data interface; ``width`` is set in bytes for FIXED."""
    cdef char first = format[0], unit
    cdef const char* comma
    if first == b"n":
        return NULLS
    if first == b"b":
        return BITS
    if first == b"u" or first == b"z":
        return OFFSETS_32
    if first == b"U" or first == b"Z":
        return OFFSETS_64
    if first == b"c" or first == b"C":
        width[0] = 1
    elif first == b"s" or first == b"S" or first == b"e":
        width[0] = 2
    elif first == b"i" or first == b"I" or first == b"f":
        width[0] = 4
    elif first == b"l" or first == b"L" or first == b"g":
        width[0] = 8
    elif first == b"v":
        width[0] = 16
    elif first == b"w":
        width[0] = strtol(format + 2, NULL, 10)
    elif first == b"d":  # d:precision,scale[,bits]
        comma = strchr(strchr(format, b",") + 1, b",")
        width[0] = 16 if comma == NULL else strtol(comma + 1, NULL, 10) // 8
    elif first == b"t":  # kind, unit
        unit = format[2]
        width[0] = 8
        if format[1] == b"d" and unit == b"D" or format[1] == b"t" and (unit == b"s" or unit == b"m"):
            width[0] = 4
        elif format[1] == b"i" and unit != b"D":
            width[0] = 4 if unit == b"M" else 16
    else:
        return OTHER
    return FIXED


cdef object _finish(object column, const ArrowSchema* schema, const Move* move, list made, object order_buffer):
    """The permuted column as a pyarrow array."""
    cdef int64_t rows = len(column)
    if move.layout == NULLS:
        return column
    if move.layout == OTHER:
        return column.take(pa.Array.from_buffers(pa.uint32(), rows, [None, order_buffer]))
    if schema.dictionary != NULL:
        indices = pa.Array.from_buffers(column.type.index_type, rows, made, rows - move.valid)
        return pa.DictionaryArray.from_arrays(indices, column.dictionary, ordered=column.type.ordered, safe=False)
    if schema.format[0] == b"v":
        made = made + column.buffers()[2:]
    return pa.Array.from_buffers(column.type, rows, made, rows - move.valid)


cdef void _move(Move* move, const uint32_t* order, int64_t rows) noexcept nogil:
    if move.layout == OTHER or move.layout == NULLS:
        return
    if move.validity != NULL:
        move.valid = _gather_bits(move.validity, move.offset, order, rows, move.to_validity)
    if move.layout == BITS:
        _gather_bits(move.values, move.offset, order, rows, move.to_values)
    elif move.layout == OFFSETS_32:
        _gather_bytes(
            <const int32_t*> move.offsets + move.offset, move.values, order, rows, <int32_t*> move.to_offsets, move.to_values
        )
    elif move.layout == OFFSETS_64:
        _gather_bytes(
            <const int64_t*> move.offsets + move.offset, move.values, order, rows, <int64_t*> move.to_offsets, move.to_values
        )
    elif move.width == 1:
        _gather(<const uint8_t*> move.values + move.offset, order, rows, <uint8_t*> move.to_values)
    elif move.width == 2:
        _gather(<const uint16_t*> move.values + move.offset, order, rows, <uint16_t*> move.to_values)
    elif move.width == 4:
        _gather(<const uint32_t*> move.values + move.offset, order, rows, <uint32_t*> move.to_values)
    elif move.width == 8:
        _gather(<const uint64_t*> move.values + move.offset, order, rows, <uint64_t*> move.to_values)
    elif move.width == 16:
        _gather(<const Wide*> move.values + move.offset, order, rows, <Wide*> move.to_values)
    else:
        _gather_fixed(move.values + move.offset * move.width, move.width, order, rows, move.to_values)


cdef void _gather(const value* source, const uint32_t* order, int64_t rows, value* out) noexcept nogil:
    cdef int64_t i
    for i in range(rows):
        out[i] = source[order[i]]


cdef void _gather_fixed(
    const uint8_t* source, int64_t width, const uint32_t* order, int64_t rows, uint8_t* out
) noexcept nogil:
    cdef int64_t i
    for i in range(rows):
        memcpy(out + i * width, source + order[i] * width, width)


cdef int64_t _gather_bits(
    const uint8_t* bits, int64_t offset, const uint32_t* order, int64_t rows, uint8_t* out
) noexcept nogil:
    """Returns the number of set bits."""
    cdef int64_t i, count = 0
    cdef uint8_t bit
    memset(out, 0, (rows + 7) // 8)
    for i in range(rows):
        bit = is_set(bits, offset + order[i])
        out[i >> 3] |= bit << (i & 7)
        count += bit
    return count


cdef void _gather_bytes(
    const position* offsets,
    const uint8_t* data,
    const uint32_t* order,
    int64_t rows,
    position* to_offsets,
    uint8_t* out,
) noexcept nogil:
    """Short values are copied as 16 bytes where that stays inside the source; the next value overwrites the rest."""
    cdef position begin, length, end = offsets[rows], at = 0
    cdef int64_t i
    for i in range(rows):
        begin = offsets[order[i]]
        length = offsets[order[i] + 1] - begin
        to_offsets[i] = at
        if length <= 16 and begin + 16 <= end:
            memcpy(out + at, data + begin, 16)
        else:
            memcpy(out + at, data + begin, length)
        at += length
    to_offsets[rows] = at
