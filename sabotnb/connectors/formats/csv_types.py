"""Infers the types of CSV columns from the first block of a file."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from sabotnb.connectors.file_schemas import is_text, types_of
from sabotnb.connectors.folders.paths import reading
from sabotnb.connectors.formats.byte_ranges import line_breaks, record_end
from sabotnb.connectors.formats.csv_faults import fault, lines_before, rounded
from sabotnb.connectors.formats.csv_fitting import exact_type, first_rounded
from sabotnb.connectors.formats.csv_header import header
from sabotnb.connectors.formats.csv_parsing import Dialect, Records, whole_block
from sabotnb.connectors.formats.number_types import may_be_rounded
from sabotnb.errors import SourceError

FIRST_RECORDS = 100


def infer(file: str, dialect: Dialect, decided: Container[str], first_block: int, *, is_all: bool = False) -> pa.Schema:
    """The types of the columns in the first block. Those in ``decided`` are not checked: the user gives their types.

    A column that would be text only because of values behind its first records is refused, and so are numbers that no
    type holds without rounding an integer. ``is_all`` is true if the source has no other file.
    """
    names, start = header(file, dialect)
    whole, is_end = _first_block(file, start, first_block)
    if not whole.strip():
        return pa.schema([(name, pa.null()) for name in names])
    records = Records(file, (start, start + len(whole)), names, dialect, dict.fromkeys(names, pa.float64()), (), is_all)
    try:
        table = whole_block(whole, names, dialect)
        few = whole_block(whole[: _records_end(whole, FIRST_RECORDS) or len(whole)], names, dialect).schema
        types = {
            name: began
            for name, began, became in zip(names, few.types, table.schema.types, strict=True)
            if is_text(became) and not is_text(began) and not pa.types.is_null(began) and name not in decided
        }
        if types:  # raises at the first value that does not fit
            records = replace(records, types=types)
            whole_block(whole, names, dialect, types=pa.schema(types.items()))
    except pa.ArrowInvalid as error:
        raise fault(error, records) from error
    if is_end:
        _refuse_open_quote(file, start, whole, names, dialect)
    inferred = types_of(table.schema)
    for name, column in zip(names, table.columns, strict=True):
        if pa.types.is_floating(column.type) and name not in decided and may_be_rounded(column):
            inferred[name] = _exact(records, whole, name)
        if pa.types.is_timestamp(column.type):
            inferred[name] = _time_type(records, whole, name, column.type)
    return pa.schema([(name, inferred[name]) for name in names])


def _time_type(records: Records, block: bytes, name: str, inferred: pa.TimestampType) -> pa.DataType:
    """Microseconds, or nanoseconds if a value has more digits than microseconds hold."""
    coarse = pa.timestamp("us", inferred.tz)
    if inferred.unit == "ns":  # Arrow infers it for every fraction of a second
        try:
            whole_block(block, records.names, records.dialect, types=pa.schema({name: coarse}), columns=[name])
        except pa.ArrowInvalid:
            return inferred
    return coarse


def _exact(records: Records, block: bytes, name: str) -> pa.DataType:
    """The type of a column of numbers that a double might round; raises if no type holds them exactly."""
    exact = exact_type(block, records.names, name, records.dialect)
    if exact is not None:
        return exact
    value = first_rounded(records, name)
    if value is None:
        return pa.float64()
    raise rounded(records, name, value)


def _first_block(file: str, start: int, least: int) -> tuple[bytes, bool]:
    """Whole records, and whether they are all of the file; over ``least`` bytes only if the first one is longer."""
    with reading(file), Path(file).open("rb") as opened:
        opened.seek(start)
        block = opened.read(least)
        while (more := opened.read(max(len(block), 1))) and record_end(block) is None:
            block += more
    return (block[: _records_end(block)], False) if more else (block, True)


def _refuse_open_quote(file: str, start: int, rest: bytes, names: Sequence[str], dialect: Dialect) -> None:
    """Refuse a file whose last record contains the rest of the file because a quote is not closed."""
    last = rest[_records_end(rest) :]
    spread = line_breaks(last.rstrip()) and not last.rstrip().endswith(b'"')
    if spread and line_breaks(_last_field(rest, names, dialect)):
        line = lines_before(file, start + len(rest) - len(last)) + 1
        raise SourceError(f"'{file}', line {line}: a quote that begins here is never closed: correct the file")


def _last_field(block: bytes, names: Sequence[str], dialect: Dialect) -> bytes:
    texts = pa.schema([(name, pa.binary()) for name in names])
    table = whole_block(block, names, replace(dialect, null_values=()), types=texts)
    value: bytes = table.column(len(names) - 1)[-1].as_py()
    return value


def _records_end(block: bytes, most: int | None = None) -> int:
    """The offset behind the last whole record of ``block``, or behind record number ``most``."""
    at = count = 0
    while count != most and (end := record_end(block, at)) is not None:
        at, count = end, count + 1
    return at
