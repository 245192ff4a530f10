"""Where the user's code calls sabotnb: errors leave from here without the frames of what is inside."""

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
    """Fold the frames of every public method and property of a class that users call; see ``folding``."""
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
    """Let errors of ``function`` show the line that called it, and not how sabotnb found them.

    So do waiting in vain and being interrupted. A defect of sabotnb (ProtocolError, or no SabotnbError at all) keeps
    every frame, and so does everything under ``SABOTNB_FULL_TRACEBACKS=1``. Notebooks do not show the one frame that
    is left.
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
    """Of ``error`` and what led to it, show the user's own code only; the last line of each stays in any case."""
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        one.__traceback__ = without_our_frames(one.__traceback__)
        seen.append(one)
        one = one.__cause__
