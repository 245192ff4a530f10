"""Advice for user functions that raised because of a name, or because they expect a row and get a batch."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sabotnb.expr.column_errors import listed, nearest

ROW_BY_ROW = "this function gets a whole batch, not a row. For a function of one row write .map_rows(fn)"
FILTER_BY_ROW = (
    "this function gets a whole batch, not a row, and returns one boolean per row. Write an expression: "
    ".filter(col('x') > 1)"
)
_WHOLE_COLUMN = re.compile(r"pyarrow|truth value of a|unhashable type", re.IGNORECASE)
_QUOTED = re.compile(r"""["'](?P<name>[^"']+)["']""")
_LIBRARIES = ("pyarrow", "pandas", "polars")
_BATCHES = ("RecordBatch", "DataFrame")
_MISSING = (KeyError, AttributeError)


def misses_name(error: BaseException) -> bool:
    """True if ``error`` is about a missing name, which declaring a schema would not help."""
    return isinstance(error, _MISSING) or type(error).__name__ == "ColumnNotFoundError"  # of polars, if installed


def row_advice(error: BaseException, names: Sequence[str]) -> str:
    """Advice for a function of rows, which are dicts with the keys ``names``; empty if there is none."""
    if isinstance(error, AttributeError):
        if not isinstance(error.obj, dict):
            return ""
        column = error.name if error.name in names else nearest(error.name or "", names)
        return f"a row is a dict: row[{column!r}]" if column is not None else ""
    return _nearest_of(error, names, "The row")


def batch_advice(error: BaseException, names: Sequence[str], advice: str = ROW_BY_ROW) -> str:
    """Advice for a function of batches with columns ``names``; ``advice`` if it seems to expect a row."""
    if isinstance(error, AttributeError):
        column = error.name if error.name in names else nearest(error.name or "", names)
        if column is not None and type(error.obj).__name__ in _BATCHES:
            return f"a column of a batch is batch[{column!r}]; {advice}"
        return advice if type(error.obj).__module__.partition(".")[0] in _LIBRARIES else ""
    if isinstance(error, TypeError | ValueError) and _WHOLE_COLUMN.search(str(error)):
        return advice
    return _nearest_of(error, names, "The batch")


def _nearest_of(error: BaseException, names: Sequence[str], owner: str) -> str:
    """The nearest of ``names`` to the name that ``error`` is about."""
    if not misses_name(error) or not error.args or not isinstance(error.args[0], str):
        return ""
    text = error.args[0].partition("\n")[0]
    if "valid columns" in text:  # polars has listed the names already
        return ""
    quoted = _QUOTED.search(text)  # pyarrow and polars write a sentence, dicts and pandas the name alone
    name = quoted["name"] if quoted is not None else text
    if name in names:
        return ""
    near = nearest(name, names)
    return f"{f'did you mean {near!r}? ' if near is not None else ''}{owner} has: {listed(list(names))}"
