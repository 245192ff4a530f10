"""Dicts made into record batches, with errors that name row and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabotnb.errors import SabotError


def batch_of(
    rows: Sequence[Mapping[str, Any]], schema: pa.Schema, failure: type[SabotError], subject: str
) -> pa.RecordBatch:
    """One batch of ``schema``; a missing key is null.

    What does not fit raises ``failure``, whose message begins with ``subject`` and the number of the row from 0.
    """
    names = set(schema.names)
    for number, row in enumerate(rows):
        if not row.keys() <= names:
            strange = next(name for name in row if name not in names)
            raise failure(f"{subject} {number} has {strange!r}, but the columns are {', '.join(schema.names)}: "
                          "add it to the schema, or leave it out of the rows")  # fmt: skip
    arrays = [_column(rows, field, failure, subject) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(rows: Sequence[Mapping[str, Any]], field: pa.Field, failure: type[SabotError], subject: str) -> pa.Array:
    try:
        return pa.array([row.get(field.name) for row in rows], field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        for number, row in enumerate(rows):
            value = row.get(field.name)
            try:
                pa.array([value], field.type)
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
                raise failure(
                    f"{subject} {number}: {value!r} ({type(value).__name__}) is no {field.type} "
                    f"for column {field.name!r}: change the value or the schema"
                ) from error
        raise failure(f"{subject}s do not fit column {field.name!r} ({field.type}): {error}") from error
