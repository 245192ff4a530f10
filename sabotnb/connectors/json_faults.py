"""Which line and field of a JSONL file is wrong, for an error that names neither."""

from __future__ import annotations

import json as text_json

import pyarrow as pa
from pyarrow import json

from sabotnb.connectors.csv_faults import fitting, lines_before
from sabotnb.errors import SourceError


def parse(block: bytes, types: pa.Schema | None, strange: str = "error") -> pa.Table:
    """The rows of whole lines, in one piece; ``strange`` says what a field that is not in ``types`` is: error, ignore.

    Without ``types`` they are inferred from all of ``block``.
    """
    return json.read_json(
        pa.BufferReader(block),
        json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        json.ParseOptions(explicit_schema=types, unexpected_field_behavior=strange if types else "infer"),
    )


def fault(error: Exception, file: str, start: int, block: bytes, types: pa.Schema | None) -> SourceError:
    """A SourceError for ``error``, raised by parsing ``block``, which begins at byte ``start`` of ``file``."""
    lines = block.split(b"\n")
    good, bad = 0, len(lines)  # the first `good` lines parse, the first `bad` do not
    while bad - good > 1:
        middle = (good + bad) // 2
        if _parses(b"\n".join(lines[:middle]), types):
            good = middle
        else:
            bad = middle
    before = b"\n".join(lines[:good])
    known = types if types is not None or not before.strip() else parse(before, None).schema
    return SourceError(f"'{file}', line {lines_before(file, start) + bad}: {_problem(lines[good], known, error)}")


def check_utf8(file: str, start: int, block: bytes) -> None:
    """Raise a SourceError for the first line of ``block`` that is not UTF-8, which the parser takes as it is."""
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        line = lines_before(file, start) + block.count(b"\n", 0, error.start) + 1
        raise SourceError(f"'{file}', line {line}: this is not UTF-8 text: save the file as UTF-8") from error


def _parses(block: bytes, types: pa.Schema | None) -> bool:
    if not block.strip():
        return True
    try:
        parse(block, types)
    except pa.ArrowInvalid:
        return False
    return True


def _problem(line: bytes, types: pa.Schema | None, error: Exception) -> str:
    try:
        row = text_json.loads(line)
    except ValueError as unread:
        return f"this is no JSON ({unread}): correct the file, one object a line"
    if not isinstance(row, dict):
        return f"{row!r} is no object: correct the file, one object a line"
    for field in types or ():
        try:
            parse(line, pa.schema([field]), strange="ignore")
        except pa.ArrowInvalid:
            return (
                f"field {field.name!r} is {field.type} by the rows before, but has {row[field.name]!r} here: "
                f"give a type that fits all rows, schema={{{field.name!r}: {fitting(str(row[field.name]))}}}, "
                "or correct the file"
            )
    strange = [name for name in row if types is not None and name not in types.names]
    if strange:
        return (
            f"the field {strange[0]!r} is not in the rows before: name its type, "
            f"schema={{{strange[0]!r}: {fitting(str(row[strange[0]]))}}}, or correct the file"
        )
    return f"{error}: correct the file"
