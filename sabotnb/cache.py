"""Folders of made data in the user's cache: written once, seen only complete, safe with several writers at once."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_root() -> Path:
    """``$XDG_CACHE_HOME/sabotnb``, else the place for caches of this platform."""
    given = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None)
    if given:
        return Path(given) / "sabotnb"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sabotnb"
    return Path.home() / ".cache" / "sabotnb"


def publish(folder: Path, write: Callable[[Path], None]) -> None:
    """Make ``folder`` by ``write(temporary)`` and one rename, unless it exists already.

    Two processes may do so at once: the first rename stands, the other's work is dropped. A failed ``write`` leaves
    nothing behind.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write(temporary)
        temporary.chmod(0o755)  # mkdtemp's folders are private
        temporary.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
