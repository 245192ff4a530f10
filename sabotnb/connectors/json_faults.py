"""Which line and field of a JSONL file is wrong, for an error that names neither."""

from __future__ import annotations

import json as text_json
import re
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from pyarrow import json

from sabotnb.connectors.csv_faults import lines_before
from sabotnb.connectors.json_types import made_of_parsed, parsed_schema
from sabotnb.errors import SourceError


@dataclass(frozen=True, slots=True)
class Types:
    """The types of fields, and which of them the user has said; others were ``inferred``, or are to be."""

    schema: pa.Schema
    declared: frozenset[str]
    inferred: bool = False


def parse(block: bytes, types: pa.Schema, strange: str = "error") -> pa.Table:
    """The rows of whole lines, in one piece; ``strange``: what a field not in ``types`` is (error, ignore, infer)."""
    table = json.read_json(
        pa.BufferReader(block),
        json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        json.ParseOptions(explicit_schema=parsed_schema(types), unexpected_field_behavior=strange),
    )
    return made_of_parsed(table, types)


def fault(error: Exception, file: str, start: int, block: bytes, types: Types) -> SourceError:
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
    if types.inferred and before.strip():
        types = replace(types, schema=parse(before, types.schema, "infer").schema)
    return SourceError(f"'{file}', line {lines_before(file, start) + bad}: {_problem(lines[good], types, error)}")


def check_lines(file: str, start: int, block: bytes) -> None:
    """Raise a SourceError for the first line of ``block`` that the parser takes though it should not.

    That is null, which it takes for a row of nulls, or crashes on if it comes first; and text that is not UTF-8.
    """
    if found := _NULL.match(block) or _NULL_LINE.search(block):
        raise SourceError(f"'{file}', line {_line(file, start, block, found.end())}: null is no object: {_ADVICE}")
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        line = _line(file, start, block, error.start)
        raise SourceError(f"'{file}', line {line}: this is not UTF-8 text: save the file as UTF-8") from error


_NULL = re.compile(rb"(?:\xef\xbb\xbf)?\s*null")
_NULL_LINE = re.compile(rb"\n[ \t\r]*null")
_ADVICE = "correct the file, one object a line"


def _line(file: str, start: int, block: bytes, at: int) -> int:
    return lines_before(file, start) + block.count(b"\n", 0, at) + 1


def _parses(block: bytes, types: Types) -> bool:
    if not block.strip():
        return True
    try:
        parse(block, types.schema, "infer" if types.inferred else "error")
    except pa.ArrowInvalid:
        return False
    return True


def _problem(line: bytes, types: Types, error: Exception) -> str:
    try:
        row = text_json.loads(line)
    except ValueError as unread:
        return f"this is no JSON ({unread}): {_ADVICE}"
    if not isinstance(row, dict):
        return f"{row!r} is no object: {_ADVICE}"
    for field in types.schema:
        try:
            parse(line, pa.schema([field]), strange="ignore")
        except pa.ArrowInvalid:
            return _misfit(field, row[field.name], declared=field.name in types.declared)
    strange = [name for name in row if name not in types.schema.names]
    if strange and not types.inferred:
        return (
            f"the field {strange[0]!r} is not in the rows before: name its type, "
            f"schema={{{strange[0]!r}: {_type_for(row[strange[0]])}}}, or correct the file"
        )
    return f"{error}: correct the file"


def _misfit(field: pa.Field, value: Any, *, declared: bool) -> str:
    """What to say of a value that is not of the type of its field, and which type would take it."""
    problem = f"field {field.name!r} is {field.type} by {'schema=' if declared else 'the rows before'}"
    found = _type_for(value)
    number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
    if declared:
        what = f"declare what it is, schema={{{field.name!r}: {found}}}"
    elif (isinstance(value, int | float) and not isinstance(value, bool) and number) or (
        isinstance(value, str) and pa.types.is_timestamp(field.type)
    ):
        what = f"give a type that fits all rows, schema={{{field.name!r}: {found}}}"
    else:
        return f"{problem}, but has {value!r} here: no type holds both, so correct the file"
    return f"{problem}, but has {value!r} here: {what}, or correct the file"


def _type_for(value: Any) -> str:
    match value:
        case bool():
            return "pa.bool_()"
        case int() if -(2**63) <= value < 2**63:
            return "pa.int64()"
        case int() | float():
            return "pa.float64()"
        case str() | None:
            return "pa.string()"
    return "..."
