"""Python functions of a user that queries call for each row."""

from __future__ import annotations

PRICE_FACTOR = 0.908
"""Dollars to euros in Nexmark's first query."""


def euros(price: int) -> float:
    """A cheap function, so that what is measured is the call."""
    return price * PRICE_FACTOR if price > 1000 else 0.0
