"""Checks of arguments that users pass, made where the call is written."""

from __future__ import annotations

import operator
from collections.abc import Hashable
from typing import Any


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
