"""Compares the results of two engines: the same rows in any order, floats up to 1e-9 relative, the rest exactly.

Rows are matched by a hash of their exact columns, then by their floats, so answers of ten million rows can be compared
too. A column is exact if both engines return an exact type; whole decimals (DuckDB's sums of integers) count as
integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    import polars as pl

RELATIVE = 1e-9
ABSOLUTE = 1e-12
"""For floats that are zero up to rounding."""


def read_answer(path: Path) -> pa.Table:
    """An answer that an engine's process wrote."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def difference(expected: pa.Table, found: pa.Table, columns: Sequence[str] = ()) -> str:
    """How ``found`` differs from ``expected``, in ``columns`` (default: all); empty if it does not."""
    names = sorted(columns or expected.column_names)
    if missing := set(names) - set(found.column_names):
        return f"lacks the columns {', '.join(sorted(missing))}"
    if not columns and (more := set(found.column_names) - set(names)):
        return f"has the further columns {', '.join(sorted(more))}"
    if expected.num_rows != found.num_rows:
        return f"has {found.num_rows:,} rows instead of {expected.num_rows:,}"
    return _difference_of_values(_frame(expected.select(names)), _frame(found.select(names)))


def _difference_of_values(expected: pl.DataFrame, found: pl.DataFrame) -> str:
    names = expected.columns
    floats = [name for name in names if expected[name].dtype.is_float() or found[name].dtype.is_float()]
    exact = [name for name in names if name not in floats]
    if types := [name for name in exact if expected[name].dtype != found[name].dtype]:
        return f"column {types[0]} is {found[types[0]].dtype} instead of {expected[types[0]].dtype}"
    expected, found = _ordered(expected, exact, floats), _ordered(found, exact, floats)
    for name in exact:
        differs = expected[name].ne_missing(found[name]).to_numpy()
        if differs.any():
            return _first(name, expected, found, differs)
    for name in floats:
        values = _floats(found, name), _floats(expected, name)
        near = np.isclose(*values, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        if not near.all():
            return _first(name, expected, found, ~near)
    return ""


def _frame(table: pa.Table) -> pl.DataFrame:
    """The table with one type for each kind of value."""
    import polars as pl

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.select(pl.col(name).cast(_common(dtype)) for name, dtype in frame.schema.items())


def _common(dtype: pl.DataType) -> pl.DataType | type[pl.DataType]:
    import polars as pl

    if dtype.is_integer() or (isinstance(dtype, pl.Decimal) and dtype.scale == 0):
        return pl.Int64
    if dtype.is_float() or dtype.is_decimal():
        return pl.Float64
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us")
    return dtype


def _ordered(frame: pl.DataFrame, exact: list[str], floats: list[str]) -> pl.DataFrame:
    """Rows in an order that depends on their values alone."""
    keys: list[npt.NDArray[np.generic]] = [_floats(frame, name) for name in reversed(floats)]
    if exact:
        keys.append(frame.select(exact).hash_rows(seed=0).to_numpy())
    return frame[np.lexsort(keys)]


def _floats(frame: pl.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """Nulls are NaN here: no query of a suite returns both."""
    import polars as pl

    return frame[name].cast(pl.Float64).to_numpy()


def _first(name: str, expected: pl.DataFrame, found: pl.DataFrame, differs: npt.NDArray[np.bool_]) -> str:
    row = int(np.argmax(differs))
    return f"column {name} is {found[name][row]!r} instead of {expected[name][row]!r} in row {found.row(row)}"
