"""Kernels that update accumulators in ``Rows``, for a whole batch."""

import pyarrow as pa

from sabotnb.native.keyindex import Slots
from sabotnb.native.rows import Rows

class FieldUpdates:
    """The updates of a batch: one per field of the rows of ``slots``. All happen in ``run``.

    A method updates the field at byte ``offset`` of the row of each slot. Arrays have one value per slot, nulls are
    skipped. Kernels write without a check, so call ``Rows.reserve`` for all slots before. ``run`` releases the GIL.
    """

    def __init__(self, rows: Rows, slots: Slots) -> None:
        """Begin without an update; ``slots`` must not change until ``run``."""

    def run(self) -> None:
        """Run all updates, in the order of the calls. Saves the rows that a ``RowImage`` needs before.

        Raises:
            MemoryError: no room for saved rows. Some rows have changed; the state must not be used again.
            OverflowError: the sum of the field at offset ``args[0]`` does not fit 128 bits.
        """

    def count_rows(self, offset: int) -> None:
        """int64 += 1 for every row."""

    def count_valid(self, offset: int, array: pa.Array) -> None:
        """int64 += 1 for every value that is not null; any type."""

    def add(self, offset: int, array: pa.Array) -> None:
        """int64 or double (as ``array`` is) += value; int64 wraps around."""

    def sum_values(self, offset: int, array: pa.Array) -> None:
        """Add up int64, uint64 or decimal128 in 16 bytes, double in 8; then a byte that is 1 after the first value.

        Raises:
            TypeMismatch: any other type.
        """

    def extreme(self, offset: int, array: pa.Array, largest: bool) -> None:
        """Keep the smallest or largest int64, uint64, double or decimal128, and a byte that is 1 after the first value.

        The value has 8 bytes, a decimal128 16. NaN is above all other values.

        Raises:
            TypeMismatch: any other type.
        """

    def variance(self, offset: int, array: pa.Array) -> None:
        """Keep the count (int64), the mean and the sum of squared distances from it (doubles) of a double array.

        B. P. Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics 4
        (1962).
        """

    def merge_variance(self, offset: int, count: pa.Array, mean: pa.Array, m2: pa.Array) -> None:
        """Merge the three columns of ``variance``, from arrays without nulls.

        T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
        variances" (1979), section 2.
        """

    def ordered(self, offset: int, array: pa.Array, order: pa.Array, last: bool) -> None:
        """Keep the value with the smallest (``last``: largest) order; of equal orders the smallest value, null last.

        A field has the order (int64), the value (int64, uint64 or double) and a byte: 0 empty, 1 a value, 2 null. Rows
        whose ``order`` (int64) is null are skipped.
        """
