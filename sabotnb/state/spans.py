"""Slots of several key groups in a row, so that results come in batches of any size however small the groups are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Slots ``start`` to ``stop`` of a key group."""

    group: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def cut(sizes: Iterable[tuple[int, int]], limit: int) -> Iterator[list[Span]]:
    """Divide groups of (number, size) into lists of spans of ``limit`` slots each (the last has fewer)."""
    piece: list[Span] = []
    room = limit
    for group, size in sizes:
        start = 0
        while start < size:
            span = Span(group, start, min(size, start + room))
            piece.append(span)
            start, room = span.stop, room - len(span)
            if room == 0:
                yield piece
                piece, room = [], limit
    if piece:
        yield piece
