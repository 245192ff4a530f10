"""Compare the rows of a stream with expected rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = Mapping[str, Any]

SHOWN = 10
TOLERANCE = 1e-9


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
            if not _equal(left, right):
                raise AssertionError(f"row {position} is {dict(left)}, expected {dict(right)}")
        if len(actual) != len(rows):
            raise AssertionError(f"{len(actual)} rows, expected {len(rows)}")
        return
    missing, unexpected = _difference(rows, actual)
    if missing or unexpected:
        raise AssertionError("\n".join([*_listed("missing", missing), *_listed("unexpected", unexpected)]))


def _difference(left: Sequence[Row], right: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows of each side that the other does not have, or has less often."""
    counts = Counter(_key(row) for row in right)
    only_left = [row for row in left if not _take(counts, _key(row))]
    counts = Counter(_key(row) for row in left)
    only_right = [row for row in right if not _take(counts, _key(row))]
    for row in list(only_left):  # these may still be equal except for the last digits of a float
        twin = next((other for other in only_right if _equal(row, other)), None)
        if twin is not None:
            only_left.remove(row)
            only_right.remove(twin)
    return only_left, only_right


def _take(counts: Counter[Any], key: Any) -> bool:
    counts[key] -= 1
    return counts[key] >= 0


def _equal(left: Any, right: Any) -> bool:
    match left, right:
        case Mapping(), Mapping():
            return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
        case list() | tuple(), list() | tuple():
            return len(left) == len(right) and all(map(_equal, left, right))
        case float(), float():
            return math.isclose(left, right, rel_tol=TOLERANCE) or (math.isnan(left) and math.isnan(right))
        case _:
            return bool(left == right)


def _key(value: Any) -> Any:
    """Return a hashable key that is equal exactly for equal values, NaN included."""
    match value:
        case Mapping():
            return frozenset((name, _key(item)) for name, item in value.items())
        case list() | tuple():
            return tuple(_key(item) for item in value)
        case float() if math.isnan(value):
            return "NaN"
        case _:
            return value


def _listed(what: str, rows: Sequence[Row]) -> list[str]:
    lines = [f"  {dict(row)}" for row in rows[:SHOWN]]
    more = [f"  and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    return [f"{len(rows)} row{'s' * (len(rows) > 1)} {what}:", *lines, *more] if rows else []
