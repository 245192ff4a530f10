"""``MetCategories``: remembers, for each comparison with a constant, the categories that batches have shown.

``ordering`` explains what it is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from sabotnb.errors import TypeMismatch
from sabotnb.expr.column_errors import type_mismatch
from sabotnb.expr.expression_nodes import Call, Column, Node, walk
from sabotnb.expr.expression_text import text
from sabotnb.native import Categories


class MetCategories:
    """The categories that the batches of one reader have shown, for each comparison with constants."""

    def __init__(self) -> None:
        self._by_node: dict[Call, tuple[Categories, Sequence[pa.Scalar]]] = {}

    def of(self, node: Call, constants: Sequence[pa.Scalar], order: pa.Array | None) -> Categories:
        """The categories seen so far by ``node``, which compares with ``constants``; ``order`` are those planned."""
        if node not in self._by_node:
            self._by_node[node] = categories_of(name_of(node), order), constants
        return self._by_node[node][0]

    def check(self) -> None:
        """Raise a TypeMismatch for a constant that no dictionary listed."""
        for node, (categories, constants) in self._by_node.items():
            with pointing_at(node):
                for constant in constants:
                    categories.code(constant)


def categories_of(name: str, order: pa.Array | None) -> Categories:
    """Categories that begin with ``order``; errors call them ``name``."""
    categories = Categories(name)
    if order is not None:
        categories.take(order)
    return categories


def name_of(node: Node) -> str:
    """The name of the first column in ``node``, or else its text."""
    return next((part.name for part in walk(node) if isinstance(part, Column)), text(node))


@contextmanager
def pointing_at(node: Call) -> Iterator[None]:
    """Add the text of ``node`` to errors about categories."""
    try:
        yield
    except TypeMismatch as mismatch:
        raise type_mismatch(f"{text(node)}\n{mismatch}", node) from None
