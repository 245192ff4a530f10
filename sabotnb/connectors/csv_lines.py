"""Rows as CSV text (RFC 4180, lines end in a line feed), made column by column.

Text is always in quotes, so that an empty text and a null (nothing at all) differ; times are ISO 8601 with a blank.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.connectors.schemas import is_text
from sabotnb.connectors.texts import concatenated, float_texts, joined


def csv_header(schema: pa.Schema) -> bytes:
    """The line of column names."""
    names = [name.replace('"', '""') for name in schema.names]
    return (",".join(f'"{name}"' for name in names) + "\n").encode()


def csv_lines(batch: pa.RecordBatch) -> bytes:
    """One record a line, every line ended."""
    if not batch.num_columns or not batch.num_rows:
        return b""
    parts: list[pa.LargeStringArray | str] = []
    for column in batch.columns:
        parts += [*([","] if parts else []), _texts(column).fill_null("")]
    return concatenated(joined(*parts, "\n"))


def _texts(column: pa.Array) -> pa.LargeStringArray:
    if pa.types.is_floating(column.type):
        return float_texts(column)
    texts = column.cast(pa.large_string())
    if not is_text(column.type):
        return texts
    if pc.any(pc.match_substring(texts, '"')).as_py():
        texts = pc.replace_substring(texts, '"', '""')
    return joined('"', texts, '"')
