"""The hash of key values, version 1: 64 bits, the same in every process, on every OS and in every release.

Key groups and checkpoints depend on it, so it never changes without a new ``HASH_VERSION``; golden vectors in the
tests check that. Equal values have equal hashes, however their Arrow type stores them:

- integers of any width and bool by their value as int64 (uint64 above 2**63 by its bits);
- floats by their value as double; every NaN is one value, -0.0 is 0.0. Integers and floats always hash differently;
- dates, timestamps, times and durations by microseconds, then by the remaining nanoseconds, if any: the same
  instant agrees in all units and zones (seconds and days beyond int64 microseconds wrap);
- strings and binaries of every layout by their bytes; dictionaries by the value that an index stands for;
- decimals by their number, not their scale: 1.0 is 1.00;
- null is one value for all types.

A row of several keys folds the hashes of its columns in order. Bits 32..63 choose the key group
(``((hash >> 32) * groups) >> 32``), the low bits the slot of a hash table.

``mix64`` is the finalizer "Mix13" of D. Stafford (also in Steele, Lea, Flood: "Fast splittable pseudorandom number
generators", 2014), a bijection; ``fold`` is the 64 x 64 -> 128 bit multiplication with its halves xored, as wyhash uses.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #ifndef SABOTNB_HASH
    #define SABOTNB_HASH
    #include <stdint.h>
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "sabotnb hashes bytes in little-endian order only"
    #endif
    #define SABOTNB_HASH_VERSION 1
    /* Seeds: fractional parts of the square roots of 2, 3, 5, 7, 11, 13, 17 in 64 bits, made odd. */
    #define SABOTNB_SEED_INT   0x6a09e667f3bcc909ULL
    #define SABOTNB_SEED_FLOAT 0xbb67ae8584caa73bULL
    #define SABOTNB_SEED_TIME  0x3c6ef372fe94f82bULL
    #define SABOTNB_SEED_BYTES 0xa54ff53a5f1d36f1ULL
    #define SABOTNB_SEED_DECIMAL 0x510e527fade682d1ULL
    #define SABOTNB_SEED_LEFT  0x9b05688c2b3e6c1fULL
    #define SABOTNB_SEED_RIGHT 0x1f83d9abfb41bd6bULL
    #define SABOTNB_HASH_NULL  0x5be0cd19137e2179ULL

    static inline uint64_t sabotnb_fold(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128) a * b;
        return (uint64_t) product ^ (uint64_t) (product >> 64);
    }
    #endif
    """
    int HASH_VERSION "SABOTNB_HASH_VERSION"
    const uint64_t SEED_INT "SABOTNB_SEED_INT"
    const uint64_t SEED_FLOAT "SABOTNB_SEED_FLOAT"
    const uint64_t SEED_TIME "SABOTNB_SEED_TIME"
    const uint64_t SEED_BYTES "SABOTNB_SEED_BYTES"
    const uint64_t SEED_DECIMAL "SABOTNB_SEED_DECIMAL"
    const uint64_t SEED_LEFT "SABOTNB_SEED_LEFT"
    const uint64_t SEED_RIGHT "SABOTNB_SEED_RIGHT"
    const uint64_t HASH_NULL "SABOTNB_HASH_NULL"
    uint64_t fold "sabotnb_fold"(uint64_t a, uint64_t b) noexcept nogil


cdef inline uint64_t mix64(uint64_t x) noexcept nogil:
    """A bijection in which every input bit reaches every output bit."""
    x = (x ^ (x >> 30)) * <uint64_t> 0xbf58476d1ce4e5b9
    x = (x ^ (x >> 27)) * <uint64_t> 0x94d049bb133111eb
    return x ^ (x >> 31)


cdef inline uint64_t combine(uint64_t row, uint64_t value) noexcept nogil:
    """Combine the hash of a row so far with the hash of its next key column."""
    return mix64(((row << 23) | (row >> 41)) + value)


cdef inline uint64_t hash_int(int64_t value) noexcept nogil:
    return mix64(<uint64_t> value + SEED_INT)


cdef inline uint64_t hash_double(double value) noexcept nogil:
    cdef uint64_t bits
    value = value + 0.0  # -0.0 + 0.0 is 0.0
    memcpy(&bits, &value, 8)
    if value != value:
        bits = <uint64_t> 0x7ff8000000000000
    return mix64(bits + SEED_FLOAT)


cdef inline uint64_t hash_micros(int64_t us) noexcept nogil:
    return mix64(<uint64_t> us + SEED_TIME)


cdef inline uint64_t hash_nanos(int64_t ns) noexcept nogil:
    cdef int64_t us = ns // 1000
    cdef int64_t rest = ns - us * 1000
    if rest < 0:  # C division rounds towards zero
        us -= 1
        rest += 1000
    return hash_micros(us) if rest == 0 else combine(hash_micros(us), <uint64_t> rest)


cdef inline uint64_t load64(const uint8_t* p) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, p, 8)
    return word


cdef inline uint64_t load32(const uint8_t* p) noexcept nogil:
    cdef uint32_t word
    memcpy(&word, p, 4)
    return word


cdef inline uint64_t hash_bytes(const uint8_t* p, int64_t length) noexcept nogil:
    """The hash of ``length`` bytes; reads no byte beyond them."""
    cdef uint64_t a = 0, b = 0, h = SEED_BYTES
    cdef const uint8_t* end = p + length
    if length > 16:
        while end - p > 16:
            h = fold(load64(p) ^ SEED_LEFT, load64(p + 8) ^ h)
            p += 16
        a = load64(end - 16)
        b = load64(end - 8)
    elif length >= 8:
        a = load64(p)
        b = load64(end - 8)
    elif length >= 4:
        a = load32(p)
        b = load32(end - 4)
    elif length > 0:
        a = (<uint64_t> p[0] << 16) | (<uint64_t> p[length >> 1] << 8) | p[length - 1]
    return fold(fold(a ^ SEED_LEFT, b ^ h) ^ SEED_RIGHT, <uint64_t> length + SEED_DECIMAL)


cdef inline uint64_t hash_decimal(const uint64_t* limbs, int count, int scale) noexcept nogil:
    """The hash of the two's complement number of ``count`` <= 4 little-endian limbs, times 10 ** -scale."""
    cdef uint64_t magnitude[4]
    cdef uint64_t quotient[4]
    cdef uint64_t carry, digit, h
    cdef bint negative = <int64_t> limbs[count - 1] < 0
    cdef int i, top = 0
    carry = 1 if negative else 0
    for i in range(4):
        magnitude[i] = 0
        if i < count:
            magnitude[i] = (~limbs[i] if negative else limbs[i]) + carry
            carry = 1 if carry and magnitude[i] == 0 else 0
            if magnitude[i]:
                top = i + 1
    if top == 0:
        return mix64(SEED_DECIMAL)
    while True:  # 100 with scale 2 is 1 with scale 0
        digit = tenth(magnitude, quotient, top)
        if digit:
            break
        memcpy(magnitude, quotient, 32)
        scale -= 1
        while magnitude[top - 1] == 0:
            top -= 1
    h = mix64(SEED_DECIMAL + <uint64_t> (scale * 2 + negative))
    for i in range(top):
        h = combine(h, mix64(magnitude[i]))
    return h


cdef inline uint64_t tenth(const uint64_t* limbs, uint64_t* quotient, int count) noexcept nogil:
    """Divide ``limbs`` by 10 into ``quotient``; returns the remainder."""
    cdef uint64_t rest = 0, high, low
    cdef int i
    memcpy(quotient, limbs, 32)
    for i in range(count - 1, -1, -1):
        # Halves of 32 bits: the remainder is below 10, so nothing overflows.
        high = (rest << 32) | (limbs[i] >> 32)
        rest = high % 10
        low = (rest << 32) | <uint32_t> limbs[i]
        rest = low % 10
        quotient[i] = ((high // 10) << 32) | (low // 10)
    return rest
