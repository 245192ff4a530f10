"""Encode dataclasses of plain data as JSON and decode them: requests of jobs, descriptions of checkpoints.

Unlike specs of operators, they have no functions and no tables, and their mappings may have dataclasses as values,
which annotations tell the decoder. Fields with their default value are left out, so that what an earlier version wrote
stays readable when a field with a default is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from sabotnb.graph.dataclass_codec import Json, JsonDecoder, is_default


def write_plain(value: Any) -> Json:
    """Return ``value`` as JSON-able data. What it does not know it returns as it is, and ``json`` refuses it.

    Raises:
        TypeError: a key of a mapping is not a string.
    """
    match value:
        case Enum():
            return value.value
        case Mapping():
            return {_key(key): write_plain(item) for key, item in value.items()}
        case list() | tuple():
            return [write_plain(item) for item in value]
        case frozenset():
            return sorted(write_plain(item) for item in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {
                field.name: write_plain(content)
                for field in fields(value)
                if not is_default(field, content := getattr(value, field.name))
            }
    return value


def read_plain(annotation: Any, data: Json) -> Any:
    """Return what ``write_plain`` returned as a value of the annotated type.

    Raises:
        GraphError, TypeError, ValueError, KeyError: ``data`` is not of that type, or has fields of a newer version.
    """
    return JsonDecoder({}, {}, {}).read(annotation, data)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{key!r} is a key of a dict, and JSON has only strings there")
    return key
