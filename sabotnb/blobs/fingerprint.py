"""Fingerprints of functions and values: equal where source text and closed-over values are equal.

Theory of operation
-------------------
A fingerprint tells whether a cell that runs again describes the same job, so it must be equal in every process. Pickle
bytes are not: they depend on the order of sets (PYTHONHASHSEED), on whether equal values are one object, and on ids
that cloudpickle generates for classes of a notebook.

``_Walk`` takes a value apart and hashes the digests of its parts, so that equal structure has an equal digest:

- *Atoms* are exact instances of a few builtin types, hashed by their text. Lists, tuples, sets and dicts are hashed by
  their items, unordered ones after sorting the digests, since items need not be comparable.
- *Functions of the user* are hashed by source text, and by all values that they close over, which follows calls of
  other functions of the user. A lambda is hashed by its byte code, because its source line may have other code too.
- *Functions and classes of libraries* are hashed by name: their contents are those of the installed package.
- *Other objects* are hashed by the result of ``__reduce_ex__``, which is how they would be pickled.

Two facts keep this finite and fast. An object that is being taken apart (``_above``) is hashed by its distance upwards,
so recursive functions and lists end. A finished object is hashed once (``_known``), by its id; the entry holds the
object too, because the id of a freed object may be used again.

``_WalkHere`` is for functions that stay in this process and may close over anything: connections, figures, sessions.
It does not follow objects of libraries, and ignores the contents of containers, which the function may fill while the
job runs; a changed list would else look like a changed function.
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
"""Types whose repr determines the value."""
_FILLED = frozenset({list, set, dict, bytearray})
"""Mutable containers, whose contents do not count in ``fingerprint_here``."""
_CONSTANTS = (date, time, timedelta, Decimal, PurePath, UUID, Enum)
"""Types of the standard library whose repr determines the value."""


def fingerprint(value: Any) -> str:
    """Return a sha256 that is equal, in every process, for equal values and for functions of equal text and values.

    Comments count; file and line do not. A lambda counts by its byte code.
    """
    return _sha(_Walk().part(value)).hex()


def fingerprint_here(value: Any) -> str:
    """Return a fingerprint of a function that stays in this process and may use values that cannot be pickled.

    Objects of the user's own classes count by their attributes, those of libraries by their class alone: a connection,
    a figure or a session refers to half of the process. Lists, sets and dicts count by their type alone, because the
    function may fill them itself.
    """
    return _sha(_WalkHere().part(value)).hex()


def closed_over(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the values that are pickled with ``function``, by name: globals, enclosed variables, defaults.

    Those of a class are its attributes, and the values of its methods.
    """
    if isinstance(function, type):
        return _closed_over_class(function)
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


def _closed_over_class(cls: type) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, member in vars(cls).items():
        method = getattr(member, "__func__", member)
        if isinstance(method, FunctionType):
            found.update(closed_over(method))
        elif not name.startswith("__"):
            found[name] = member
    return found


class _Walk:
    """Hashes a value by its parts; see the theory of operation above."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, bytes]] = {}  # the value too: it keeps its id from being reused
        self._above: list[int] = []

    def part(self, value: Any) -> bytes:
        if type(value) in _ATOMS:
            return _atom(value)
        if id(value) in self._above:  # a recursive function, a list that contains itself
            return _sha("above", str(len(self._above) - self._above.index(id(value))))
        if id(value) not in self._known:
            self._above.append(id(value))
            try:
                digest = _sha(*self._parts(value))
            finally:
                self._above.pop()
            self._known[id(value)] = value, digest
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
            except (OSError, TypeError):  # defined at a prompt or by exec
                pass
            else:
                return
        yield from self._of_code(function.__code__)

    def _of_code(self, code: CodeType) -> Iterator[str | bytes]:
        yield code.co_code
        yield repr((code.co_names, code.co_varnames, code.co_freevars))
        yield from map(self.part, code.co_consts)

    def _of_object(self, value: Any) -> Iterator[str | bytes]:
        """Yield the parts of its pickled form. A cached or compiled function counts as the function that it wraps."""
        wrapped = getattr(value, "__dict__", {}).get("__wrapped__")
        if isinstance(wrapped, FunctionType):
            yield type(value).__qualname__
            yield self.part(wrapped)
            return
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:  # noqa: BLE001  it may raise anything; capture reports it with the variable's name
            yield _pickled(value)
            return
        parts = (reduced,) if isinstance(reduced, str) else reduced
        for part in parts:
            yield self.part(list(part) if isinstance(part, Iterator) else part)


class _WalkHere(_Walk):
    def _parts(self, value: Any) -> Iterator[str | bytes]:
        if type(value) in _FILLED:
            yield type(value).__name__
        else:
            yield from super()._parts(value)

    def _of_object(self, value: Any) -> Iterator[str | bytes]:
        yield f"{type(value).__qualname__} {getattr(value, '__qualname__', '')}"  # methods of builtins have a name
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
    """Return the attributes that the class of ``value`` keeps in slots."""
    slots = (getattr(cls, "__slots__", ()) for cls in type(value).__mro__)
    names = [name for names in slots for name in ((names,) if isinstance(names, str) else names)]
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _sha(*parts: str | bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.digest()


def _atom(value: Any) -> bytes:
    text = f"{value:x}" if type(value) is int else repr(value)  # repr of an int fails above a few thousand digits
    return f"{type(value).__name__} {text}".encode()


def _pickled(value: Any) -> bytes:
    """Return the bytes of a value that only cloudpickle can pickle, or the name of its type."""
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001  it may raise anything, as above
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
