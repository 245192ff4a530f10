"""Writes the front end's types, so that the two sides cannot drift apart: ``python -m sabotnb.widgets.typescript``.

A test checks that ``widgets/src/messages.ts`` is what this prints.
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
    """The TypeScript of every message and all that it is made of."""
    return "\n".join([HEAD, *(_interface(one) for one in _everything())])


def _everything() -> list[type]:
    found: dict[type, None] = {}
    waiting = list(messages.MESSAGES)
    while waiting:
        one = waiting.pop(0)
        if one not in found:
            found[one] = None
            waiting.extend(made for kind in get_type_hints(one).values() for made in _dataclasses(kind))
    return list(found)


def _dataclasses(kind: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        yield kind
    for inner in get_args(kind):
        yield from _dataclasses(inner)


def _interface(one: type) -> str:
    hints = get_type_hints(one)
    fields = "".join(f"  {field.name}: {_type(hints[field.name])};\n" for field in dataclasses.fields(one))
    return f"export interface {one.__name__} {{\n{fields}}}\n"


def _type(kind: Any) -> str:
    """The TypeScript of a Python type; of a message, its name."""
    inside = get_args(kind)
    origin = get_origin(kind)
    if origin is Literal:
        return " | ".join(f'"{one}"' for one in inside)
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
