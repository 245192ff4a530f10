"""``MetCategories``: remembers, for each comparison with a constant, the categories that batches have shown.

``ordering`` explains what it is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sabotnb.errors import TypeMismatch
from sabotnb.expr.column_errors import type_mismatch
from sabotnb.expr.expression_nodes import Call, Column, walk
from sabotnb.expr.expression_text import text
from sabotnb.native import Categories


class MetCategories:
    """The categories that the batches of one reader have shown, for each comparison with constants."""

    def __init__(self) -> None:
        self._by_node: dict[Call, tuple[Categories, Sequence[str]]] = {}

    def of(self, node: Call, constants: Sequence[str]) -> Categories:
        """The categories seen so far by ``node``, which compares with ``constants``."""
        if node not in self._by_node:
            name = next((part.name for part in walk(node) if isinstance(part, Column)), text(node))
            self._by_node[node] = Categories(name), constants
        return self._by_node[node][0]

    def check(self) -> None:
        """Raise a TypeMismatch for a constant that no dictionary listed."""
        for node, (categories, constants) in self._by_node.items():
            with pointing_at(node):
                for constant in constants:
                    categories.code(constant)


@contextmanager
def pointing_at(node: Call) -> Iterator[None]:
    """Add the text of ``node`` to errors about categories."""
    try:
        yield
    except TypeMismatch as mismatch:
        raise type_mismatch(f"{text(node)}\n{mismatch}", node) from None
