"""Formats rows as CSV text (RFC 4180, lines end in a line feed), column by column.

Text is always quoted, so that an empty text differs from a null, which is an empty field. Times are ISO 8601 with a
space between date and time; those with a zone are in UTC.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.connectors.file_schemas import is_text
from sabotnb.connectors.formats.text_columns import Unwritable, check_years, concatenated, float_texts, joined, utc
from sabotnb.errors import SinkError


def csv_header(schema: pa.Schema) -> bytes:
    """The line of column names."""
    names = [name.replace('"', '""') for name in schema.names]
    return (",".join(f'"{name}"' for name in names) + "\n").encode()


def csv_lines(batch: pa.RecordBatch) -> bytes:
    """One line for each record, each with a line feed."""
    if not batch.num_columns or not batch.num_rows:
        return b""
    parts: list[pa.LargeStringArray | str] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            check_years(column)
        except Unwritable as error:
            raise SinkError(
                f"column {name!r} has {error}, which CSV cannot hold: write Parquet or Arrow IPC"
            ) from error
        parts += [*([","] if parts else []), _texts(column).fill_null("")]
    return concatenated(joined(*parts, "\n"))


def _texts(column: pa.Array) -> pa.LargeStringArray:
    if pa.types.is_floating(column.type):
        return float_texts(column)
    texts = utc(column).cast(pa.large_string())
    if not is_text(column.type):
        return texts
    if pc.any(pc.match_substring(texts, '"')).as_py():
        texts = pc.replace_substring(texts, '"', '""')
    return joined('"', texts, '"')
