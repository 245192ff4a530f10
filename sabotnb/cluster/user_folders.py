"""The folders of this user in which sessions find clusters, and workers work."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import dask

from sabotnb.private_files import private_folder


def runtime_folder() -> Path:
    """Where this user's detached cluster is announced, with its certificate; EnvError as ``private_folder``."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(base) / "sabotnb" if base else Path(tempfile.gettempdir()) / f"sabotnb-{os.getuid()}"
    return private_folder(path, "set XDG_RUNTIME_DIR to a folder of your own")


def scratch_folder() -> Path:
    """Where workers have their working directories; EnvError as ``private_folder``.

    Dask puts these before everything else on ``sys.path``, and takes over a folder that another user has made.
    """
    base = dask.config.get("temporary-directory") or tempfile.gettempdir()
    return private_folder(Path(base) / f"sabotnb-{os.getuid()}", "set TMPDIR to a folder of your own")
