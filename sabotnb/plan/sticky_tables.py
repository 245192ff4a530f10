"""Tables of the task that owns each key group, one per key domain, and their change in a rescale.

The key group of a row follows from the hash of its keys alone (``native.key_groups``), its owner from the table. A
rescale changes the old table group by group instead of computing a new one, so that it moves little state.
"""

from __future__ import annotations

from collections.abc import Sequence

from sabotnb.errors import GraphError

KeyTable = tuple[int, ...]
"""Task index by key group."""


def balanced_table(groups: int, tasks: int) -> KeyTable:
    """Return a table of contiguous ranges, equal up to one group; GraphError if a task would own none."""
    if not 1 <= tasks <= groups:
        raise GraphError(
            f"{groups} key groups cannot be divided among {tasks} tasks; set a parallelism from 1 to {groups}"
        )
    return tuple(group * tasks // groups for group in range(groups))


def rescale_table(old: Sequence[int], tasks: int) -> KeyTable:
    """Return the table for ``tasks`` tasks that moves as few groups as a balanced table can.

    All groups of removed tasks (index >= ``tasks``) move, and of the others only what a task owns above its share.
    Shares are equal up to one, and the tasks that own most keep the larger ones. From 4 to 5 tasks a fifth of the
    groups moves (modulo would move four fifths).
    """
    if not 1 <= tasks <= len(old):
        raise GraphError(
            f"{len(old)} key groups cannot be divided among {tasks} tasks; set a parallelism from 1 to {len(old)}"
        )
    owned: list[list[int]] = [[] for _ in range(tasks)]
    unowned: list[int] = []
    for group, task in enumerate(old):
        (owned[task] if task < tasks else unowned).append(group)
    share, larger = divmod(len(old), tasks)
    by_size = sorted(range(tasks), key=lambda task: (-len(owned[task]), task))
    shares = {task: share + (rank < larger) for rank, task in enumerate(by_size)}
    for task, groups in enumerate(owned):
        unowned.extend(groups[shares[task] :])
        del groups[shares[task] :]
    unowned.sort(reverse=True)
    table = list(old)
    for task, groups in enumerate(owned):
        for _ in range(shares[task] - len(groups)):
            table[unowned.pop()] = task
    return tuple(table)


def moved_groups(old: Sequence[int], new: Sequence[int]) -> list[int]:
    """Return the key groups whose owner differs between two tables of one domain."""
    return [group for group, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
