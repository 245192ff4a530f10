"""Equality of specs that hold expressions."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sabotnb.expr import structure


class ByStructure:
    """Equality and hash by structure, for specs with expressions: ``==`` of two expressions is an expression."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByStructure) and type(self) is type(other) and self._structure() == other._structure()

    def __hash__(self) -> int:
        return hash((type(self), self._structure()))

    def _structure(self) -> tuple[Any, ...]:
        return tuple(structure(getattr(self, item.name)) for item in fields(self))  # type: ignore[arg-type]
