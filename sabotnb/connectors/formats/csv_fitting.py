"""Finds a type that holds all values of a CSV column, for the advice in an error about one that does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb.connectors.file_schemas import settled
from sabotnb.connectors.formats.byte_ranges import ByteRange, cut_records
from sabotnb.connectors.formats.csv_header import header
from sabotnb.connectors.formats.csv_parsing import Dialect, Records, section_batches, whole_block
from sabotnb.connectors.formats.number_types import is_rounded, joint_type, may_be_rounded, number_type

SECTIONS = 4
"""The number of sections at the beginning of a file that are read for advice, in addition to the one that failed."""

_MOST_BYTES = 256 << 20
_LONG_NUMBER = r"^\s*[+-]?\d{16,}(\.\d*)?\s*$"


def fitting_type(records: Records, name: str, value: str) -> pa.DataType:
    """A type for a column whose present type does not hold ``value``; string if no narrower type is found."""
    known = records.types[name]
    _, start = header(records.file, records.dialect)
    cut = cut_records(records.file, start, separator=records.dialect.separator)
    sections = sorted({records.bounds, *cut[:SECTIONS]})
    fitting = None
    if sum(stop - start for start, stop in sections) <= _MOST_BYTES:
        block = b"\n".join(_read(records.file, section) for section in sections)
        fitting = _column_type(block, records.names, name, records.dialect)
    if fitting is None:
        fitting = number_type([*decimals([value])]) or pa.string()
    is_whole = records.is_all and len(cut) <= SECTIONS
    if is_whole and pa.types.is_int64(known) and pa.types.is_uint64(fitting):
        return fitting  # the whole file was read, and has no negative number
    joint = joint_type(known, settled(fitting))
    if joint is not None and joint.equals(known) and pa.types.is_timestamp(fitting):
        return fitting  # finer than microseconds
    return pa.string() if joint is None or joint.equals(known) else joint


def exact_type(block: bytes, names: Sequence[str], name: str, dialect: Dialect) -> pa.DataType | None:
    """The type that holds a column of numbers without rounding an integer; None if there is no such type."""
    texts = _texts(block, names, name, dialect)
    exact = number_type(decimals(texts.to_pylist()))
    has_plus = pc.any(pc.match_substring_regex(texts, r"^\s*\+")).as_py()
    return pa.decimal128(38, 0) if has_plus and pa.types.is_integer(exact) else exact  # no integer type reads +5


def first_rounded(records: Records, name: str) -> str | None:
    """The first number of a column that a double would round, as text of the file; reads the whole section."""
    texts_of = replace(records, types={name: pa.string()})
    for batch in section_batches(texts_of, [name]):
        texts = batch.column(0)
        for text in texts.filter(pc.match_substring_regex(texts, _LONG_NUMBER)).to_pylist():
            if any(map(is_rounded, decimals([text]))):
                return str(text)
    return None


def decimals(texts: Iterable[str | None]) -> Iterator[Decimal]:
    """``texts`` as decimals, without those that are not numbers."""
    for text in texts:
        if text is not None:
            try:
                yield Decimal(text.strip())
            except InvalidOperation:
                continue


def _column_type(block: bytes, names: Sequence[str], name: str, dialect: Dialect) -> pa.DataType | None:
    """The inferred type of the column; None if the records cannot be parsed."""
    try:
        (column,) = whole_block(block, names, dialect, columns=[name]).columns
    except pa.ArrowInvalid:
        return None
    if pa.types.is_floating(column.type) and may_be_rounded(column):
        return exact_type(block, names, name, dialect) or pa.string()
    return column.type


def _texts(block: bytes, names: Sequence[str], name: str, dialect: Dialect) -> pa.ChunkedArray:
    return whole_block(block, names, dialect, types=pa.schema({name: pa.string()}), columns=[name]).column(0)


def _read(file: str, bounds: tuple[int, int]) -> bytes:
    with ByteRange(file, *bounds) as section:
        return section.readall() or b""
