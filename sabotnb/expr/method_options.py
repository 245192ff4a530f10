"""The table of constant arguments of expression methods; they are checked where the method is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sabotnb.errors import TypeMismatch
from sabotnb.expr.arguments import whole


@dataclass(frozen=True, slots=True)
class OptionKind:
    """A kind of argument: ``takes`` describes it; ``read`` returns the value as plain Python, or raises TypeError."""

    takes: str
    read: Callable[[Any], Any]


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError
    return str(given)  # a plain str, also for subclasses such as NumPy's


def _flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise TypeError
    return given


def _whole(given: Any) -> int:
    return whole(given, TypeError())


def _number(given: Any) -> float:
    if isinstance(given, bool):
        raise TypeError
    return given if isinstance(given, int | float) else float(given.item())


def _or_none(kind: OptionKind) -> OptionKind:
    return OptionKind(f"{kind.takes} or None", lambda given: None if given is None else kind.read(given))


_TEXT = OptionKind("text", _text)
_FLAG = OptionKind("True or False", _flag)
_WHOLE = OptionKind("a whole number", _whole)
_NUMBER = OptionKind("a number", _number)

_PATTERN = {"pattern": _TEXT, "literal": _FLAG}
OPTIONS: Mapping[str, tuple[str, Mapping[str, OptionKind]]] = {
    "str.strip": (".str.strip(' -')", {"characters": _or_none(_TEXT)}),
    "str.contains": (".str.contains('ab')", _PATTERN),
    "str.starts_with": (".str.starts_with('a') | col('x').str.starts_with('b')", {"prefix": _TEXT}),
    "str.ends_with": (".str.ends_with('a') | col('x').str.ends_with('b')", {"suffix": _TEXT}),
    "str.replace": (".str.replace('a', 'b')", {**_PATTERN, "value": _TEXT}),
    "str.slice": (".str.slice(0, 2)", {"offset": _WHOLE, "length": _or_none(_WHOLE)}),
    "str.split": (".str.split(',')", {"by": _TEXT}),
    "str.to_datetime": (".str.to_datetime('%d.%m.%Y %H:%M')", {"format": _or_none(_TEXT)}),
    "dt.strftime": (".dt.strftime('%Y-%m-%d')", {"format": _TEXT}),
    "dt.convert_time_zone": (".dt.convert_time_zone('Europe/Berlin')", {"zone": _TEXT}),
    "list.get": (".list.get(0)", {"index": _WHOLE}),
    "struct.field": (".struct.field('name')", {"name": _TEXT}),
    "round": (".round(2)", {"decimals": _WHOLE}),
    "log": (".log(10)", {"base": _or_none(_NUMBER)}),
}
"""A call to copy, and the kind of each argument, by function."""


def checked(fn: str, options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the options of a call of ``fn``, sorted by name; TypeMismatch for an option of the wrong kind."""
    example, kinds = OPTIONS.get(fn, ("", {}))
    return tuple(sorted((name, _read(fn, name, given, kinds, example)) for name, given in options.items()))


def _read(fn: str, name: str, given: Any, kinds: Mapping[str, OptionKind], example: str) -> Any:
    if name not in kinds:
        return given
    try:
        return kinds[name].read(given)
    except (TypeError, AttributeError, ValueError):
        found = f"{given!r} ({type(given).__name__})"
        method = fn if "." not in fn else f".{fn}"
        raise TypeMismatch(f"{method} takes {kinds[name].takes} for {name}, not {found}; write {example}") from None
