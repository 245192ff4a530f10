"""Kernels that update accumulators in ``Rows``, a whole batch per call."""

import pyarrow as pa

from sabotnb.native.keyindex import Slots
from sabotnb.native.rows import Rows

# All kernels update the field at byte ``offset`` of the row of each slot. They write without a check, so call
# ``Rows.reserve`` for all slots before. Arrays have one value per slot, nulls are skipped. The GIL is released.

def count_rows(rows: Rows, offset: int, slots: Slots) -> None:
    """int64 += 1 for every row."""

def count_valid(rows: Rows, offset: int, slots: Slots, array: pa.Array) -> None:
    """int64 += 1 for every value that is not null; any type."""

def add(rows: Rows, offset: int, slots: Slots, array: pa.Array) -> None:
    """int64 or double (as ``array`` is) += value; int64 wraps around."""

def sum_values(rows: Rows, offset: int, slots: Slots, array: pa.Array) -> None:
    """Add up int64, uint64 or decimal128 in 16 bytes, double in 8; then a byte that is 1 after the first value.

    Raises:
        OverflowError: the sum does not fit 128 bits.
        TypeMismatch: any other type.
    """

def extreme(rows: Rows, offset: int, slots: Slots, array: pa.Array, largest: bool) -> None:
    """Keep the smallest or largest int64, uint64, double or decimal128, and a byte that is 1 after the first value.

    The value has 8 bytes, a decimal128 16. NaN is above all other values.

    Raises:
        TypeMismatch: any other type.
    """

def variance(rows: Rows, offset: int, slots: Slots, array: pa.Array) -> None:
    """Keep the count (int64), the mean and the sum of squared distances from it (doubles) of a double array.

    B. P. Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics 4 (1962).
    """

def merge_variance(rows: Rows, offset: int, slots: Slots, count: pa.Array, mean: pa.Array, m2: pa.Array) -> None:
    """Merge the three columns of ``variance``, from arrays without nulls.

    T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979), section 2.
    """

def ordered(rows: Rows, offset: int, slots: Slots, array: pa.Array, order: pa.Array, last: bool) -> None:
    """Keep the value with the smallest (``last``: largest) order; of equal orders the smallest value, null last.

    A field has the order (int64), the value (int64, uint64 or double) and a byte: 0 empty, 1 a value, 2 null. Rows
    whose ``order`` (int64) is null are skipped.
    """
