"""Pickle functions and values of the user into ``Function`` and ``Value``, or report why they cannot be pickled."""

from __future__ import annotations

import hashlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from types import CodeType, ModuleType
from typing import Any

from sabotnb.blobs.fingerprint import closed_over, fingerprint
from sabotnb.blobs.function import Function
from sabotnb.blobs.origin import Origin, call_site, line_label
from sabotnb.blobs.travel import modules_by_value
from sabotnb.blobs.value import Value
from sabotnb.config import Config
from sabotnb.errors import FunctionError, UnpicklableFunction

_EXAMPLES = {
    "map_rows": "lambda row: row",
    "reduce": "lambda left, right: left",
    "partition_by": "lambda batch, tasks: pa.array([0] * batch.num_rows)",
    "from_generator": "lambda: [{'x': 1}], {'x': 'int64'}",
}


def _example(what: str) -> str:
    return f"{what}({_EXAMPLES.get(what, 'lambda batch: batch')})"


def capture(fn: Callable[..., Any], what: str) -> Function:
    """Pickle ``fn`` for the method ``what`` (``map_batches``); modules in the folder of the notebook go by value.

    Raises:
        UnpicklableFunction: it uses something that cannot be pickled, or more than ``Config.function_bytes``.
        FunctionError: it cannot be called.
    """
    if not callable(fn):
        raise FunctionError(f"{what} takes a function, not {fn!r} ({type(fn).__name__}); write {_example(what)}")
    name, origin = _name(fn), _origin(fn)
    with modules_by_value():
        pickled = _pickled(fn, f"{name} ({origin}), the function of {what},", _values(fn))
        return Function(hashlib.sha256(pickled).hexdigest(), fingerprint(fn), name, origin, pickled)


def capture_value(value: Mapping[str, Any], what: str) -> Value:
    """Pickle values by name for ``what`` (``init of reduce``).

    Raises:
        UnpicklableFunction: one cannot be pickled, or together they exceed ``Config.function_bytes``.
    """
    with modules_by_value():
        pickled = _pickled(value, what, value)
        return Value(hashlib.sha256(pickled).hexdigest(), fingerprint(value), pickled)


def _pickled(content: Any, subject: str, parts: Mapping[str, Any]) -> bytes:
    """Return ``content`` as bytes; errors call it ``subject`` and blame one of ``parts``, its values by name."""
    from sabotnb.blobs import code_pickler  # imports cloudpickle, which a stream without functions does not need

    try:
        pickled = code_pickler.dumps(content)
    except Exception as error:
        raise UnpicklableFunction(f"{subject} cannot be sent to the workers: {_culprit(parts, error)}") from error
    limit = Config.from_environment().function_bytes
    if len(pickled) > limit:
        raise UnpicklableFunction(
            f"{subject} has {_megabytes(len(pickled))} MB pickled, the limit is {_megabytes(limit)} MB: "
            f"{_largest(parts)}. Read such data inside the function, join with it as a Stream, or set "
            "SABOTNB_FUNCTION_BYTES"
        )
    return pickled


def _culprit(parts: Mapping[str, Any], error: Exception) -> str:
    guilty = [f"{name!r} ({_type_name(value)})" for name, value in parts.items() if _size(value) is None]
    if not guilty:
        return f"{type(error).__name__}: {error}. Use plain data and functions of modules instead"
    pronoun = "it" if len(guilty) == 1 else "them"
    return f"it uses {', '.join(guilty)}, which cannot be pickled. Make {pronoun} inside the function, from plain data"


def _largest(parts: Mapping[str, Any]) -> str:
    sizes = {name: _size(value) or 0 for name, value in parts.items()}
    if not sizes:
        return "its own code is that large"
    name = max(sizes, key=sizes.__getitem__)
    return f"{name!r}, which it uses, has {_megabytes(sizes[name])} MB"


def _values(fn: Callable[..., Any]) -> Mapping[str, Any]:
    return {name: value for name, value in closed_over(fn).items() if not isinstance(value, ModuleType)}


def _size(value: Any) -> int | None:
    """Return the size of ``value`` pickled, in bytes; None if it cannot be pickled."""
    import cloudpickle

    try:
        return len(cloudpickle.dumps(value))
    except Exception:  # noqa: BLE001  __reduce__ of a value may raise anything; this only asks whether it does
        return None


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.1f}"


def _name(fn: Callable[..., Any]) -> str:
    inner = getattr(fn, "func", fn)  # of a functools.partial
    return str(getattr(inner, "__name__", type(inner).__name__))


def _origin(fn: Callable[..., Any]) -> Origin:
    """Return where ``fn`` is defined, with its source; for a callable that has no code, the line that passed it.

    A class has the line of its first method.
    """
    code = _first_method(fn) if isinstance(fn, type) else getattr(fn, "__code__", None)
    if not isinstance(code, CodeType):
        return call_site()
    try:
        text = textwrap.dedent(inspect.getsource(code)).rstrip()
    except OSError:  # defined at a prompt or by exec
        text = ""
    return Origin(line_label(code.co_filename, code.co_firstlineno), text)


def _first_method(cls: type) -> CodeType | None:
    codes = [code for member in vars(cls).values() if isinstance(code := getattr(member, "__code__", None), CodeType)]
    return min(codes, key=lambda code: code.co_firstlineno, default=None)
