import numpy as np
import pyarrow as pa

from sabotnb.native.keyindex import Slots

class Rows:
    """One row of accumulators per slot, in one buffer per key group; new rows are all zero bytes. Not thread-safe."""

    groups: int
    width: int

    def __init__(self, width: int, groups: int = 1) -> None:
        """Rows of ``width`` bytes, a multiple of 8. Fields lie at offsets that are multiples of 8."""

    def reserve(self, sizes: np.ndarray) -> None:
        """Make room for that many rows per group (``KeyIndex.sizes()``); to be called before every update."""

    def buffer(self, group: int = 0) -> np.ndarray | None:
        """The rows of ``group`` as bytes, shape (room, width), not a copy; None if it never had any."""

    def detach(self, group: int) -> None:
        """Go on with a copy of ``group``: whoever holds its buffer keeps it as it is now."""

    def drop(self, group: int) -> None:
        """Give up the buffer of ``group``."""

    def clear(self, sizes: np.ndarray) -> None:
        """Set the first ``sizes[group]`` rows of each group to zero again."""

    def nbytes(self, group: int = 0) -> int:
        """Memory that ``group`` holds."""

# All kernels below update the field at byte ``offset`` of the row of each slot; arrays have one value per slot, nulls
# are skipped. The GIL is released.

def count_rows(rows: Rows, offset: int, slots: Slots) -> None:
    """int64 += 1 for every row."""

def count_valid(rows: Rows, offset: int, slots: Slots, array: pa.Array) -> None:
    """int64 += 1 for every value that is not null; any type."""

def add(rows: Rows, offset: int, slots: Slots, array: pa.Array) -> None:
    """int64 or double (as ``array`` is) += value; int64 wraps around."""

def sum_values(rows: Rows, offset: int, slots: Slots, array: pa.Array) -> None:
    """Sum of int64, uint64 or decimal128 in 16 bytes, of double in 8; behind it a byte that is 1 once a value came.

    Raises:
        OverflowError: the sum does not fit 128 bits.
        TypeMismatch: any other type.
    """

def extreme(rows: Rows, offset: int, slots: Slots, array: pa.Array, largest: bool) -> None:
    """Smallest or largest value of int64, uint64, double or decimal128, and a byte that is 1 once a value came.

    The value has 8 bytes, a decimal128 16. NaN is above all other values.

    Raises:
        TypeMismatch: any other type.
    """

def variance(rows: Rows, offset: int, slots: Slots, array: pa.Array) -> None:
    """Count (int64), mean and sum of squared distances from it (doubles) of a double array.

    B. P. Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics 4 (1962).
    """

def merge_variance(rows: Rows, offset: int, slots: Slots, count: pa.Array, mean: pa.Array, m2: pa.Array) -> None:
    """Merge what ``variance`` keeps, from three arrays without nulls.

    T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979), section 2.
    """

def ordered(rows: Rows, offset: int, slots: Slots, array: pa.Array, order: pa.Array, last: bool) -> None:
    """The value with the smallest (``last``: largest) order; of equal orders the smallest value, null after all.

    Keeps the order (int64), the value (int64, uint64 or double) and a byte: 0 nothing, 1 a value, 2 null. Rows whose
    ``order`` (int64) is null are skipped.
    """
