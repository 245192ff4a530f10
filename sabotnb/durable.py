"""Folders and names on a disk that survive a crash of the machine: what is created is synced, and so is its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make creations, renames and removals in ``folder`` durable, where the platform can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, sync: Callable[[Path], None] = sync_folder) -> list[Path]:
    """Create ``folder`` and its missing parents; returns those created, deepest first.

    ``sync`` makes their names durable, called with the folder that has each.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)
    return missing
