"""Creates and checks folders and files that only their owner can open."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sabotnb.errors import EnvError


def private_folder(path: Path, instead: str) -> Path:
    """Make ``path`` if it is missing, and check that only this user may enter it; ``instead`` is how to get another.

    Looks at the folder itself, not at what a link points to: another user could have made the link.

    Raises:
        EnvError: it is not a folder, belongs to another user, or others may enter it.
    """
    with suppress(FileExistsError):  # a file, or a link that leads nowhere
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise EnvError(f"{path} is a link or a file, not a folder: remove it, or {instead}")
    if status.st_uid != os.getuid():
        raise EnvError(f"{path} belongs to another user (uid {status.st_uid}): {instead}")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise EnvError(f"{path} may be entered by other users (its mode is {mode:o}): chmod 700 {path}")
    return path


def write_private(path: Path, text: str) -> None:
    """Replace the file atomically by one that no other user can ever have opened."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with open_private(temporary, os.O_EXCL) as file:
        file.write(text.encode())
    temporary.replace(path)


def open_private(path: Path, flags: int = os.O_TRUNC) -> BinaryIO:
    """Write to a file that is made for its owner alone if it is missing, and is not reached through a link."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
    return os.fdopen(handle, "wb")
