"""Explains errors of Arrow's CSV parser: finds the line and the column's name, and advises a type."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sabotnb.connectors.file_schemas import is_text
from sabotnb.connectors.formats.byte_ranges import ByteRange, line_breaks
from sabotnb.connectors.formats.csv_fitting import decimals, fitting_type
from sabotnb.connectors.formats.csv_header import header
from sabotnb.connectors.formats.csv_parsing import BLOCK_TOO_SHORT, NOT_TEXT, Dialect, Records
from sabotnb.connectors.formats.type_code import schema_code, shortened, shown
from sabotnb.errors import SourceError

_BAD_VALUE = re.compile(
    r"CSV column #(?P<column>\d+): (?:.*(?:invalid value|The string|Error converting|zone offset in) '(?P<value>.*)'"
    r"|.*Rescaling)",
    re.DOTALL,
)
_BAD_COUNT = re.compile(r"Expected (\d+) columns, got (\d+)")
_NULL_MARKERS = frozenset({"", "-", ".", "?", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "\\n", "missing"})
"""Null markers of other tools, in lower case."""

Record = Sequence[str]


def fault(error: Exception, records: Records) -> SourceError:
    """A SourceError for ``error``, raised by parsing ``records``."""
    message, file, names = str(error), records.file, records.names
    if match := _BAD_VALUE.search(message):
        column, value = int(match["column"]), match["value"]
        wrong = _has_scale_above(records.types[names[column]].scale) if value is None else _is_value(value)
        line, record = _first(records, lambda record: len(record) > column and wrong(record[column]))
        return _misfit(records, line, names[column], record[column] if record else value or "")
    if match := _BAD_COUNT.search(message):
        line, _ = _first(records, lambda record: len(record) != len(names))
        return SourceError(
            f"'{file}'{line}: {match[2]} fields, but the {_first_line(records.dialect)} has {match[1]}: "
            "correct the file; a comma inside a value must be in quotes"
        )
    if NOT_TEXT in message:
        return not_text(file, records.dialect)
    if BLOCK_TOO_SHORT in message:
        return SourceError(f"'{file}' has a record longer than 2 GiB: split it, or write the file as Parquet")
    return SourceError(f"'{file}' cannot be read as CSV ({message}): correct the file")


def rounded(records: Records, name: str, value: str) -> SourceError:
    """A SourceError for an integer in a column of doubles that no double equals."""
    column = records.names.index(name)
    line, _ = _first(records, lambda record: len(record) > column and record[column] == value)
    return SourceError(
        f"'{records.file}'{line}: column {name!r} is double by the other rows, "
        f"which would round {shortened(value)} here: "
        f"give a type that holds its digits, {schema_code(name, fitting_type(records, name, value))}, "
        f"or schema={{{name!r}: pa.float64()}} to round"
    )


def not_text(file: str, dialect: Dialect) -> SourceError:
    """A SourceError for the first record of ``file`` that is not text in the encoding of ``dialect``."""
    everything = Records(file, (0, Path(file).stat().st_size), (), dialect, {})
    line, _ = _first(everything, lambda record: any("\ufffd" in value for value in record))
    if dialect.encoding != "utf-8":
        return SourceError(f"'{file}'{line}: this is not {dialect.encoding} text: pass the encoding of the file")
    return SourceError(
        f"'{file}'{line}: this is not UTF-8 text: pass its encoding (encoding='cp1252'), save the file as UTF-8, or "
        "take bytes: schema={name: pa.binary()}"
    )


def _first_line(dialect: Dialect) -> str:
    return "header" if dialect.has_header else "first record"


def _misfit(records: Records, line: str, name: str, value: str) -> SourceError:
    data_type, nulls = records.types[name], records.dialect.null_values
    who, what = "the other rows" if _begins_file(records, line) else "the rows before", "give a type that fits all rows"
    if name in records.declared:
        who, what = "schema=", "declare what it is"
    problem = f"'{records.file}'{line}: column {name!r} is {data_type} by {who}, but has {shown(value)} here"
    if value.strip().lower() in _NULL_MARKERS and value not in nulls and not is_text(data_type):
        markers = [*nulls, value.strip()]
        return SourceError(f"{problem}: if that means null, pass null_values={markers!r}, or correct the file")
    fits = schema_code(name, fitting_type(records, name, value))
    return SourceError(f"{problem}: {what}, {fits}, or correct the file")


def _begins_file(records: Records, line: str) -> bool:
    """True if ``line``, a result of ``_first``, is that of the first row of the file."""
    if records.bounds[0] > header(records.file, records.dialect)[1]:
        return False
    return _first(records, lambda _: True)[0] == line


def _is_value(value: str) -> Callable[[str], bool]:
    return lambda field: field.strip() == value.strip()


def _has_scale_above(scale: int) -> Callable[[str], bool]:
    def has(field: str) -> bool:
        exponents = [number.as_tuple().exponent for number in decimals([field])]
        return any(isinstance(exponent, int) and -exponent > scale for exponent in exponents)

    return has


def _first(records: Records, wrong: Callable[[Record], bool]) -> tuple[str, Record | None]:
    """Text such as ``, line 1001`` for the first wrong record, and the record; empty text and None if there is none."""
    for number, record in _numbered(records):
        if wrong(record):
            return f", line {number}", record
    return "", None


def _numbered(records: Records) -> Iterator[tuple[int, Record]]:
    """The records, each with the number of the line on which it begins."""
    section = ByteRange(records.file, *records.bounds)
    with io.TextIOWrapper(io.BufferedReader(section), records.dialect.encoding, "replace", newline="") as text:
        reader = csv.reader(text, delimiter=records.dialect.separator)
        before = lines_before(records.file, records.bounds[0])
        begins = before + 1
        try:
            for record in reader:
                if record:
                    yield begins, record
                begins = before + reader.line_num + 1
        except csv.Error:  # a field is longer than the csv module accepts, so the line stays unknown
            return


def lines_before(file: str, offset: int) -> int:
    """The number of line breaks before ``offset``."""
    lines, at, before = 0, 0, b""
    with Path(file).open("rb") as opened:
        while at < offset and (block := opened.read(min(1 << 20, offset - at))):
            lines += line_breaks(before + block) - line_breaks(before)
            at, before = at + len(block), block[-1:]
    return lines
