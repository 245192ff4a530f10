"""Reads or makes up the column names of a CSV file, and detects a separator other than the expected one."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from sabotnb.connectors.folders.paths import reading
from sabotnb.connectors.formats.byte_ranges import record_end
from sabotnb.connectors.formats.csv_parsing import Dialect
from sabotnb.errors import SourceError

HEAD_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"
_OTHER_SEPARATORS = ";\t|"


def header(file: str, dialect: Dialect) -> tuple[list[str], int]:
    """The column names of ``file`` and the offset of its first record; ``column_1`` and so on without a header."""
    head, start, end = _head(file)
    try:
        text = head[start:end].decode(dialect.encoding)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"the first line of '{file}' is not {dialect.encoding.upper()} text: pass its encoding, "
            "such as encoding='cp1252', or save the file as UTF-8"
        ) from error
    names = _fields(text, dialect.separator)
    if not names:
        raise SourceError(f"'{file}' has no header line: write the column names into its first line")
    if dialect.has_header:
        return names, end
    # Empty lines in front of the first record are rows of nulls if there is one column.
    return [f"column_{number}" for number in range(1, len(names) + 1)], _text_start(head)


def check_separator(file: str, dialect: Dialect) -> None:
    """Raise a SourceError if ``file`` would have one column, but its first lines seem to have another separator."""
    head, start, end = _head(file)
    first = head[start:end].decode(dialect.encoding, errors="replace")
    if len(_fields(first, ",")) != 1:
        return
    second = head[end : record_end(head, end)].decode(dialect.encoding, errors="replace")
    described = "named" if dialect.has_header else "that begins with"
    for separator in _OTHER_SEPARATORS:
        fields = len(_fields(first, separator))
        if fields > 1 and (not second.strip() or len(_fields(second, separator)) == fields):
            raise SourceError(
                f"'{file}' would be one column {described} {first.strip()!r}: its fields seem to be separated by "
                f"{separator!r}. Pass separator={separator!r}, or separator=',' if it is one column"
            )


def _head(file: str) -> tuple[bytes, int, int]:
    """The beginning of ``file``, and the offsets at which its first line begins and ends."""
    with reading(file), Path(file).open("rb") as opened:
        head = opened.read(HEAD_BYTES)
        while True:
            start = _text_start(head)
            while head[start : start + 1] in (b"\r", b"\n"):
                start += 1
            end = record_end(head, start)
            if end is not None:
                return head, start, end
            more = opened.read(max(len(head), 1))
            if not more:
                return head, start, len(head)
            head += more


def _text_start(head: bytes) -> int:
    return len(_BOM) if head.startswith(_BOM) else 0


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line, newline=""), delimiter=separator), [])
    except csv.Error:  # a field is longer than the csv module accepts
        return [line]
