"""Name jobs that users did not name: after the cell, or after the file and line, that runs them."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sabotnb.blobs import user_frame
from sabotnb.errors import JobNameTaken
from sabotnb.ipython import cell_id, running_shell

Started = TypeVar("Started")

OWN_LETTERS = 6
"""The last ones of a session's id, behind the name of a job."""

_given: dict[str, tuple[int, int]] = {}
"""Names that were given: in which run of the cell, and how many times in that run."""

_giving = threading.Lock()

_held: set[tuple[str, str]] = set()
"""Session and name, where another session held a generated name."""


def job_name() -> str:
    """Return a name for a job that the user did not name.

    A cell keeps its identity over re-runs (the notebook's front end sends a cell id), so that running a cell again
    finds the job that it started before. A second job in the same run of the cell gets the suffix ``-2``.
    """
    shell = running_shell()
    if shell is not None:
        cell = cell_id()
        name = f"cell-{_short(cell)}" if cell else f"cell-{shell.execution_count}"
        return _numbered(name, shell.execution_count)
    frame = user_frame()
    if frame is None:
        return _numbered("job", 0)
    return _numbered(f"{_slug(Path(frame.f_code.co_filename).stem)}-{frame.f_lineno}", 0)


def of_session(name: str, session: str) -> str:
    """Return ``name`` with the end of the session's id behind it, so that no other session has it."""
    return f"{name}-{session[-OWN_LETTERS:]}"


def started_unnamed(name: str, session: str, start: Callable[[str], Started]) -> Started:
    """Call ``start`` with the generated ``name``, with a suffix if another session holds it.

    The session (an id) uses the suffix from then on, so that running a cell again finds its job.
    """
    own = of_session(name, session)
    if (session, name) in _held:
        return start(own)
    try:
        return start(name)
    except JobNameTaken:
        _held.add((session, name))
        return start(own)


def _numbered(name: str, run: int) -> str:
    with _giving:
        before_run, times = _given.get(name, (run, 0))
        times = times + 1 if before_run == run else 1
        _given[name] = (run, times)
    return name if times == 1 else f"{name}-{times}"


def _short(cell: str) -> str:
    """Return eight hexadecimal digits for the id of a cell: the first digits of a random id, as JupyterLab's are.

    Other ids are hashed, because those of two cells may differ only at the end: VS Code's are addresses.
    """
    if re.fullmatch(r"[0-9a-f]{8}(-?[0-9a-f]+)*", cell):
        return cell[:8]
    return hashlib.sha256(cell.encode()).hexdigest()[:8]


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower() or "job"
