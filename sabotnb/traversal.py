"""Walk graphs of objects without recursion: plans that a loop builds are deeper than Python's stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Result = TypeVar("Result")


def bottom_up(roots: Iterable[T], below: Callable[[T], Sequence[T]]) -> list[T]:
    """Return every object that ``roots`` lead to, each once, after all objects ``below`` it; left to right.

    Objects are told apart by identity, so that shared ones are visited once and ``==`` is never called.
    """
    order: list[T] = []
    done: set[int] = set()
    for root in roots:
        waiting = [root]
        while waiting:
            visited = waiting[-1]
            if id(visited) in done:
                waiting.pop()
            elif first := [child for child in below(visited) if id(child) not in done]:
                waiting.extend(reversed(first))
            else:
                done.add(id(visited))
                order.append(visited)
                waiting.pop()
    return order


def fold(root: T, below: Callable[[T], Sequence[T]], make: Callable[[T, list[Result]], Result]) -> Result:
    """Return ``make(root, results)``; ``results`` are those of ``make`` for the objects ``below`` it, recursively."""
    results: dict[int, Result] = {}
    for visited in bottom_up((root,), below):
        results[id(visited)] = make(visited, [results[id(child)] for child in below(visited)])
    return results[id(root)]
