"""Store the smallest or largest text of each key, by its bytes or by an order."""

import pyarrow as pa

from sabotnb.native.keyindex import Slots
from sabotnb.native.rows import Rows

class TextView:
    """The texts of a group when the view was made (``Texts.view``). May be read from any thread."""

    def texts(self, start: int, stop: int) -> pa.LargeBinaryArray:
        """Copy the texts of slots ``start`` to ``stop``, null for a slot without text."""

    def orders(self, start: int, stop: int) -> pa.Int64Array:
        """Copy the orders of slots ``start`` to ``stop``, null for a slot that has not been updated."""

class Texts:
    """At most one text (or null) and its order per slot, in a heap per key group. Not thread-safe."""

    rows: Rows
    """To be reserved before every update."""

    def __init__(self, groups: int = 1) -> None: ...
    def update(self, slots: Slots, array: pa.Array, order: pa.Array | None, last: bool) -> None:
        """Keep the text with the smallest (``last``: largest) order (int64); of equal orders the smallest, null last.

        Without ``order`` keep the smallest (largest) text itself, by its bytes, and skip nulls. ``array`` is of strings
        or binaries; rows with a null order are skipped. The GIL is released.
        """

    def texts(self, group: int, start: int, stop: int) -> pa.LargeBinaryArray:
        """Copy the texts of slots ``start`` to ``stop``, null for a slot without text."""

    def orders(self, group: int, start: int, stop: int) -> pa.Int64Array:
        """Copy the orders of slots ``start`` to ``stop``, null for a slot that has not been updated."""

    def view(self, group: int = 0) -> TextView:
        """Return the texts of ``group`` as they are now, without copying them."""

    def drop(self, group: int) -> None:
        """Remove the texts of ``group`` and free its memory."""

    def nbytes(self, group: int = 0) -> int:
        """Memory that ``group`` holds."""
