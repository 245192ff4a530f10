"""Compare the rows of a stream with expected rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sabotnb.api.running.row_differences import Row, equal_values, listed_rows, row_differences


class HasRows(Protocol):
    """Anything that returns rows, such as a bounded ``Stream``."""

    def to_rows(self) -> list[dict[str, Any]]:
        """Run it and return its rows."""
        ...


def assert_rows(stream: HasRows | Sequence[Row], rows: Sequence[Row], *, ordered: bool = False) -> None:
    """Run ``stream`` and compare its rows with ``rows``; AssertionError lists missing and unexpected rows.

    The order matters only with ``ordered``; the number of equal rows always does. NaN equals NaN. Floats are equal up
    to 1e-9 of their size, because sums depend on the order of their terms.
    """
    actual = list(stream.to_rows() if hasattr(stream, "to_rows") else stream)
    if ordered:
        for position, (left, right) in enumerate(zip(actual, rows, strict=False)):
            if not equal_values(left, right):
                raise AssertionError(f"row {position} is {dict(left)}, expected {dict(right)}")
        if len(actual) != len(rows):
            raise AssertionError(f"{len(actual)} rows, expected {len(rows)}")
        return
    missing, unexpected = row_differences(rows, actual)
    if missing or unexpected:
        raise AssertionError("\n".join([*listed_rows("missing", missing), *listed_rows("unexpected", unexpected)]))
