"""Parses CSV text with Arrow, including records longer than Arrow's blocks and text that Arrow misreads."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from pyarrow import csv

from sabotnb.connectors.formats.byte_ranges import ByteRange
from sabotnb.errors import SourceError
from sabotnb.expr import is_hexadecimal
from sabotnb.native import plain_layout, plain_type

READ_BLOCK = 4 << 20
LONGEST_BLOCK = (1 << 31) - 2
BLOCK_TOO_SHORT = "straddling"
"""The word by which Arrow's error for a record longer than a block is recognized."""

NOT_TEXT = "invalid UTF8"
"""The words by which Arrow's error for text that is not UTF-8 is recognized."""

_MOST_UTF8_BYTES = 3
"""Bytes of UTF-8 for one byte of another encoding."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written. ``encoding`` is a name of Python's in which ASCII characters are single bytes."""

    separator: str = ","
    null_values: Sequence[str] = ("",)
    has_header: bool = True
    encoding: str = "utf-8"

    def utf8(self, block: bytes) -> bytes:
        """``block`` as UTF-8; ArrowInvalid, as Arrow raises it for text that is not UTF-8."""
        if self.encoding == "utf-8":
            return block
        try:
            return block.decode(self.encoding).encode()
        except UnicodeDecodeError as error:
            raise pa.ArrowInvalid(f"{NOT_TEXT}: {error}") from error


@dataclass(frozen=True, slots=True)
class Records:
    """The records between two offsets of a file, with all that is known before they are parsed.

    ``types`` are the types of the columns; ``declared`` are the columns whose type the user gave. ``is_all`` is true if
    the source has no other file.
    """

    file: str
    bounds: tuple[int, int]
    names: Sequence[str]
    dialect: Dialect
    types: Mapping[str, pa.DataType]
    declared: Container[str] = ()
    is_all: bool = False


def open_records(
    source: Any,
    names: Sequence[str],
    dialect: Dialect,
    *,
    block_size: int = READ_BLOCK,
    types: pa.Schema | None = None,
    columns: Sequence[str] = (),
    digits_are_booleans: bool = False,
    encoding: str = "utf-8",
) -> csv.CSVStreamingReader:
    """A reader of records; it infers types of columns that are not in ``types`` from the first block.

    ``1`` and ``0`` are inferred as integers, so they are accepted as booleans only where the user declares booleans.
    """
    trues, falses = (["true", "True", "TRUE"], ["false", "False", "FALSE"])
    if digits_are_booleans:
        trues, falses = [*trues, "1"], [*falses, "0"]
    return csv.open_csv(
        source,
        csv.ReadOptions(column_names=list(names), use_threads=False, block_size=block_size, encoding=encoding),
        # In a file with one column, an empty line is a row with a null.
        csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True, ignore_empty_lines=len(names) > 1),
        csv.ConvertOptions(
            column_types=types,
            include_columns=list(columns),
            null_values=list(dialect.null_values),
            true_values=trues,
            false_values=falses,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def whole_block(
    block: bytes,
    names: Sequence[str],
    dialect: Dialect,
    *,
    types: pa.Schema | None = None,
    columns: Sequence[str] = (),
) -> pa.Table:
    """Parse whole records as a single block. Columns with hexadecimal text become text, which is refused if typed."""
    block = dialect.utf8(block)

    def parsed(types: pa.Schema | None, columns: Sequence[str]) -> pa.Table:
        source = pa.BufferReader(block)
        return open_records(source, names, dialect, block_size=len(block) + 1, types=types, columns=columns).read_all()

    table = parsed(types, columns)
    integers = _integers(table.schema)
    if integers and has_hexadecimals(block):
        texts = parsed(pa.schema([(name, pa.string()) for name in integers]), integers)
        for name in integers:
            if not (hexadecimal := texts.column(name).filter(is_hexadecimal(texts.column(name)))):
                continue
            if types is not None and name in types.names:
                raise _no_integer(names, name, hexadecimal)
            table = table.set_column(table.schema.get_field_index(name), name, texts.column(name))
    return table


def has_hexadecimals(block: bytes) -> bool:
    """True if ``block`` may have text that Arrow reads as hexadecimal integers, of which large ones become negative."""
    return b"0x" in block or b"0X" in block


def _integers(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_integer(plain_type(field.type))]


def _no_integer(names: Sequence[str], name: str, values: pa.ChunkedArray | pa.Array) -> pa.ArrowInvalid:
    """The error that Arrow should raise for the first value of ``found``, in the form that ``csv_faults`` parses."""
    return pa.ArrowInvalid(f"CSV column #{names.index(name)}: invalid value '{values[0].as_py()}'")


class _Watched(ByteRange):
    """A byte range that records whether the bytes read so far may contain hexadecimal text.

    ``_last`` is the last byte of the previous read: ``0x`` may be split between two reads.
    """

    has_hexadecimals = False
    _last = b""

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        if not self.has_hexadecimals:
            data = bytes(memoryview(buffer)[:count])
            self.has_hexadecimals = has_hexadecimals(data) or has_hexadecimals(self._last + data[:1])
            self._last = data[-1:]
        return count


def section_batches(records: Records, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a section. If a record is longer than a block, the rest is read again with longer blocks.

    Each attempt parses from the beginning of the section and skips the rows that were yielded before, because Arrow's
    reader cannot be resumed in the middle.
    """
    types = pa.schema([(name, _parsed_as(kind)) for name, kind in records.types.items()])
    integers = [name for name in _integers(types) if name in columns]
    booleans = [name for name, kind in records.types.items() if pa.types.is_boolean(plain_type(kind))]
    has_declared = any(name in records.declared for name in booleans)
    most = (records.bounds[1] - records.bounds[0]) * _MOST_UTF8_BYTES + 1
    done, block_size, longest = 0, READ_BLOCK, min(most, LONGEST_BLOCK)
    while True:
        skip = done
        with _Watched(records.file, *records.bounds) as section:
            try:
                for batch in open_records(
                    section,
                    records.names,
                    records.dialect,
                    block_size=block_size,
                    types=types,
                    columns=columns,
                    digits_are_booleans=has_declared,
                    encoding=records.dialect.encoding,
                ):
                    if integers and section.has_hexadecimals:
                        _refuse_hexadecimals(records, integers)
                        integers = []
                    rows = batch.slice(min(skip, batch.num_rows))
                    skip -= batch.num_rows - rows.num_rows
                    if rows.num_rows:
                        yield rows
                        done += rows.num_rows
            except UnicodeDecodeError as error:
                raise pa.ArrowInvalid(f"{NOT_TEXT}: {error}") from error
            except pa.ArrowInvalid as error:
                if BLOCK_TOO_SHORT not in str(error) or block_size >= longest:
                    raise
            else:
                return
        block_size = min(4 * block_size, longest)


def _refuse_hexadecimals(records: Records, names: Sequence[str]) -> None:
    """Raise ArrowInvalid for hexadecimal text in columns of integers; reads the whole section."""
    for batch in section_batches(replace(records, types=dict.fromkeys(names, pa.string())), names):
        for name, texts in zip(names, batch.columns, strict=True):
            if hexadecimal := texts.filter(is_hexadecimal(texts)):
                raise _no_integer(records.names, name, hexadecimal)


def refuse_unreadable(types: Mapping[str, pa.DataType]) -> None:
    """Raise a SourceError for a declared type that CSV files cannot hold."""
    for name, data_type in types.items():
        try:
            whole_block(b"0\n", [name], Dialect(), types=pa.schema({name: _parsed_as(plain_layout(data_type))}))
        except pa.ArrowNotImplementedError as error:
            raise SourceError(
                f"schema= declares {name!r} as {data_type}, which CSV files cannot hold: declare pa.string()"
            ) from error
        except pa.ArrowInvalid:  # 0 is not a value of this type, so Arrow does have a parser for it
            continue


def _parsed_as(data_type: pa.DataType) -> pa.DataType:
    """The type to parse instead of one that Arrow's CSV parser lacks; it is cast later."""
    if pa.types.is_decimal256(data_type):
        return pa.string()
    return pa.float32() if pa.types.is_float16(data_type) else data_type
