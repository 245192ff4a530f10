"""Parse schemas and types as users write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from sabotnb.errors import SchemaError
from sabotnb.expr import type_of
from sabotnb.native import plain_schema


def as_schema(given: Any) -> pa.Schema:
    """A ``pyarrow.Schema``, from one or from ``{name: type}``; types by object, Python type or name (``"int64"``).

    View types, which operators cannot take rows from, become plain types, as in sources.
    """
    return plain_schema(given if isinstance(given, pa.Schema) else pa.schema(list(as_types(given).items())))


def as_types(given: Any) -> dict[str, pa.DataType]:
    """Types by column name, from a mapping or a schema."""
    if isinstance(given, pa.Schema):
        return dict(zip(given.names, given.types, strict=True))
    if isinstance(given, Mapping):
        return {name: type_of(kind) for name, kind in given.items()}
    raise SchemaError(f"schema is {type(given).__name__}; give a pyarrow.Schema or {{'name': 'int64', ...}}")
