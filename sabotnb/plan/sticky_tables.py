"""Sticky tables: which task owns which key group, one table per key domain.

A row's key group follows from the hash of its keys alone (``native.key_groups``), its owner from the table. A table is
changed group by group, never recomputed, so that a rescale moves nearly the minimum of state.
"""

from __future__ import annotations

from collections.abc import Sequence

from sabotnb.errors import GraphError

KeyTable = tuple[int, ...]
"""Task index by key group."""


def balanced_table(groups: int, tasks: int) -> KeyTable:
    """Contiguous ranges of groups, equal up to one; GraphError if a task would own none."""
    if not 1 <= tasks <= groups:
        raise GraphError(f"{groups} key groups cannot be shared by {tasks} tasks; choose 1 to {groups}")
    return tuple(group * tasks // groups for group in range(groups))


def rescale_table(old: Sequence[int], tasks: int) -> KeyTable:
    """The table for ``tasks`` tasks that moves as few groups as a balanced one can.

    Every group of a task that goes (index >= ``tasks``) moves, and beyond that only what a task owns above its share;
    shares are equal up to one, the larger ones left to those that own most. From 4 to 5 tasks a fifth of the groups
    moves (modulo would move four fifths).
    """
    if not 1 <= tasks <= len(old):
        raise GraphError(f"{len(old)} key groups cannot be shared by {tasks} tasks; choose 1 to {len(old)}")
    owned: list[list[int]] = [[] for _ in range(tasks)]
    homeless: list[int] = []
    for group, task in enumerate(old):
        (owned[task] if task < tasks else homeless).append(group)
    share, larger = divmod(len(old), tasks)
    by_size = sorted(range(tasks), key=lambda task: (-len(owned[task]), task))
    shares = {task: share + (rank < larger) for rank, task in enumerate(by_size)}
    for task, groups in enumerate(owned):
        homeless.extend(groups[shares[task] :])
        del groups[shares[task] :]
    homeless.sort(reverse=True)
    table = list(old)
    for task, groups in enumerate(owned):
        for _ in range(shares[task] - len(groups)):
            table[homeless.pop()] = task
    return tuple(table)


def moved_groups(old: Sequence[int], new: Sequence[int]) -> list[int]:
    """Key groups whose owner differs between two tables of one domain."""
    return [group for group, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
