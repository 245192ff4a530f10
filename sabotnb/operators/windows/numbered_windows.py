"""The verb of windows that are numbered: one state for many windows, with the number of the window as its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from sabotnb.graph import Aggregate, Reduce, Window
from sabotnb.native import without_order
from sabotnb.operators.group_states import GroupState, maker_of
from sabotnb.protocol import OperatorContext

NUMBER = "\0window"
"""The column that says which window a row, or a state row of the verb, belongs to."""


def numbered(schema: pa.Schema) -> pa.Schema:
    """Rows of ``schema`` with the number of their window."""
    return schema.append(pa.field(NUMBER, pa.int64()))


def numbered_maker(spec: Window, schema: pa.Schema, ctx: OperatorContext) -> Callable[[], GroupState]:
    """Return a function that makes an empty state of the verb for rows of ``numbered(schema)``, keyed by ``NUMBER``."""
    verb = replace(spec.verb, keys=(NUMBER,))
    if isinstance(verb, Aggregate):
        verb = replace(verb, schema=numbered(schema))
    if isinstance(verb, Reduce):  # a function returns text for ordered keys; results get the keys themselves
        verb = replace(verb, schema=without_order(verb.schema))
    return maker_of(verb, numbered(schema), ctx, groups=1)
