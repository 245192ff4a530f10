"""Convert columns as users write them (names, expressions, keywords) to named expressions that fit a schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.errors import DuplicateColumn, SchemaError
from sabotnb.expr import Expr, as_column, bind, col, column_name, root_name

Column = str | Expr
Columns = Column | Sequence[Column]
Named = tuple[str, Expr]


def named(exprs: Iterable[Column], keywords: Mapping[str, object], schema: pa.Schema) -> tuple[Named, ...]:
    """Positional expressions by their root names, then keywords; every one checked against ``schema``.

    Raises ColumnNotFound or TypeMismatch for what does not fit, DuplicateColumn for a name given twice.
    """
    columns = [*((_name_of(given), as_expr(given)) for given in flat(exprs))]
    columns += [(name, as_column(value)) for name, value in keywords.items()]
    for _, expr in columns:
        bind(expr, schema)
    refuse_duplicates([name for name, _ in columns])
    return tuple(columns)


def names(columns: Sequence[Column], schema: pa.Schema) -> tuple[str, ...]:
    """Plain column names, each in ``schema``; expressions other than ``col(name)`` are refused."""
    names_ = []
    for given in flat(columns):
        name = column_name(as_expr(given))
        if name is None:
            bind(as_expr(given), schema)  # an aggregate, or a wrong column in an expression, comes first
            raise SchemaError(f"{given} is not a column; make it one first: .with_columns(key={given})")
        bind(col(name), schema)
        names_.append(name)
    refuse_duplicates(names_)
    return tuple(names_)


def as_expr(given: Column) -> Expr:
    """A name as ``col(name)``; an expression as it is. Anything else is refused."""
    if not isinstance(given, str | Expr):
        raise SchemaError(
            f"{given!r} ({type(given).__name__}) is not a column; give a name or an expression, col('x') + 1"
        )
    return as_column(given)


def flat(given: Iterable[Any]) -> tuple[Any, ...]:
    """Arguments one by one, where a list or tuple stands for several."""
    return tuple(part for item in given for part in (item if isinstance(item, list | tuple) else (item,)))


def listed(given: Column | Sequence[Column]) -> tuple[Column, ...]:
    """Return one column or several as a tuple; anything else is refused with the error for a column."""
    return (given,) if isinstance(given, str | Expr) or not isinstance(given, Iterable) else tuple(given)


def refuse_duplicates(given: Sequence[str]) -> None:
    """Raise DuplicateColumn for a name that occurs twice."""
    met: set[str] = set()
    for name in given:
        if name in met:
            raise DuplicateColumn(
                f"two columns are named {name!r}; name one of them: new_name=..., or .alias('new_name')"
            )
        met.add(name)


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """``wanted``, or ``wanted_1``, ``wanted_2``, ... if it is taken."""
    used = set(taken)
    candidate, number = wanted, 0
    while candidate in used:
        number += 1
        candidate = f"{wanted}_{number}"
    return candidate


def _name_of(given: Column) -> str:
    name = given if isinstance(given, str) else root_name(as_expr(given))
    if name is None:
        raise SchemaError(f"{given} has no name of its own; give it one: name={given}")
    return name
