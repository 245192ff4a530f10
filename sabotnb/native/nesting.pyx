"""Measures how deeply the brackets of JSON text are nested, without parsing it."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memchr

cdef enum:
    QUOTE = 34
    BACKSLASH = 92


def first_deeper(const uint8_t[::1] text not None, int limit):
    cdef int64_t found = -1
    if text.shape[0]:
        with nogil:
            found = scan(&text[0], text.shape[0], limit)
    return found


cdef int64_t scan(const uint8_t* text, int64_t length, int limit) noexcept nogil:
    cdef const uint8_t* at = text
    cdef const uint8_t* end = text + length
    cdef int depth = 0
    cdef uint8_t byte
    while at < end:
        byte = at[0]
        if byte == QUOTE:
            at = string_end(at + 1, end)
        elif byte >= 91:  # most bytes outside strings are smaller than brackets
            if byte == 123 or byte == 91:
                depth += 1
                if depth > limit:
                    return at - text
            elif byte == 125 or byte == 93:
                depth -= 1
        at += 1
    return -1


cdef inline const uint8_t* string_end(const uint8_t* begin, const uint8_t* end) noexcept nogil:
    """Find the quote that ends a string, which is not preceded by an odd number of backslashes."""
    cdef const uint8_t* quote = begin
    cdef const uint8_t* back
    while quote < end:
        quote = <const uint8_t*> memchr(quote, QUOTE, end - quote)
        if quote == NULL:
            return end
        back = quote
        while back > begin and back[-1] == BACKSLASH:
            back -= 1
        if (quote - back) % 2 == 0:
            return quote
        quote += 1
    return end
