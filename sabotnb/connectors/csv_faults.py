"""Where in a CSV file something is wrong: line, column and value for an error that speaks of neither file nor line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path

from sabotnb.connectors.sections import Section, line_breaks
from sabotnb.errors import SourceError

_BAD_VALUE = re.compile(r"CSV column #(\d+): .*CSV conversion error to (.+?): invalid value '(.*)'", re.DOTALL)
_BAD_TEXT = re.compile(r"invalid UTF8")
_BAD_COUNT = re.compile(r"Expected (\d+) columns, got (\d+)")

Record = Sequence[str]


def fault(
    error: Exception, file: str, bounds: tuple[int, int], names: Sequence[str], declared: Container[str] = ()
) -> SourceError:
    """A SourceError for ``error``, raised by parsing the section ``bounds`` of ``file``.

    ``declared`` are columns whose type the user has said.
    """
    message = str(error)
    if found := _BAD_VALUE.search(message):
        column, data_type, value = int(found[1]), found[2], found[3]
        line = _line(file, bounds, lambda record: len(record) > column and record[column].strip() == value.strip())
        who, what = "the rows before", "give a type that fits all rows"
        if names[column] in declared:
            who, what = "schema=", "declare what it is"
        return SourceError(
            f"'{file}'{line}: column {names[column]!r} is {data_type} by {who}, but has {value!r} here: "
            f"{what}, schema={{{names[column]!r}: {fitting(value)}}}, or correct the file"
        )
    if found := _BAD_COUNT.search(message):
        line = _line(file, bounds, lambda record: len(record) != len(names))
        return SourceError(
            f"'{file}'{line}: {found[2]} fields, but the header has {found[1]}: "
            "correct the file; a comma inside of a value must be in quotes"
        )
    if _BAD_TEXT.search(message):
        return not_utf8(file)
    return SourceError(f"'{file}' cannot be read as CSV ({message}): correct the file")


def not_utf8(file: str) -> SourceError:
    """A SourceError for the first record of ``file`` that is not UTF-8."""
    everything = (0, Path(file).stat().st_size)
    line = _line(file, everything, lambda record: any("\ufffd" in value for value in record))
    return SourceError(
        f"'{file}'{line}: this is not UTF-8 text: save the file as UTF-8, or take bytes: schema={{name: pa.binary()}}"
    )


def fitting(value: str) -> str:
    """The type to suggest for a column that has ``value``."""
    try:
        float(value)
    except ValueError:
        return "pa.string()"
    return "pa.float64()"


def _line(file: str, bounds: tuple[int, int], wrong: Callable[[Record], bool]) -> str:
    """``, line 1001`` for the first wrong record of the section."""
    for number, record in _records(file, bounds):
        if wrong(record):
            return f", line {number}"
    return ""


def _records(file: str, bounds: tuple[int, int]) -> Iterator[tuple[int, Record]]:
    """The records of a section with the line of the file on which each begins."""
    with io.TextIOWrapper(io.BufferedReader(Section(file, *bounds)), "utf-8", "replace", newline="") as text:
        reader = csv.reader(text)
        before = lines_before(file, bounds[0])
        begins = before + 1
        try:
            for record in reader:
                if record:
                    yield begins, record
                begins = before + reader.line_num + 1
        except csv.Error:  # a field longer than that module takes: no line can be named
            return


def lines_before(file: str, offset: int) -> int:
    """How many line breaks there are before ``offset``."""
    lines, at, before = 0, 0, b""
    with Path(file).open("rb") as opened:
        while at < offset and (block := opened.read(min(1 << 20, offset - at))):
            lines += line_breaks(before + block) - line_breaks(before)
            at, before = at + len(block), block[-1:]
    return lines
