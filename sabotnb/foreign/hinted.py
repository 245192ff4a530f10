"""Base classes whose AttributeErrors have a hint: what to write here for a name of another library.

Only public names get a hint. Names that begin with an underscore raise a plain AttributeError at once, because
``copy``, ``pickle``, IPython and mocks look them up often, to find out what an object supports.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeVar

from sabotnb.blobs import show_users_lines
from sabotnb.foreign.calls import explained
from sabotnb.foreign.hint_text import filled
from sabotnb.foreign.method_names import HINTS
from sabotnb.foreign.typed_calls import typed_call
from sabotnb.ipython import running_shell

C = TypeVar("C", bound=type)

_INTERNAL = ("flow", "grouping", "node")
"""Attributes that users do not need: no name is near to one of them."""


def absent(
    owner: str,
    name: str,
    classes: tuple[str, ...],
    known: tuple[str, ...] = (),
    *,
    column: str | None = None,
    columns: Collection[str] | None = None,
) -> AttributeError:
    """The AttributeError for ``name`` of ``owner``, with the hint of ``classes`` or the nearest of the ``known`` names.

    ``column`` and ``columns`` replace the examples in the hint; see ``filled``.
    """
    hint = "" if name.startswith("_") else _hint(name, classes, known, column, columns)
    return _missing(owner, name, hint)


def _missing(owner: str, name: str, hint: str) -> AttributeError:
    error = AttributeError(f"{owner} has no attribute {name!r}{f'; {hint}' if hint else ''}", name=name)
    if not name.startswith("_"):
        show_users_lines(error, running_shell())
    return error


def _hint(
    name: str,
    classes: tuple[str, ...],
    known: tuple[str, ...],
    column: str | None,
    columns: Collection[str] | None,
) -> str:
    import difflib

    for where in classes:
        if name in HINTS.get(where, {}):
            return filled(HINTS[where][name], typed_call(name), column, columns)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"did you mean {near[0]!r}?" if near else ""


class HintedClass(type):
    """Metaclass that adds hints for names looked up on the class itself, such as ``Stream.from_kafka``."""

    if not TYPE_CHECKING:  # with a __getattr__, type checkers would accept every name

        def __getattr__(cls, name: str) -> Any:
            if name in getattr(cls, "__annotations__", ()):  # dataclass() looks up the default of each field
                raise AttributeError(name)
            raise absent(f"type object {cls.__name__!r}", name, _names_of(cls), _public(cls, name))


class Hinted(metaclass=HintedClass):
    """Adds hints for names of other libraries; a hint from a subclass's ``_own_hint`` comes first."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            cls = type(self)
            owner = f"{cls.__name__!r} object"
            if name.startswith("_"):
                raise _missing(owner, name, "")
            if own := self._own_hint(name):
                raise _missing(owner, name, own)
            column, columns = self._hint_columns()
            raise absent(owner, name, _names_of(cls), _public(cls, name), column=column, columns=columns)

    def _own_hint(self, name: str) -> str:
        return ""

    def _hint_columns(self) -> tuple[str | None, Collection[str] | None]:
        """The column to use in hints, and all columns of the stream; None for what is unknown."""
        return None, None


def _names_of(cls: type) -> tuple[str, ...]:
    return tuple(base.__name__ for base in cls.__mro__)


def _public(cls: type, name: str) -> tuple[str, ...]:
    if name.startswith("_"):
        return ()
    return tuple(known for known in dir(cls) if not known.startswith("_") and known not in _INTERNAL)


def explained_methods(cls: C) -> C:
    """Class decorator that wraps every public method of ``cls`` in ``explained``."""
    for name, member in list(vars(cls).items()):
        if not name.startswith("_") and inspect.isfunction(member):
            setattr(cls, name, explained(member))
    return cls
