"""Folders of the user: the cache of generated data, written once and only visible when whole, and data to keep."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_root() -> Path:
    """Return ``$XDG_CACHE_HOME/sabotnb``, else the cache folder of the platform."""
    configured = os.environ.get("XDG_CACHE_HOME") or (
        os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    )
    if configured:
        return Path(configured) / "sabotnb"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sabotnb"
    return Path.home() / ".cache" / "sabotnb"


def data_root() -> Path:
    """Return ``$SABOTNB_DATA``, else the ``sabotnb`` folder where the platform keeps the data of programs."""
    configured = os.environ.get("SABOTNB_DATA")
    if configured:
        return Path(configured).absolute()
    of_platform = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_DATA_HOME")
    if of_platform:
        return Path(of_platform) / "sabotnb"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "sabotnb"
    return Path.home() / ".local" / "share" / "sabotnb"


def write_once(folder: Path, write: Callable[[Path], None]) -> None:
    """Create ``folder`` by ``write(temporary)`` and a rename, unless it exists.

    If two processes do so at once, the first rename counts and the other's work is removed. A failed ``write`` leaves
    nothing behind.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write(temporary)
        temporary.chmod(0o755)  # mkdtemp makes folders that only their owner can read
        temporary.rename(folder)
    except OSError:  # of the rename too, if another process was first
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
