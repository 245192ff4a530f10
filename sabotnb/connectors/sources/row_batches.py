"""Converts dicts to record batches, with errors that name the row and the column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.errors import SabotnbError
from sabotnb.expr import ColumnMisfit, exact_batch


def batch_of(
    rows: Sequence[Mapping[str, Any]], schema: pa.Schema, failure: type[SabotnbError], subject: str
) -> pa.RecordBatch:
    """One batch of ``schema``; a missing key is null.

    A value that does not fit raises ``failure``; its message begins with ``subject`` and the row's number from 0.
    """
    names = set(schema.names)
    for number, row in enumerate(rows):
        if not row.keys() <= names:
            strange = next(name for name in row if name not in names)
            raise failure(f"{subject} {number} has {strange!r}, but the columns are {', '.join(schema.names)}: "
                          "add it to the schema, or leave it out of the rows")  # fmt: skip
    try:
        return exact_batch(rows, schema)
    except ColumnMisfit as misfit:
        raise failure(_problem(misfit, subject)) from misfit


def _problem(misfit: ColumnMisfit, subject: str) -> str:
    column = misfit.column
    if misfit.position is None:
        return f"{subject}s do not fit column {column.name!r} ({column.type}): {misfit}"
    if misfit.value is None:
        return f"{subject} {misfit.position} has no {column.name!r}, which may not be null: give a value"
    return (
        f"{subject} {misfit.position}: {misfit.what} is not of type {column.type} for column {column.name!r}: "
        "change the value or the schema"
    )
