"""Walks over graphs of objects that may be as deep as a loop makes them: with a stack of their own, not Python's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Made = TypeVar("Made")


def bottom_up(roots: Iterable[T], below: Callable[[T], Sequence[T]]) -> list[T]:
    """Every object that ``roots`` lead to, each once, after all that is ``below`` it; left to right.

    An object is known by its identity, so that what is shared is visited once and nothing is compared.
    """
    order: list[T] = []
    done: set[int] = set()
    for root in roots:
        waiting = [root]
        while waiting:
            visited = waiting[-1]
            if id(visited) in done:
                waiting.pop()
            elif first := [part for part in below(visited) if id(part) not in done]:
                waiting.extend(reversed(first))
            else:
                done.add(id(visited))
                order.append(visited)
                waiting.pop()
    return order


def fold(root: T, below: Callable[[T], Sequence[T]], make: Callable[[T, list[Made]], Made]) -> Made:
    """What ``make`` returns for ``root``, given for each object what it returned for the objects ``below``."""
    made: dict[int, Made] = {}
    for visited in bottom_up((root,), below):
        made[id(visited)] = make(visited, [made[id(part)] for part in below(visited)])
    return made[id(root)]
