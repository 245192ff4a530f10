"""Collects committables without repetition: tasks repeat them until they know that they are stored."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sabotnb.protocol import Committable


def merged(*collections: Iterable[Committable]) -> list[Committable]:
    """Return the committables of all ``collections``, each once, in order of first occurrence."""
    distinct: dict[tuple[str, str], Committable] = {}
    for collection in collections:
        for committable in collection:
            distinct.setdefault(_key(committable), committable)
    return list(distinct.values())


def without(committables: Iterable[Committable], removed: Iterable[Committable]) -> list[Committable]:
    """Return ``committables`` except for those that are among ``removed``."""
    keys = {_key(committable) for committable in removed}
    return [committable for committable in committables if _key(committable) not in keys]


def _key(committable: Committable) -> tuple[str, str]:
    return committable.operator, json.dumps(committable.payload, sort_keys=True)  # a payload is not hashable
