"""Report an exception that a function of the user raised, with the frames of the user's own code."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from itertools import groupby
from types import TracebackType
from typing import Any

from sabotnb.blobs.function import Function
from sabotnb.blobs.origin import PACKAGE, library_of, line_label
from sabotnb.errors import UserFunctionError
from sabotnb.text_limits import EXCEPTION


def user_error(
    function: Function, error: BaseException, sample: str = "", operator: str = "", advice: str = ""
) -> UserFunctionError:
    """Return the error to raise ``from error`` when ``function`` raised it.

    The message has the function, the exception, the innermost line that the user wrote, and ``advice``; the rest are
    attributes.
    """
    subject = f"{function.name} ({function.origin})"
    origin = str(function.origin)
    return _raised(subject, error, advice, function=function.name, origin=origin, operator=operator, sample=sample)


def raised_by(function: Callable[..., Any], error: BaseException, sample: str, operator: str) -> UserFunctionError:
    """Return that error for a function that was not pickled, such as a callback; the message has the operator too."""
    code = getattr(function, "__code__", None)
    name, origin = getattr(function, "__name__", type(function).__name__), "python"
    if code is not None:
        origin = line_label(code.co_filename, code.co_firstlineno)
    subject = f"{operator}: {name} ({origin})"
    return _raised(subject, error, "", function=name, origin=origin, operator=operator, sample=sample)


def _raised(subject: str, error: BaseException, advice: str, **details: str) -> UserFunctionError:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not library_of(frame.filename)]
    at = f"  {line_label(frames[-1].filename, frames[-1].lineno or 0)}: {frames[-1].line}" if frames else ""
    message = "\n".join(filter(None, [f"{subject} raised {_described(error)}{at}", advice]))
    return UserFunctionError(message, user_traceback=user_traceback(error), **details)


def user_traceback(error: BaseException) -> str:
    """Return the traceback of ``error`` without sabotnb's frames; library frames and recursions become a line each."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(PACKAGE)]
    lines = []
    for library, group in groupby(frames, key=lambda frame: library_of(frame.filename)):
        run = list(group)
        if library:
            lines.append(f"  ({len(run)} frame{'s' * (len(run) > 1)} in {library})")
            continue
        for _, same in groupby(run, key=lambda frame: (frame.filename, frame.lineno, frame.name)):
            frame, *again = same
            lines.append(f"  {line_label(frame.filename, frame.lineno or 0)}, in {frame.name}")
            if frame.line:
                lines.append(f"    {frame.line}")
            if again:
                lines.append(f"  ({len(again)} more frames of that line)")
    return "\n".join([*lines, _described(error)])


def without_our_frames(frames: TracebackType | None) -> TracebackType | None:
    """Return the traceback without sabotnb's frames; None if no frame of it is in the user's own files."""
    every = []
    while frames is not None:
        every.append(frames)
        frames = frames.tb_next
    kept: TracebackType | None = None
    users = False
    for frame in reversed(every):
        filename = frame.tb_frame.f_code.co_filename
        users = users or not library_of(filename)
        if not filename.startswith(PACKAGE):
            kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
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
    """Return the text of ``error``; never raises, though ``str`` of an exception of the user may."""
    try:
        return str(error)
    except BaseException as raised:  # noqa: BLE001  the user's __str__ may raise anything
        return f"(its text cannot be made: {type(raised).__name__})"


def _described(error: BaseException) -> str:
    text = text_of(error)
    if len(text) > EXCEPTION:
        text = f"{text[:EXCEPTION]}... ({len(text):,} characters)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
