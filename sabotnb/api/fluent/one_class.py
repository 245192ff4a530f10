"""``one_class``: shows a stream that is made of groups of methods as one class to its users."""

from __future__ import annotations

from types import FunctionType
from typing import TypeVar

from sabotnb.api.fluent.stream_base import StreamBase

C = TypeVar("C", bound=type[StreamBase])


def one_class(cls: C) -> C:
    """Class decorator that makes the methods of all groups below ``cls`` its own.

    ``help`` then lists them as methods of ``cls``, and their qualified names have ``cls`` instead of the group. The
    functions are changed, not copied, so a group serves one class only.
    """
    for group in cls.__mro__[1:]:
        if issubclass(group, StreamBase):
            for name, member in list(vars(group).items()):
                function = _function_of(member)
                if function is not None and name not in vars(cls):
                    function.__qualname__ = f"{cls.__qualname__}.{function.__name__}"
                    setattr(cls, name, member)
    return cls


def _function_of(member: object) -> FunctionType | None:
    """The function behind a method, a class method or a property; None for other members."""
    if isinstance(member, classmethod):
        member = member.__func__
    elif isinstance(member, property):
        member = member.fget
    return member if isinstance(member, FunctionType) else None
