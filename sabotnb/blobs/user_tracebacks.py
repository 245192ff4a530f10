"""What users see of an exception that their own function raised."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from itertools import groupby
from types import TracebackType
from typing import Any

from sabotnb.blobs.function import Function
from sabotnb.blobs.origin import PACKAGE, library_of, place
from sabotnb.errors import UserFunctionError

_MOST_LETTERS = 2000
"""Of what an exception says; some carry all of their data."""


def user_error(
    function: Function, error: BaseException, sample: str = "", operator: str = "", advice: str = ""
) -> UserFunctionError:
    """Say that ``function`` raised ``error``; raise it ``from error``.

    The message has the function, the exception, the innermost line that the user wrote, and ``advice``; the rest are
    attributes.
    """
    said = f"{function.name} ({function.origin})"
    origin = str(function.origin)
    return _raised(said, error, advice, function=function.name, origin=origin, operator=operator, sample=sample)


def raised_by(function: Callable[..., Any], error: BaseException, sample: str, operator: str) -> UserFunctionError:
    """The same of a function that runs where it was written, such as a callback, whose operator nobody else adds."""
    code = getattr(function, "__code__", None)
    name, origin = getattr(function, "__name__", type(function).__name__), "python"
    if code is not None:
        origin = place(code.co_filename, code.co_firstlineno)
    said = f"{operator}: {name} ({origin})"
    return _raised(said, error, "", function=name, origin=origin, operator=operator, sample=sample)


def _raised(said: str, error: BaseException, advice: str, **details: str) -> UserFunctionError:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not library_of(frame.filename)]
    at = f"  {place(frames[-1].filename, frames[-1].lineno or 0)}: {frames[-1].line}" if frames else ""
    message = "\n".join(filter(None, [f"{said} raised {_described(error)}{at}", advice]))
    return UserFunctionError(message, user_traceback=user_traceback(error), **details)


def user_traceback(error: BaseException) -> str:
    """The traceback of ``error`` without sabotnb's frames; runs of library frames, and a recursion, become a line."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(PACKAGE)]
    lines = []
    for library, group in groupby(frames, key=lambda frame: library_of(frame.filename)):
        run = list(group)
        if library:
            lines.append(f"  ({len(run)} frame{'s' * (len(run) > 1)} in {library})")
            continue
        for _, same in groupby(run, key=lambda frame: (frame.filename, frame.lineno, frame.name)):
            frame, *again = same
            lines.append(f"  {place(frame.filename, frame.lineno or 0)}, in {frame.name}")
            if frame.line:
                lines.append(f"    {frame.line}")
            if again:
                lines.append(f"  ({len(again)} more frames of that line)")
    return "\n".join([*lines, _described(error)])


def without_our_frames(frames: TracebackType | None) -> TracebackType | None:
    """The traceback without sabotnb's frames; None if no frame of it is in the user's own files."""
    every = []
    while frames is not None:
        every.append(frames)
        frames = frames.tb_next
    kept: TracebackType | None = None
    users = False
    for one in reversed(every):
        filename = one.tb_frame.f_code.co_filename
        users = users or not library_of(filename)
        if not filename.startswith(PACKAGE):
            kept = TracebackType(kept, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return kept if users else None


def show_users_lines(error: BaseException, shell: Any) -> None:
    """Let IPython's ``shell`` show ``error`` with a traceback that ends in the user's line; nothing without a shell.

    IPython shows the frame that raised in any case.
    """
    if shell is None:
        return

    def rendered() -> list[str]:
        frames = without_our_frames(error.__traceback__) or error.__traceback__
        lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, frames, tb_offset=1)
        return lines

    error.__dict__["_render_traceback_"] = rendered


def text_of(error: BaseException) -> str:
    """What ``error`` says; never raises, as ``str`` of an exception of the user's may."""
    try:
        return str(error)
    except BaseException as raised:  # noqa: BLE001  the user's __str__ may raise anything
        return f"(its text cannot be made: {type(raised).__name__})"


def _described(error: BaseException) -> str:
    text = text_of(error)
    if len(text) > _MOST_LETTERS:
        text = f"{text[:_MOST_LETTERS]}... ({len(text):,} letters)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
