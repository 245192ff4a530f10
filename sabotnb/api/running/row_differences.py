"""Find the rows that one list has and another has not, in any order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]

SHOWN = 10
TOLERANCE = 1e-9


def row_differences(left: Sequence[Row], right: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows of each side that the other does not have, or has less often.

    NaN equals NaN. Floats are equal up to 1e-9 of their size, because sums depend on the order of their terms.
    """
    counts = Counter(_key(row) for row in right)
    only_left = [row for row in left if not _take(counts, _key(row))]
    counts = Counter(_key(row) for row in left)
    only_right = [row for row in right if not _take(counts, _key(row))]
    for row in list(only_left):  # these may still be equal except for the last digits of a float
        twin = next((other for other in only_right if equal_values(row, other)), None)
        if twin is not None:
            only_left.remove(row)
            only_right.remove(twin)
    return only_left, only_right


def _take(counts: Counter[Any], key: Any) -> bool:
    counts[key] -= 1
    return counts[key] >= 0


def equal_values(left: Any, right: Any) -> bool:
    """True for equal values, by the rules of ``row_differences``."""
    match left, right:
        case Mapping(), Mapping():
            return left.keys() == right.keys() and all(equal_values(left[name], right[name]) for name in left)
        case list() | tuple(), list() | tuple():
            return len(left) == len(right) and all(map(equal_values, left, right))
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


def listed_rows(what: str, rows: Sequence[Row]) -> list[str]:
    """Lines that count rows and show the first."""
    lines = [f"  {dict(row)}" for row in rows[:SHOWN]]
    more = [f"  and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    return [f"{len(rows)} row{'s' * (len(rows) > 1)} {what}:", *lines, *more] if rows else []
