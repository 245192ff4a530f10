"""The last late and failing rows of operators, as tables for a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from sabotnb.widgets import samples
from sabotnb.widgets.messages import ColumnMessage, RejectedMessage

if TYPE_CHECKING:  # names in annotations alone: a widget without a cluster needs no Dask
    from sabotnb.cluster import SampledRows

MOST_ROWS = 50
"""The maximum number of rows of an operator and kind, as each task keeps some."""
_FIRST = (ColumnMessage("time", "UTC", numeric=False), ColumnMessage("reason", "", numeric=False))


def rejected_rows(sampled: Sequence[SampledRows], operators: Collection[str]) -> tuple[RejectedMessage, ...]:
    """Return a table for each of ``operators`` and each kind of rows that it has."""
    # The schema is part of the key: a row that failed as a whole is text, and need not be the same in all tasks.
    tables: dict[tuple[str, str, pa.Schema], list[SampledRows]] = {}
    for rows in sorted(sampled, key=lambda rows: rows.time):
        if rows.operator in operators:
            tables.setdefault((rows.operator, rows.kind, rows.table.schema), []).append(rows)
    return tuple(_message(*key, batches) for key, batches in tables.items())


def _message(operator: str, kind: str, schema: pa.Schema, batches: Sequence[SampledRows]) -> RejectedMessage:
    values = samples.rows(pa.concat_tables([rows.table for rows in batches]), MOST_ROWS)
    about = [(_clock(rows.time), samples.cut(reason)) for rows in batches for reason in rows.reasons]
    shown = zip(about[len(about) - len(values) :], values, strict=True)
    columns = (*_FIRST, *samples.columns(schema))
    return RejectedMessage(operator, kind, columns, tuple((*first, *row) for first, row in shown))


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
