"""Whether a function is still the one it was: by source text and closed-over values, not by pickle bytes."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from sabotnb.blobs.travel import is_local


def fingerprint(function: Callable[..., Any]) -> str:
    """A sha256 that is equal for functions of equal text that use equal values.

    Comments count, places do not. A lambda counts by its byte code, because its line has more than itself.
    """
    digest = hashlib.sha256()
    for part in _parts(function, set()):
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()


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


def _parts(value: Any, seen: set[int]) -> Iterator[str | bytes]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, ModuleType):
        yield value.__name__
    elif isinstance(value, FunctionType | type | BuiltinFunctionType) and not _is_users(value):
        yield f"{value.__module__}.{value.__qualname__}"
    elif isinstance(value, FunctionType | MethodType | functools.partial):
        yield from _function_parts(value, seen)
    elif isinstance(value, type):
        yield from _class_parts(value, seen)
    else:
        yield _value_part(value)


def _function_parts(function: Any, seen: set[int]) -> Iterator[str | bytes]:
    if isinstance(function, functools.partial):
        yield from _parts(function.func, seen)
    elif isinstance(function, MethodType):
        yield from _parts(function.__func__, seen)
    else:
        yield from _text(function)
    for name, used in sorted(closed_over(function).items()):
        yield name
        yield from _parts(used, seen)


def _class_parts(cls: type, seen: set[int]) -> Iterator[str | bytes]:
    yield cls.__qualname__
    for name, member in sorted(vars(cls).items()):
        function = getattr(member, "__func__", member)
        if isinstance(function, FunctionType):
            yield name
            yield from _function_parts(function, seen)
        elif not name.startswith("__"):
            yield name
            yield from _parts(member, seen)


def _text(function: FunctionType) -> Iterator[str | bytes]:
    if function.__name__ != "<lambda>":
        try:
            yield textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):  # typed at a prompt, or made by exec
            pass
        else:
            return
    yield from _code_parts(function.__code__)


def _code_parts(code: CodeType) -> Iterator[str | bytes]:
    yield code.co_code
    yield repr((code.co_names, code.co_varnames, code.co_freevars))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_parts(constant)
        else:
            yield repr(constant)


def _value_part(value: Any) -> bytes:
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001  anything can refuse to be pickled; capture says so, with the variable's name
        return repr(type(value)).encode()
    return hashlib.sha256(pickled).digest()


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
