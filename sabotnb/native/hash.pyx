"""Hashes of rows, which shuffle and keyed state share. The definition is in ``_hash.pxd``."""

from libc.stdint cimport (
    int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t,
)
from libc.stdlib cimport free, malloc, strtol
from libc.string cimport memcpy, strchr

from sabotnb.native._arrow cimport ArrowArray, ArrowSchema, array_of, is_set, is_valid, schema_of, validity_of
from sabotnb.native._hash cimport (
    HASH_NULL, HASH_VERSION as VERSION, combine, hash_bytes, hash_decimal, hash_double, hash_int, hash_micros, hash_nanos,
)

import pyarrow as pa

from sabotnb.errors import TypeMismatch

HASH_VERSION = VERSION

ctypedef fused integer:
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    uint32_t
    int64_t
    uint64_t

ctypedef fused ticks:
    int32_t
    int64_t

ctypedef fused real:
    float
    double


def hash_rows(columns):
    cdef int64_t rows
    cdef uint64_t* out
    cdef uint64_t* scratch = NULL
    cdef const ArrowSchema* schema
    cdef const ArrowArray* array
    cdef int status
    cdef bint first = True
    if not columns:
        raise ValueError("hash_rows needs at least one column")
    rows = len(columns[0])
    buffer = pa.allocate_buffer(8 * rows)
    out = <uint64_t*> <uintptr_t> buffer.address
    try:
        for column in columns:
            if len(column) != rows:
                raise ValueError(f"columns of {rows} and {len(column)} rows")
            capsules = _export(column)
            schema = schema_of(capsules[0])
            array = array_of(capsules[1])
            if not first and scratch == NULL:
                scratch = <uint64_t*> malloc(8 * rows + 1)
                if scratch == NULL:
                    raise MemoryError
            with nogil:
                status = _hash_column(schema, array, out if first else scratch)
                if not first:
                    _combine(scratch, rows, out)
            if status == UNSUPPORTED:
                raise TypeMismatch(f"a column of type {column.type} cannot be a key; convert it to plain values")
            if status == NO_MEMORY:
                raise MemoryError
            first = False
    finally:
        free(scratch)
    return pa.Array.from_buffers(pa.uint64(), rows, [None, buffer])


def key_groups(hashes, int groups):
    cdef int64_t rows = len(hashes)
    cdef const ArrowArray* array
    cdef const uint64_t* source
    cdef uint16_t* out
    cdef int64_t i
    if hashes.type != pa.uint64() or hashes.null_count:
        raise TypeMismatch(f"key_groups takes uint64 hashes without nulls, not {hashes.type}")
    if not 0 < groups <= 65536:
        raise ValueError(f"{groups} key groups; the range is 1 to 65536")
    capsules = hashes.__arrow_c_array__()
    array = array_of(capsules[1])
    buffer = pa.allocate_buffer(2 * rows)
    out = <uint16_t*> <uintptr_t> buffer.address
    with nogil:
        source = <const uint64_t*> array.buffers[1] + array.offset
        for i in range(rows):
            out[i] = <uint16_t> (((source[i] >> 32) * <uint64_t> groups) >> 32)
    return pa.Array.from_buffers(pa.uint16(), rows, [None, buffer])


def _export(column):
    if not isinstance(column, pa.Array):
        raise TypeMismatch(f"hash_rows takes arrays, not {type(column).__name__}; call combine_chunks() first")
    if isinstance(column, pa.DictionaryArray) and len(column.dictionary) > len(column):
        column = _decode(column)  # few rows of a large dictionary: hash the rows
    return column.__arrow_c_array__()


def _decode(column):
    if pa.types.is_string_view(column.type.value_type) or pa.types.is_binary_view(column.type.value_type):
        return column  # pyarrow cannot decode these
    return column.dictionary_decode()


cdef enum:
    DONE = 0
    UNSUPPORTED = 1
    NO_MEMORY = 2


cdef void _combine(const uint64_t* values, int64_t rows, uint64_t* out) noexcept nogil:
    cdef int64_t i
    for i in range(rows):
        out[i] = combine(out[i], values[i])


cdef int _hash_column(const ArrowSchema* schema, const ArrowArray* array, uint64_t* out) noexcept nogil:
    """Hash every value of ``array`` into ``out``."""
    cdef const uint8_t* validity
    cdef int status
    cdef int64_t i
    if schema.format[0] == b"n":
        for i in range(array.length):
            out[i] = HASH_NULL
        return DONE
    validity = validity_of(array)
    if schema.dictionary != NULL:
        return _hash_dictionary(schema, array, validity, out)
    status = _hash_plain(schema.format, array, validity, out)
    if status == DONE and validity != NULL:
        for i in range(array.length):
            out[i] = out[i] if is_set(validity, array.offset + i) else HASH_NULL
    return status


cdef int _hash_plain(const char* format, const ArrowArray* array, const uint8_t* validity, uint64_t* out) noexcept nogil:
    """Hash values as if none were null; reads the values of null slots only where that is safe."""
    cdef char first = format[0]
    if first == b"b":
        _hash_bools(array, out)
    elif first == b"c":
        _hash_ints(<const int8_t*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"C":
        _hash_ints(<const uint8_t*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"s":
        _hash_ints(<const int16_t*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"S":
        _hash_ints(<const uint16_t*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"i":
        _hash_ints(<const int32_t*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"I":
        _hash_ints(<const uint32_t*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"l":
        _hash_ints(<const int64_t*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"L":
        _hash_ints(<const uint64_t*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"e":
        _hash_halves(<const uint16_t*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"f":
        _hash_reals(<const float*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"g":
        _hash_reals(<const double*> array.buffers[1] + array.offset, array.length, out)
    elif first == b"u" or first == b"z":
        _hash_strings(<const int32_t*> array.buffers[1] + array.offset, array, out)
    elif first == b"U" or first == b"Z":
        _hash_strings(<const int64_t*> array.buffers[1] + array.offset, array, out)
    elif first == b"v" and (format[1] == b"u" or format[1] == b"z"):
        _hash_views(array, validity, out)
    elif first == b"w":
        _hash_fixed(strtol(format + 2, NULL, 10), array, out)
    elif first == b"d":
        return _hash_decimals(format, array, out)
    elif first == b"t":
        return _hash_times(format, array, out)
    else:
        return UNSUPPORTED
    return DONE


cdef int _hash_times(const char* format, const ArrowArray* array, uint64_t* out) noexcept nogil:
    """Dates (``td``), times of day (``tt``), timestamps (``ts``) and durations (``tD``), each with its unit."""
    cdef char kind = format[1], unit = format[2]
    cdef bint narrow = (kind == b"d" and unit == b"D") or (kind == b"t" and (unit == b"s" or unit == b"m"))
    cdef int64_t factor
    if kind == b"i":  # intervals of months and days have no length
        return UNSUPPORTED
    if unit == b"n":
        _hash_all_nanos(<const int64_t*> array.buffers[1] + array.offset, array.length, out)
        return DONE
    if unit == b"D":
        factor = <int64_t> 86400 * 1000000
    elif unit == b"s":
        factor = 1000000
    elif unit == b"m":
        factor = 1000
    else:
        factor = 1
    if narrow:
        _hash_ticks(<const int32_t*> array.buffers[1] + array.offset, array.length, factor, out)
    else:
        _hash_ticks(<const int64_t*> array.buffers[1] + array.offset, array.length, factor, out)
    return DONE


cdef int _hash_decimals(const char* format, const ArrowArray* array, uint64_t* out) noexcept nogil:
    """``d:precision,scale`` with an optional ``,bits``; narrow ones are sign-extended."""
    cdef const char* comma = strchr(format, b",")
    cdef int scale = <int> strtol(comma + 1, NULL, 10)
    cdef const char* second = strchr(comma + 1, b",")
    cdef int width = 16 if second == NULL else <int> strtol(second + 1, NULL, 10) // 8
    cdef const uint8_t* values = <const uint8_t*> array.buffers[1] + array.offset * width
    cdef uint64_t limbs[4]
    cdef int32_t narrow
    cdef int64_t i
    for i in range(array.length):
        if width == 4:
            memcpy(&narrow, values, 4)
            limbs[0] = <uint64_t> <int64_t> narrow
        else:
            memcpy(limbs, values, width)
        out[i] = hash_decimal(limbs, 1 if width <= 8 else width // 8, scale)
        values += width
    return DONE


cdef int _hash_dictionary(
    const ArrowSchema* schema, const ArrowArray* array, const uint8_t* validity, uint64_t* out
) noexcept nogil:
    """Hash each distinct value once, then look the indices up."""
    cdef uint64_t* table = <uint64_t*> malloc(8 * array.dictionary.length + 1)
    cdef int status
    cdef char index = schema.format[0]
    if table == NULL:
        return NO_MEMORY
    status = _hash_column(schema.dictionary, array.dictionary, table)
    if status == DONE:
        if index == b"c":
            _look_up(<const int8_t*> array.buffers[1], array, validity, table, out)
        elif index == b"C":
            _look_up(<const uint8_t*> array.buffers[1], array, validity, table, out)
        elif index == b"s":
            _look_up(<const int16_t*> array.buffers[1], array, validity, table, out)
        elif index == b"S":
            _look_up(<const uint16_t*> array.buffers[1], array, validity, table, out)
        elif index == b"i":
            _look_up(<const int32_t*> array.buffers[1], array, validity, table, out)
        elif index == b"I":
            _look_up(<const uint32_t*> array.buffers[1], array, validity, table, out)
        elif index == b"l":
            _look_up(<const int64_t*> array.buffers[1], array, validity, table, out)
        else:
            _look_up(<const uint64_t*> array.buffers[1], array, validity, table, out)
    free(table)
    return status


cdef void _look_up(
    const integer* indices, const ArrowArray* array, const uint8_t* validity, const uint64_t* table, uint64_t* out
) noexcept nogil:
    cdef int64_t i
    indices += array.offset
    if validity == NULL:
        for i in range(array.length):
            out[i] = table[<int64_t> indices[i]]
    else:
        for i in range(array.length):
            out[i] = table[<int64_t> indices[i]] if is_set(validity, array.offset + i) else HASH_NULL


cdef void _hash_bools(const ArrowArray* array, uint64_t* out) noexcept nogil:
    cdef const uint8_t* bits = <const uint8_t*> array.buffers[1]
    cdef int64_t i
    for i in range(array.length):
        out[i] = hash_int(is_set(bits, array.offset + i))


cdef void _hash_ints(const integer* values, int64_t rows, uint64_t* out) noexcept nogil:
    cdef int64_t i
    for i in range(rows):
        out[i] = hash_int(<int64_t> values[i])


cdef void _hash_reals(const real* values, int64_t rows, uint64_t* out) noexcept nogil:
    cdef int64_t i
    for i in range(rows):
        out[i] = hash_double(<double> values[i])


cdef void _hash_halves(const uint16_t* values, int64_t rows, uint64_t* out) noexcept nogil:
    cdef int64_t i
    for i in range(rows):
        out[i] = hash_double(_half(values[i]))


cdef double _half(uint16_t bits) noexcept nogil:
    """Decode an IEEE 754 half: 1 sign, 5 exponent, 10 mantissa bits."""
    cdef uint64_t exponent = (bits >> 10) & 31
    cdef uint64_t mantissa = bits & 1023
    cdef uint64_t wide = <uint64_t> (bits >> 15) << 63
    cdef double value
    if exponent == 0:
        value = <double> mantissa * 2.0 ** -24
        return -value if bits >> 15 else value
    wide |= <uint64_t> (2047 if exponent == 31 else exponent + 1008) << 52 | mantissa << 42
    memcpy(&value, &wide, 8)
    return value


cdef void _hash_ticks(const ticks* values, int64_t rows, int64_t factor, uint64_t* out) noexcept nogil:
    cdef int64_t i
    for i in range(rows):
        out[i] = hash_micros(<int64_t> values[i] * factor)


cdef void _hash_all_nanos(const int64_t* values, int64_t rows, uint64_t* out) noexcept nogil:
    cdef int64_t i
    for i in range(rows):
        out[i] = hash_nanos(values[i])


cdef void _hash_strings(const ticks* offsets, const ArrowArray* array, uint64_t* out) noexcept nogil:
    cdef const uint8_t* data = <const uint8_t*> array.buffers[2]
    cdef int64_t i
    for i in range(array.length):
        out[i] = hash_bytes(data + offsets[i], offsets[i + 1] - offsets[i])


cdef void _hash_fixed(int64_t width, const ArrowArray* array, uint64_t* out) noexcept nogil:
    cdef const uint8_t* data = <const uint8_t*> array.buffers[1] + array.offset * width
    cdef int64_t i
    for i in range(array.length):
        out[i] = hash_bytes(data + i * width, width)


cdef void _hash_views(const ArrowArray* array, const uint8_t* validity, uint64_t* out) noexcept nogil:
    """Hash views: each is a length, then 12 bytes inline; or 4 bytes of prefix, a buffer's number and an offset."""
    cdef const uint8_t* view = <const uint8_t*> array.buffers[1] + array.offset * 16
    cdef const uint8_t* data
    cdef int32_t head[4]
    cdef int64_t i
    for i in range(array.length):
        if is_valid(validity, array.offset + i):
            memcpy(head, view, 16)
            if head[0] <= 12:
                data = view + 4
            else:
                data = <const uint8_t*> array.buffers[2 + head[2]] + head[3]
            out[i] = hash_bytes(data, head[0])
        view += 16
