"""Checks of Parquet footers, which are Thrift structs in the compact protocol.

pyarrow returns the metadata of a column chunk through calls that let no C++ exception pass: where the metadata
contradicts the schema, the whole process ends. Everything that those calls read is therefore checked here first.

Field numbers are those of parquet.thrift in the Apache Parquet format.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp

cdef enum:
    MAX_DEPTH = 64

cdef enum Kind:  # of values in the compact protocol
    STOP = 0
    TRUE = 1
    FALSE = 2
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    MAP = 11
    STRUCT = 12
    UUID = 13

cdef enum Physical:
    BOOLEAN_VALUE = 0
    INT32_VALUE = 1
    INT64_VALUE = 2
    INT96_VALUE = 3
    FLOAT_VALUE = 4
    DOUBLE_VALUE = 5
    BYTE_ARRAY = 6
    FIXED_BYTES = 7

cdef enum Fault:
    NONE
    BROKEN
    TOO_DEEP
    ENCRYPTED
    COLUMNS
    NAME
    TYPE
    STATISTICS
    LEVELS
    NO_MEMORY

ENCRYPTED_FILE = "it is encrypted, and no key can be given for it here"

_FAULTS = {
    BROKEN: "its footer is damaged",
    TOO_DEEP: "its schema is nested too deep",
    ENCRYPTED: ENCRYPTED_FILE,
    COLUMNS: "a row group has other columns than the schema",
    NAME: "a column chunk has another name than its column",
    TYPE: "a column chunk is of another type than its column",
    STATISTICS: "the statistics of a column are not values of its type",
    LEVELS: "the size statistics of a column are not those of its levels",
    NO_MEMORY: "there is no memory for its schema",
}

cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end
    Fault fault

cdef struct Field:
    int kind
    int64_t id

cdef struct Name:
    const uint8_t* text
    uint64_t length
    int64_t parent  # index of the enclosing element

cdef struct Leaf:
    int64_t element
    int64_t physical
    int64_t width
    int repetition
    int definition

cdef struct Schema:
    Name* names
    Leaf* leaves
    uint64_t count  # number of leaves


def footer_fault(bytes footer not None):
    """Return why pyarrow cannot read the metadata of every column chunk in ``footer``; None if it can."""
    cdef const uint8_t* data = footer
    cdef Cursor cursor = Cursor(data, data + len(footer), NONE)
    cdef Schema schema = Schema(NULL, NULL, 0)
    try:
        _file(&cursor, &schema)
    finally:
        free(schema.leaves)
        free(schema.names)
    return _FAULTS.get(cursor.fault)


cdef void _file(Cursor* cursor, Schema* schema) noexcept:
    cdef Field field = Field(0, 0)
    cdef uint64_t count
    while _next(cursor, &field):
        if field.id == 2 and field.kind == LIST and schema.leaves is NULL:
            _schema(cursor, schema)
        elif field.id == 4 and field.kind == LIST and schema.leaves is not NULL:
            count = _length(cursor, STRUCT)
            while count and not cursor.fault:
                _row_group(cursor, schema)
                count -= 1
        elif field.id == 8 and field.kind == STRUCT:
            cursor.fault = ENCRYPTED
        elif field.id in (2, 4):  # not of its type, repeated, or row groups before the schema that they belong to
            cursor.fault = BROKEN
        else:
            _skip(cursor, field.kind, 0)
    if not cursor.fault and schema.leaves is NULL:
        cursor.fault = BROKEN


cdef void _schema(Cursor* cursor, Schema* schema) noexcept:
    """Read the leaves of the schema, which is stored as a tree in preorder."""
    cdef uint64_t count = _length(cursor, STRUCT)
    cdef int64_t element = 0
    cdef int64_t open_children[MAX_DEPTH]
    cdef Leaf above[MAX_DEPTH]
    cdef int depth = 0
    cdef int64_t children
    cdef Leaf leaf
    if cursor.fault or count == 0:
        cursor.fault = BROKEN
        return
    schema.leaves = <Leaf*> malloc(count * sizeof(Leaf))
    schema.names = <Name*> malloc(count * sizeof(Name))
    if schema.leaves is NULL or schema.names is NULL:
        cursor.fault = NO_MEMORY
        return
    _element(cursor, &schema.names[0], &leaf, &children)
    if children < 0:
        cursor.fault = BROKEN
    above[0] = Leaf(0, -1, 0, 0, 0)
    open_children[0] = children
    count -= 1
    while not cursor.fault and count:
        while depth and not open_children[depth]:
            depth -= 1
        if not open_children[depth]:
            cursor.fault = BROKEN
            return
        open_children[depth] -= 1
        element += 1
        _element(cursor, &schema.names[element], &leaf, &children)
        count -= 1
        schema.names[element].parent = above[depth].element
        leaf.element = element
        leaf.repetition += above[depth].repetition
        leaf.definition += above[depth].definition
        if children < 0 or children > <int64_t> count:
            cursor.fault = BROKEN
        elif leaf.physical >= 0 and children == 0:
            schema.leaves[schema.count] = leaf
            schema.count += 1
        elif depth + 1 == MAX_DEPTH:
            cursor.fault = TOO_DEEP
        else:
            depth += 1
            above[depth] = leaf
            open_children[depth] = children
    while depth and not open_children[depth]:
        depth -= 1
    if not cursor.fault and open_children[depth]:
        cursor.fault = BROKEN


cdef void _element(Cursor* cursor, Name* name, Leaf* leaf, int64_t* children) noexcept:
    """Read one element of the schema, and how many children follow it."""
    cdef Field field = Field(0, 0)
    cdef int64_t repeats = 0
    leaf[0] = Leaf(0, -1, 0, 0, 0)
    name[0] = Name(cursor.at, 0, 0)
    children[0] = 0
    while _next(cursor, &field):
        if field.id in (1, 2, 3, 5):
            if field.kind != I32:
                cursor.fault = BROKEN
            elif field.id == 1:
                leaf.physical = _number(cursor)
            elif field.id == 2:
                leaf.width = _number(cursor)
            elif field.id == 3:
                repeats = _number(cursor)
            else:
                children[0] = _number(cursor)
        elif field.id == 4 and field.kind == BINARY:
            _text(cursor, name)
        else:
            _skip(cursor, field.kind, 0)
    if not 0 <= repeats <= 2 or leaf.physical > FIXED_BYTES or leaf.width < 0:
        cursor.fault = BROKEN
    leaf.definition = repeats != 0  # required, optional, repeated
    leaf.repetition = repeats == 2


cdef void _row_group(Cursor* cursor, Schema* schema) noexcept:
    cdef Field field = Field(0, 0)
    cdef uint64_t count, column
    cdef bint has_columns = False
    while _next(cursor, &field):
        if field.id == 1:
            count = _length(cursor, STRUCT) if field.kind == LIST and not has_columns else schema.count + 1
            has_columns = True
            if not cursor.fault and count != schema.count:
                cursor.fault = COLUMNS
            for column in range(count):
                if cursor.fault:
                    return
                _chunk(cursor, schema.names, &schema.leaves[column])
        else:
            _skip(cursor, field.kind, 0)
    if not cursor.fault and not has_columns:
        cursor.fault = COLUMNS


cdef void _chunk(Cursor* cursor, Name* names, Leaf* leaf) noexcept:
    cdef Field field = Field(0, 0)
    cdef bint described = False
    while _next(cursor, &field):
        if field.id == 3 and field.kind == STRUCT and not described:
            _column(cursor, names, leaf)
            described = True
        elif field.id in (8, 9):
            cursor.fault = ENCRYPTED
        elif field.id == 3:
            cursor.fault = BROKEN
        else:
            _skip(cursor, field.kind, 0)
    if not cursor.fault and not described:
        cursor.fault = BROKEN


cdef void _column(Cursor* cursor, Name* names, Leaf* leaf) noexcept:
    cdef Field field = Field(0, 0)
    cdef int64_t physical = -1
    while _next(cursor, &field):
        if field.id == 1 and field.kind == I32:
            physical = _number(cursor)
        elif field.id == 3 and field.kind == LIST:
            _path(cursor, names, leaf.element)
        elif field.id == 12 and field.kind == STRUCT:
            _statistics(cursor, leaf)
        elif field.id == 16 and field.kind == STRUCT:
            _sizes(cursor, leaf)
        elif field.id in (1, 3, 12, 16):
            cursor.fault = BROKEN
        else:
            _skip(cursor, field.kind, 0)
    if not cursor.fault and physical != leaf.physical:
        cursor.fault = TYPE


cdef void _path(Cursor* cursor, Name* names, int64_t element) noexcept:
    """The names on the path to a leaf, without the root of the schema."""
    cdef Name parts[MAX_DEPTH]
    cdef uint64_t count = _length(cursor, BINARY)
    cdef uint64_t part
    if count > MAX_DEPTH:
        cursor.fault = TOO_DEEP
    for part in range(count):
        if cursor.fault:
            return
        _text(cursor, &parts[part])
    while count and element and not cursor.fault:
        count -= 1
        if parts[count].length != names[element].length:
            cursor.fault = NAME
        elif memcmp(parts[count].text, names[element].text, parts[count].length):
            cursor.fault = NAME
        element = names[element].parent
    if not cursor.fault and (count or element):
        cursor.fault = NAME


cdef void _text(Cursor* cursor, Name* name) noexcept:
    name.length = _varint(cursor)
    name.text = cursor.at
    _forward(cursor, name.length)


cdef void _statistics(Cursor* cursor, Leaf* leaf) noexcept:
    cdef Field field = Field(0, 0)
    cdef int64_t width = _width(leaf)
    cdef uint64_t length
    while _next(cursor, &field):
        if field.id in (1, 2, 5, 6):  # the old and the new extremes
            length = _varint(cursor) if field.kind == BINARY else 0
            if not cursor.fault and (field.kind != BINARY or (width >= 0 and length != <uint64_t> width)):
                cursor.fault = STATISTICS
            _forward(cursor, length)
        else:
            _skip(cursor, field.kind, 0)


cdef void _sizes(Cursor* cursor, Leaf* leaf) noexcept:
    cdef Field field = Field(0, 0)
    cdef uint64_t count
    cdef int levels
    while _next(cursor, &field):
        if field.id in (2, 3):
            levels = (leaf.repetition if field.id == 2 else leaf.definition) + 1
            count = _length(cursor, I64) if field.kind == LIST else levels + 1
            if not cursor.fault and count and count != <uint64_t> levels:
                cursor.fault = LEVELS
            while count and not cursor.fault:
                _varint(cursor)
                count -= 1
        else:
            if field.id == 1 and leaf.physical != BYTE_ARRAY:
                cursor.fault = LEVELS
            _skip(cursor, field.kind, 0)


cdef int64_t _width(Leaf* leaf) noexcept:
    """The size of a value in bytes; -1 if sizes vary."""
    if leaf.physical == BOOLEAN_VALUE:
        return 1
    if leaf.physical == INT32_VALUE or leaf.physical == FLOAT_VALUE:
        return 4
    if leaf.physical == INT64_VALUE or leaf.physical == DOUBLE_VALUE:
        return 8
    if leaf.physical == INT96_VALUE:
        return 12
    return leaf.width if leaf.physical == FIXED_BYTES else -1


cdef bint _next(Cursor* cursor, Field* field) noexcept:
    """Read the head of the next field of a struct; false at its end."""
    cdef int head = _byte(cursor)
    if cursor.fault or head == STOP:
        return False
    field.kind = head & 15
    field.id = field.id + (head >> 4) if head >> 4 else _number(cursor)
    return not cursor.fault


cdef uint64_t _length(Cursor* cursor, int wanted) noexcept:
    """Read the head of a list of ``wanted``: the number of elements, each at least one byte long."""
    cdef int head = _byte(cursor)
    cdef uint64_t count = head >> 4
    if count == 15:
        count = _varint(cursor)
    if not cursor.fault and (count > <uint64_t> (cursor.end - cursor.at) or (count and (head & 15) != wanted)):
        cursor.fault = BROKEN
    return 0 if cursor.fault else count


cdef void _skip(Cursor* cursor, int kind, int depth) noexcept:
    cdef Field field = Field(0, 0)
    cdef uint64_t count
    cdef int kinds
    if depth == MAX_DEPTH:
        cursor.fault = TOO_DEEP
    if cursor.fault or kind == TRUE or kind == FALSE:
        return
    if kind == BYTE:
        _forward(cursor, 1)
    elif kind == I16 or kind == I32 or kind == I64:
        _varint(cursor)
    elif kind == DOUBLE:
        _forward(cursor, 8)
    elif kind == UUID:
        _forward(cursor, 16)
    elif kind == BINARY:
        count = _varint(cursor)
        _forward(cursor, count)
    elif kind == LIST or kind == SET:
        kinds = cursor.at[0] & 15 if cursor.at < cursor.end else 0
        count = _length(cursor, kinds)
        while count and not cursor.fault:
            _skip_element(cursor, kinds, depth + 1)
            count -= 1
    elif kind == MAP:
        count = _varint(cursor)
        kinds = _byte(cursor) if count else 0
        while count and not cursor.fault:
            _skip_element(cursor, kinds >> 4, depth + 1)
            _skip_element(cursor, kinds & 15, depth + 1)
            count -= 1
    elif kind == STRUCT:
        while _next(cursor, &field):
            _skip(cursor, field.kind, depth + 1)
    else:
        cursor.fault = BROKEN


cdef void _skip_element(Cursor* cursor, int kind, int depth) noexcept:
    """Skip an element of a container, in which a boolean takes a whole byte."""
    _skip(cursor, BYTE if kind == TRUE or kind == FALSE else kind, depth)


cdef int64_t _number(Cursor* cursor) noexcept:
    cdef uint64_t value = _varint(cursor)
    return <int64_t> (value >> 1) ^ -<int64_t> (value & 1)


cdef uint64_t _varint(Cursor* cursor) noexcept:
    cdef uint64_t value = 0
    cdef int shift = 0, part
    while shift < 64:
        part = _byte(cursor)
        value |= <uint64_t> (part & 127) << shift
        if part < 128:
            return value
        shift += 7
    cursor.fault = BROKEN
    return 0


cdef int _byte(Cursor* cursor) noexcept:
    if cursor.fault or cursor.at >= cursor.end:
        cursor.fault = cursor.fault or BROKEN
        return 0
    cursor.at += 1
    return (cursor.at - 1)[0]


cdef void _forward(Cursor* cursor, uint64_t count) noexcept:
    if not cursor.fault and count > <uint64_t> (cursor.end - cursor.at):
        cursor.fault = BROKEN
    if not cursor.fault:
        cursor.at += count
