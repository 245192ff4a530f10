"""Find the line of the user's code that calls sabotnb: a notebook cell or a file, and the line number."""

from __future__ import annotations

import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from types import FrameType

PACKAGE = str(Path(__file__).parent.parent) + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"]
_MAX_LINES = 40  # so many lines of a statement are searched for a name

_labels: dict[str, str] = {}
"""Labels of files whose sources arrived with a function from another process (see ``travel``)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A line of the user's code: ``cell [3], line 2`` in a notebook, ``etl.py:41`` in a file; ``code`` is its text."""

    where: str
    code: str = ""

    def __str__(self) -> str:
        return self.where


def call_site(naming: str = "") -> Origin:
    """Return the line of the user's code that is calling sabotnb.

    In a statement of several lines it is the first line that contains ``naming``, if one does.
    """
    frame = user_frame()
    if frame is None:
        return Origin("python")
    filename = frame.f_code.co_filename
    line = _line_with(naming, frame)
    return Origin(line_label(filename, line), linecache.getline(filename, line).rstrip())


def user_frame() -> FrameType | None:
    """Return the innermost frame outside sabotnb; None if all frames are sabotnb's own."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  the only way to a caller that builds no traceback
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame


def line_label(filename: str, line: int) -> str:
    """Return the name of a line for users: cell number and line in a notebook, file name and line elsewhere."""
    label = label_of(filename)
    return f"{label}, line {line}" if label.startswith("cell ") else f"{label}:{line}"


def label_of(filename: str) -> str:
    """Return ``cell [3]`` or ``etl.py`` for the file name of a code object."""
    return _labels.get(filename) or _cell(filename) or Path(filename).name


def library_of(filename: str) -> str:
    """Return the library that a file belongs to; empty for the user's own files."""
    if filename.startswith(PACKAGE):
        return "sabotnb"
    parts = PurePath(filename).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    if filename.endswith((".pxi", ".pyx")):  # Cython names its sources relative to the package's root
        return parts[0]
    if filename.startswith((_STDLIB, "<frozen")):
        return "python"
    return ""


def remember_labels(labels: Mapping[str, str]) -> None:
    """Store the labels that another process has for its files."""
    _labels.update(labels)


def _cell(filename: str) -> str | None:
    module = sys.modules.get("IPython")  # not imported: a plain Python process should not load it
    shell = module.get_ipython() if module is not None else None
    known = shell.compile.format_code_name(filename) if shell is not None else None  # ("Cell", "In[3]")
    return f"cell [{re.sub(r'[^0-9]', '', known[1])}]" if known else None


def _line_with(naming: str, frame: FrameType) -> int:
    filename, line = frame.f_code.co_filename, frame.f_lineno
    if not naming or naming in linecache.getline(filename, line):
        return line
    first, last, *_ = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    candidates = range(first or line, min(last or line, (first or line) + _MAX_LINES) + 1)
    return next((number for number in candidates if naming in linecache.getline(filename, number)), line)
