"""Values for every field of a dataclass, so that a codec that leaves one out is found."""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum


def filled(annotation):  # noqa: PLR0911  one case per kind of annotation
    """Return a value of the annotated type. No field of a dataclass in it has its default."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return filled(next(argument for argument in arguments if argument is not types.NoneType))
    if origin is tuple:
        return tuple(map(filled, arguments[:1] if arguments[1:] == (...,) else arguments))
    if origin is frozenset:
        return frozenset({filled(arguments[0])})
    if origin is not None and issubclass(origin, Mapping):
        return {filled(arguments[0]): filled(arguments[1])}
    if is_dataclass(annotation):
        return _filled_fields(annotation)
    if isinstance(annotation, type) and issubclass(annotation, tuple):  # with named fields
        return annotation(*map(filled, typing.get_type_hints(annotation).values()))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return list(annotation)[-1]
    return _VALUES[annotation]


def _filled_fields(cls):
    hints = typing.get_type_hints(cls)
    known = [(field.name, hints[field.name], _default(field)) for field in fields(cls)]
    value = cls(**{name: default is not True if hint is bool else filled(hint) for name, hint, default in known})
    for name, _, default in known:
        assert getattr(value, name) != default, f"{cls.__name__}.{name} has its default"
    return value


def _default(field):
    return field.default if field.default_factory is MISSING else field.default_factory()


_VALUES = {str: "text", int: 7, float: 2.5, bool: True, typing.Any: {"nested": [1, "two", None]}}
