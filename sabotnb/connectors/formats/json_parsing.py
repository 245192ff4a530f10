"""Parses blocks of JSONL with Arrow, after refusing text that crashes its parser or that it wrongly accepts."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import json

from sabotnb.connectors.formats.csv_faults import lines_before
from sabotnb.connectors.formats.json_types import made_of_parsed, parsed_schema
from sabotnb.errors import SourceError
from sabotnb.native import first_deeper, plain_schema

DEEPEST = 60
"""The limit of nested brackets in a row. Arrow's JSON parser recurses, and its IPC accepts columns of 63 levels."""

LONGEST_BLOCK = (1 << 31) - 2
ADVICE = "correct the file, one object a line"
_NULL = re.compile(rb"(?:\xef\xbb\xbf)?\s*null")
_NULL_LINE = re.compile(rb"\n[ \t\r]*null")


@dataclass(frozen=True, slots=True)
class Types:
    """The types of fields. ``declared`` are the fields whose type the user gave.

    ``inferred`` is true while types are being inferred: fields that are not in ``schema`` are then allowed. ``is_all``
    is true if the source has no other file.
    """

    schema: pa.Schema
    declared: frozenset[str]
    inferred: bool = False
    is_all: bool = False


def parse(block: bytes, types: pa.Schema, strange: str = "error") -> pa.Table:
    """Parse whole lines as one block. ``strange`` is for fields not in ``types``: error, ignore or infer."""
    table = json.read_json(
        pa.BufferReader(block),
        json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        json.ParseOptions(explicit_schema=parsed_schema(types), unexpected_field_behavior=strange),
    )
    return made_of_parsed(table, types)


def check_lines(file: str, start: int, block: bytes) -> None:
    """Raise a SourceError for a line of ``block`` that the parser must not see.

    These are ``null``, which it takes for a row of nulls, or crashes on in the first line; text that is not UTF-8; and
    rows nested so deep that its recursion would overflow the stack and end the process.
    """
    if (deep := first_deeper(block, DEEPEST)) >= 0:
        line = block[block.rfind(b"\n", 0, deep) + 1 : deep + 1]
        what = "" if first_deeper(line, DEEPEST) >= 0 else ", or a row before it is not closed"
        raise SourceError(
            f"{line_of(file, start, block, deep)}: the row is nested more than {DEEPEST} levels deep{what}: "
            "flatten it before it is read, or leave it out"
        )
    if match := _NULL.match(block) or _NULL_LINE.search(block):
        raise SourceError(f"{line_of(file, start, block, match.end())}: null is not an object: {ADVICE}")
    if len(block) > LONGEST_BLOCK:
        raise SourceError(f"{line_of(file, start, block, 0)}: a row is longer than 2 GiB: split it, or write Parquet")
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        where = line_of(file, start, block, error.start)
        raise SourceError(f"{where}: this is not UTF-8 text: save the file as UTF-8") from error


def refuse_unreadable(declared: pa.Schema) -> None:
    """Raise a SourceError for a declared type that JSON files cannot hold."""
    for field in plain_schema(declared):
        try:
            parse(b"{}", pa.schema([field]))
        except pa.ArrowNotImplementedError as error:
            raise SourceError(
                f"schema= declares {field.name!r} as {field.type}, which JSON files cannot hold: declare pa.string()"
            ) from error


def line_of(file: str, start: int, block: bytes, at: int) -> str:
    """Text such as ``'a.jsonl', line 3`` for byte ``at`` of a block that begins at byte ``start`` of the file."""
    number = lines_before(file, start) + block.count(b"\n", 0, at) + 1
    return f"'{file}', line {number}"
