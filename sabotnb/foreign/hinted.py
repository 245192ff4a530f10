"""Classes whose missing attributes say how they are written here.

Only public names get a hint. Names that begin with an underscore raise a plain AttributeError at once, because
``copy``, ``pickle``, IPython and mocks look them up to learn what an object can do.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from sabotnb.foreign.calls import explained
from sabotnb.foreign.method_names import HINTS

C = TypeVar("C", bound=type)


def absent(owner: str, name: str, classes: tuple[str, ...], known: tuple[str, ...] = ()) -> AttributeError:
    """``owner`` has no ``name``: what ``classes`` say to write instead, or the nearest of the ``known`` names."""
    hint = "" if name.startswith("_") else _hint(name, classes, known)
    return AttributeError(f"{owner} has no attribute {name!r}{hint}", name=name)


def _hint(name: str, classes: tuple[str, ...], known: tuple[str, ...]) -> str:
    import difflib

    for where in classes:
        if name in HINTS.get(where, {}):
            return f"; {HINTS[where][name]}"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {near[0]!r}?" if near else ""


class HintedClass(type):
    """A class that hints at names that users look for on itself, as ``Stream.from_kafka``."""

    if not TYPE_CHECKING:  # where it would make every name an attribute

        def __getattr__(cls, name: str) -> Any:
            if name in getattr(cls, "__annotations__", ()):  # dataclass() asks for the default of each field
                raise AttributeError(name)
            raise absent(f"type object {cls.__name__!r}", name, _names_of(cls), _public(cls, name))


class Hinted(metaclass=HintedClass):
    """Hints at names that other libraries have; ``_own_hint`` of a subclass comes first."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            cls = type(self)
            own = "" if name.startswith("_") else self._own_hint(name)
            if own:
                raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}; {own}", name=name)
            raise absent(f"{cls.__name__!r} object", name, _names_of(cls), _public(cls, name))

    def _own_hint(self, name: str) -> str:
        return ""


def _names_of(cls: type) -> tuple[str, ...]:
    return tuple(base.__name__ for base in cls.__mro__)


def _public(cls: type, name: str) -> tuple[str, ...]:
    return () if name.startswith("_") else tuple(known for known in dir(cls) if not known.startswith("_"))


def explained_methods(cls: C) -> C:
    """Let every public method of ``cls`` say which arguments it takes; see ``explained``."""
    for name, member in list(vars(cls).items()):
        if not name.startswith("_") and inspect.isfunction(member):
            setattr(cls, name, explained(member))
    return cls
