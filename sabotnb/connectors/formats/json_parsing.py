"""Blocks of JSONL parsed by Arrow, and refused where its parser would crash or take what is not JSONL."""

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
"""Levels of brackets in a row, its own among them. Arrow's JSON parser recurses; its IPC takes columns of 63 levels."""

LONGEST_BLOCK = (1 << 31) - 2
ADVICE = "correct the file, one object a line"
_NULL = re.compile(rb"(?:\xef\xbb\xbf)?\s*null")
_NULL_LINE = re.compile(rb"\n[ \t\r]*null")


@dataclass(frozen=True, slots=True)
class Types:
    """The types of fields, and which of them the user has said; others were ``inferred``, or are to be.

    ``is_all``: no other file belongs to the source.
    """

    schema: pa.Schema
    declared: frozenset[str]
    inferred: bool = False
    is_all: bool = False


def parse(block: bytes, types: pa.Schema, strange: str = "error") -> pa.Table:
    """The rows of whole lines, in one piece; ``strange``: what a field not in ``types`` is (error, ignore, infer)."""
    table = json.read_json(
        pa.BufferReader(block),
        json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        json.ParseOptions(explicit_schema=parsed_schema(types), unexpected_field_behavior=strange),
    )
    return made_of_parsed(table, types)


def check_lines(file: str, start: int, block: bytes) -> None:
    """Raise a SourceError for the first line of ``block`` that the parser takes though it should not.

    That is null, which it takes for a row of nulls, or crashes on if it comes first; text that is not UTF-8; and rows
    nested so deep that the parser would end the process.
    """
    if (deep := first_deeper(block, DEEPEST)) >= 0:
        line = block[block.rfind(b"\n", 0, deep) + 1 : deep + 1]
        what = "" if first_deeper(line, DEEPEST) >= 0 else ", or a row before it is not closed"
        raise SourceError(
            f"{line_of(file, start, block, deep)}: the row is nested more than {DEEPEST} levels deep{what}: "
            "flatten it before it is read, or leave it out"
        )
    if found := _NULL.match(block) or _NULL_LINE.search(block):
        raise SourceError(f"{line_of(file, start, block, found.end())}: null is no object: {ADVICE}")
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
    """``'a.jsonl', line 3`` for the byte ``at`` of a block that begins at ``start``."""
    number = lines_before(file, start) + block.count(b"\n", 0, at) + 1
    return f"'{file}', line {number}"
