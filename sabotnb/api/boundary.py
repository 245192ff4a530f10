"""The boundary between user code and sabotnb: errors that cross it lose the frames inside sabotnb."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from sabotnb.blobs import show_users_lines, without_our_frames
from sabotnb.config import Config
from sabotnb.errors import ProtocolError, SabotnbError
from sabotnb.foreign import explained
from sabotnb.ipython import running_shell

C = TypeVar("C", bound=type)
P = ParamSpec("P")
R = TypeVar("R")


def boundary(cls: C) -> C:
    """Decorate a class of the API: apply ``folding`` to every public method and property."""
    for name, member in list(vars(cls).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, classmethod):
            setattr(cls, name, classmethod(folding(member.__func__)))
        elif isinstance(member, property) and member.fget is not None:
            setattr(cls, name, property(folding(member.fget), doc=member.__doc__))
        elif callable(member) and not isinstance(member, type):
            setattr(cls, name, folding(member))
    return cls


def folding(function: Callable[P, R]) -> Callable[P, R]:
    """Make errors of ``function`` show the line that called it, without the frames inside sabotnb.

    This holds for SabotnbError, timeouts and interrupts. A defect of sabotnb (ProtocolError, or any other exception)
    keeps every frame, as do all errors under ``SABOTNB_FULL_TRACEBACKS=1``. One frame of sabotnb remains, because
    Python adds it when the error is raised again; notebooks hide it.
    """
    call = explained(function)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except (SabotnbError, TimeoutError, KeyboardInterrupt) as error:
            if isinstance(error, ProtocolError) or Config.from_environment().full_tracebacks:
                raise
            _fold(error)
            show_users_lines(error, running_shell())
            raise error

    return called


def _fold(error: BaseException) -> None:
    """Remove frames that are not the user's from ``error`` and its causes; each keeps at least its last frame."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        cause.__traceback__ = without_our_frames(cause.__traceback__)
        seen.append(cause)
        cause = cause.__cause__
