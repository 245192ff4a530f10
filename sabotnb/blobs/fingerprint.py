"""Whether a function is still the one it was: by source text and closed-over values, not by pickle bytes.

Pickle bytes differ from process to process, and within one, for values that are equal: by the order of sets, which
goes by PYTHONHASHSEED, by what is the same object and what only equals it, and by ids that cloudpickle makes up for
classes of a notebook.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID

from sabotnb.blobs.function import Function
from sabotnb.blobs.origin import Origin
from sabotnb.blobs.travel import is_local

_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, type(...)})
"""Values whose text says all of them, and that have no parts."""
_FILLED = frozenset({list, set, dict, bytearray})
_CONSTANTS = (date, time, timedelta, Decimal, PurePath, UUID, Enum)
"""Objects of the standard library whose text says what they are."""


def fingerprint(value: Any) -> str:
    """A sha256 that is equal for functions of equal text that use equal values, and for equal values, in every process.

    Comments count, places do not. A lambda counts by its byte code, because its line has more than itself.
    """
    return _sha(_Walk().part(value)).hex()


def fingerprint_here(value: Any) -> str:
    """As ``fingerprint``, for a function that stays in this process and may use what could not travel.

    Objects of the user's own classes are told by their attributes, those of libraries by their class alone: a
    connection, a figure or a session leads to half of the process. So are lists, sets and dicts, which the function may
    fill itself.
    """
    return _sha(_WalkHere().part(value)).hex()


def closed_over(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Values that ``function`` uses and that travel with it: of enclosing functions, defaults, and globals."""
    if isinstance(function, MethodType):
        return {"self": function.__self__, **closed_over(function.__func__)}
    if isinstance(function, functools.partial):
        bound = {f"argument {number}": value for number, value in enumerate(function.args)}
        return {**bound, **function.keywords, **closed_over(function.func)}
    if not isinstance(function, FunctionType):
        return dict(vars(function)) if hasattr(function, "__dict__") and not isinstance(function, type) else {}
    used = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
    pairs = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    enclosed = {name: cell.cell_contents for name, cell in pairs if _filled(cell)}
    defaults = {f"default {number}": value for number, value in enumerate(function.__defaults__ or ())}
    return {**used, **enclosed, **defaults, **(function.__kwdefaults__ or {})}


class _Walk:
    """Takes a value apart: atoms are told by their text, all else by the digest of its parts, found once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, bytes]] = {}  # with the value, whose id is its own as long as it lives
        self._above: list[int] = []

    def part(self, value: Any) -> bytes:
        if type(value) in _ATOMS:
            return _atom(value)
        if id(value) in self._above:  # a function that calls itself, a list that is in itself
            return _sha("above", str(len(self._above) - self._above.index(id(value))))
        if id(value) not in self._known:
            self._above.append(id(value))
            try:
                made = _sha(*self._parts(value))
            finally:
                self._above.pop()
            self._known[id(value)] = value, made
        return self._known[id(value)][1]

    def _parts(self, value: Any) -> Iterator[str | bytes]:  # noqa: C901, PLR0912  one case per kind of value
        match value:
            case ModuleType():
                yield value.__name__
            case Function():
                yield value.fingerprint
            case Origin():
                yield "anywhere"
            case FunctionType() | type() | BuiltinFunctionType() if not _is_users(value):
                yield f"{value.__module__}.{value.__qualname__}"
            case FunctionType() | MethodType() | functools.partial():
                yield from self._of_function(value)
            case type():
                yield from self._of_class(value)
            case CodeType():
                yield from self._of_code(value)
            case list() | tuple() if type(value) in (list, tuple):
                yield type(value).__name__
                yield from map(self.part, value)
            case set() | frozenset() if type(value) in (set, frozenset):
                yield "set"
                yield from sorted(map(self.part, value))
            case dict() if type(value) is dict:
                yield "dict"
                for pair in sorted((self.part(key), self.part(item)) for key, item in value.items()):
                    yield from pair
            case property():
                yield "property"
                yield from map(self.part, (value.fget, value.fset, value.fdel))
            case _:
                yield from self._of_object(value)

    def _of_function(self, function: Any) -> Iterator[str | bytes]:
        if isinstance(function, functools.partial):
            yield self.part(function.func)
        elif isinstance(function, MethodType):
            yield self.part(function.__func__)
        else:
            yield from self._text(function)
        for name, used in sorted(closed_over(function).items()):
            yield name
            yield self.part(used)

    def _of_class(self, cls: type) -> Iterator[str | bytes]:
        yield cls.__qualname__
        yield from map(self.part, cls.__bases__)
        for name, member in sorted(vars(cls).items()):
            function = getattr(member, "__func__", member)
            if isinstance(function, FunctionType):
                yield name
                yield from self._of_function(function)
            elif not name.startswith("__"):
                yield name
                yield self.part(member)

    def _text(self, function: FunctionType) -> Iterator[str | bytes]:
        if function.__name__ != "<lambda>":
            try:
                yield textwrap.dedent(inspect.getsource(function))
            except (OSError, TypeError):  # typed at a prompt, or made by exec
                pass
            else:
                return
        yield from self._of_code(function.__code__)

    def _of_code(self, code: CodeType) -> Iterator[str | bytes]:
        yield code.co_code
        yield repr((code.co_names, code.co_varnames, code.co_freevars))
        yield from map(self.part, code.co_consts)

    def _of_object(self, value: Any) -> Iterator[str | bytes]:
        """As it would be pickled: how it is made, and of what. A cached or compiled function is what it wraps."""
        wrapped = getattr(value, "__dict__", {}).get("__wrapped__")
        if isinstance(wrapped, FunctionType):
            yield type(value).__qualname__
            yield self.part(wrapped)
            return
        try:
            made = value.__reduce_ex__(4)
        except Exception:  # noqa: BLE001  anything can refuse to be pickled; capture says so, with the variable's name
            yield _pickled(value)
            return
        parts = (made,) if isinstance(made, str) else made
        for part in parts:
            yield self.part(list(part) if isinstance(part, Iterator) else part)


class _WalkHere(_Walk):
    def _parts(self, value: Any) -> Iterator[str | bytes]:
        if type(value) in _FILLED:
            yield type(value).__name__
        else:
            yield from super()._parts(value)

    def _of_object(self, value: Any) -> Iterator[str | bytes]:
        yield f"{type(value).__qualname__} {getattr(value, '__qualname__', '')}"  # list.append has a name of its own
        attributes = {**_in_slots(value), **getattr(value, "__dict__", {})}
        if isinstance(attributes.get("__wrapped__"), FunctionType):
            yield self.part(attributes["__wrapped__"])
        elif isinstance(value, _CONSTANTS) or type(value).__module__ == "numpy":
            yield repr(value)
        elif _is_users(type(value)):
            yield self.part(type(value))
            for name, attribute in sorted(attributes.items()):
                yield name
                yield self.part(attribute)


def _in_slots(value: Any) -> dict[str, Any]:
    """Attributes that a class keeps in slots."""
    slots = (getattr(cls, "__slots__", ()) for cls in type(value).__mro__)
    names = [name for some in slots for name in ((some,) if isinstance(some, str) else some)]
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _sha(*parts: str | bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.digest()


def _atom(value: Any) -> bytes:
    text = f"{value:x}" if type(value) is int else repr(value)  # decimals of an int are limited to some thousand
    return f"{type(value).__name__} {text}".encode()


def _pickled(value: Any) -> bytes:
    """Of what only cloudpickle knows how to pickle."""
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001  as above
        return repr(type(value)).encode()
    return pickled


def _is_users(value: Any) -> bool:
    module = sys.modules.get(value.__module__ or "")
    return module is None or module.__name__ == "__main__" or is_local(module)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  an empty cell raises
    except ValueError:
        return False
    return True
