"""Generates the front end's types from the messages: ``python -m sabotnb.widgets.typescript``.

A test checks that ``widgets/src/messages.ts`` equals this output, so that page and kernel have the same types.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sabotnb.widgets import messages

HEAD = "// Written by `python -m sabotnb.widgets.typescript` from sabotnb/widgets/messages.py: change it there.\n"
PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", Any: "unknown"}


def source() -> str:
    """Return the TypeScript of every message and of the types in it."""
    return "\n".join([HEAD, *(_interface(message) for message in _message_types())])


def _message_types() -> list[type]:
    known: dict[type, None] = {}
    waiting = list(messages.MESSAGES)
    while waiting:
        message = waiting.pop(0)
        if message not in known:
            known[message] = None
            waiting.extend(inner for kind in get_type_hints(message).values() for inner in _dataclasses(kind))
    return list(known)


def _dataclasses(kind: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        yield kind
    for inner in get_args(kind):
        yield from _dataclasses(inner)


def _interface(message: type) -> str:
    hints = get_type_hints(message)
    fields = "".join(f"  {field.name}: {_type(hints[field.name])};\n" for field in dataclasses.fields(message))
    return f"export interface {message.__name__} {{\n{fields}}}\n"


def _type(kind: Any) -> str:
    """Return the TypeScript of a Python type; for a message, its name."""
    inside = get_args(kind)
    origin = get_origin(kind)
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in inside)
    if origin in (Union, types.UnionType):
        return " | ".join(map(_type, inside))
    if origin is tuple and inside[-1] is Ellipsis:
        inner = _type(inside[0])
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if origin is tuple:
        return f"[{', '.join(map(_type, inside))}]"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"Record<{_type(inside[0])}, {_type(inside[1])}>"
    return PLAIN[kind] if kind in PLAIN else str(kind.__name__)


if __name__ == "__main__":
    sys.stdout.write(source())
