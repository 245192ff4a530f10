"""Random draws that depend only on seed, event number and purpose, so that rows can be generated in any order."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Bits: TypeAlias = npt.NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = 2**64


def draw(numbers: Ints, seed: int, purpose: int) -> Bits:
    """Return 64 random bits for each number: that element of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    start = (seed * 0xD1342543DE82EF95 + purpose * 0x2545F4914F6CDD1D + 1) * _GOLDEN % _WORD
    bits = numbers.view(np.uint64) * np.uint64(_GOLDEN)
    bits += np.uint64(start)
    shifted = np.empty_like(bits)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        np.right_shift(bits, np.uint64(shift), out=shifted)
        bits ^= shifted
        bits *= np.uint64(factor)
    np.right_shift(bits, np.uint64(31), out=shifted)
    bits ^= shifted
    return bits


def low(bits: Bits, width: int) -> Bits:
    """Take the lowest ``width`` bits off ``bits`` (in place) and return them."""
    taken = bits & np.uint64((1 << width) - 1)
    bits >>= np.uint64(width)
    return taken


def below(bits: Bits, limit: int | Ints, width: int = 24) -> Ints:
    """Take ``width`` bits off ``bits`` and scale them to integers in [0, limit); ``limit`` is far below 2**width."""
    taken = low(bits, width).view(np.int64)
    taken *= limit
    taken >>= width
    return taken
