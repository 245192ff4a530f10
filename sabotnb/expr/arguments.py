"""Checks of arguments that users pass, made where the call is written."""

from __future__ import annotations

import operator
from collections.abc import Hashable
from typing import Any

from sabotnb.errors import TypeMismatch


def whole(given: Any, failure: Exception, least: int | None = None) -> int:
    """Return ``given`` (an ``int``, also NumPy's) as an int; raise ``failure`` for other values or below ``least``."""
    try:
        number = operator.index(given)
    except TypeError:
        raise failure from None
    if isinstance(given, bool) or (least is not None and number < least):
        raise failure
    return number


def is_above(given: Any, least: float) -> bool:
    """True for a number (not NaN) larger than ``least``."""
    try:
        return not isinstance(given, bool | str) and bool(given > least)
    except TypeError:
        return False


def is_hashable(given: Any) -> bool:
    """True if ``given`` can be a key of a dict, with all that is nested in it."""
    try:
        return isinstance(given, Hashable) and isinstance(hash(given), int)
    except TypeError:
        return False


def fraction(q: Any) -> float:
    """Return the fraction of a quantile; TypeMismatch unless it is between 0 and 1."""
    if not isinstance(q, int | float) or not 0 <= q <= 1:
        raise TypeMismatch(f"a quantile is between 0 and 1, not {q!r}; the median is 0.5")
    return float(q)


def ddof_of(given: Any) -> int:
    """Return the delta degrees of freedom of ``std`` and ``var``; TypeMismatch unless it is a whole number from 0."""
    return whole(given, TypeMismatch(f"ddof is {given!r}; give 1 for a sample, 0 for the whole population"), 0)


def column_label(given: Any) -> str:
    """Return the name that ``alias`` gives; TypeMismatch for anything but a string."""
    if not isinstance(given, str):
        raise TypeMismatch(f"alias takes a name, not {given!r} ({type(given).__name__}); write .alias('name')")
    return given
