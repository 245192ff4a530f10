"""Explains errors of Arrow's JSON parser: finds the line and the field, and advises a type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import types as t

from sabotnb.connectors.file_schemas import settled
from sabotnb.connectors.formats.csv_faults import lines_before
from sabotnb.connectors.formats.json_parsing import ADVICE, Types, parse
from sabotnb.connectors.formats.json_values import Unholdable, objects, type_of_values
from sabotnb.connectors.formats.number_types import joint_type
from sabotnb.connectors.formats.type_code import schema_code, shortened, shown
from sabotnb.errors import SourceError

HEAD_BYTES = 4 << 20
"""Bytes at the beginning of a file that are read for advice, in addition to the block that failed."""


def fault(error: Exception, file: str, start: int, block: bytes, types: Types) -> SourceError:
    """A SourceError for ``error``, raised by parsing ``block``, which begins at byte ``start`` of ``file``."""
    lines = block.split(b"\n")
    # Arrow's error does not name the line, so bisect: parse ever shorter runs of lines.
    good, bad = 0, len(lines)  # the first `good` lines parse, the first `bad` do not
    while bad - good > 1:
        middle = (good + bad) // 2
        if _parses(b"\n".join(lines[:middle]), types):
            good = middle
        else:
            bad = middle
    before = b"\n".join(lines[:good])
    if types.inferred and before.strip():
        types = replace(types, schema=without_times(parse(before, types.schema, "infer").schema, types.declared))
    where = f"'{file}', line {lines_before(file, start) + bad}"
    return SourceError(f"{where}: {_problem(lines[good], _Rows(file, block, types), error)}")


def rounded(file: str, start: int, block: bytes, types: Types, loss: tuple[int, str, Decimal]) -> SourceError:
    """A SourceError for an integer that ``json_values.first_rounded`` has found in a field of doubles."""
    lines, name, number = loss
    known = types.schema.field(name).type
    try:
        holds = (
            f"give a type that holds its digits, {schema_code(name, _Rows(file, block, types).fitting(name, known))}"
        )
    except Unholdable:
        holds = "no type holds its digits beside the other rows; write such numbers as text"
    return SourceError(
        f"'{file}', line {lines_before(file, start) + lines + 1}: field {name!r} has doubles by the other rows, "
        f"which would round {shortened(str(number))} here: {holds}, or {schema_code(name, known)} to round"
    )


def not_json(file: str, error: ValueError) -> SourceError:
    """A SourceError for numbers that Arrow accepts although they are not JSON (``Inf``)."""
    return SourceError(f"'{file}' has numbers that are not JSON ({error}): correct the file")


def without_times(schema: pa.Schema, declared: frozenset[str]) -> pa.Schema:
    """An inferred schema with text in place of times, because JSON has no times; ``declared`` fields keep theirs."""
    return pa.schema([f if f.name in declared else f.with_type(_text_for_times(f.type)) for f in schema])


def _text_for_times(data_type: pa.DataType) -> pa.DataType:
    if t.is_timestamp(data_type):
        return pa.string()
    if t.is_struct(data_type):
        return pa.struct([field.with_type(_text_for_times(field.type)) for field in data_type])
    return pa.list_(_text_for_times(data_type.value_type)) if t.is_list(data_type) else data_type


class _Rows:
    """The rows from which advice about types is made: the first ones of a file, and those of the block that failed."""

    def __init__(self, file: str, block: bytes, types: Types) -> None:
        self._file = file
        self._block = block
        self._types = types

    @property
    def types(self) -> Types:
        return self._types

    def fitting(self, name: str, known: pa.DataType) -> pa.DataType:
        """A type for field ``name``, whose type ``known`` does not hold all values.

        Raises:
            Unholdable: no type holds them.
        """
        with Path(self._file).open("rb") as opened:
            head = opened.read(HEAD_BYTES) + opened.readline()
            is_whole = self._types.is_all and not opened.read(1)
        rows = chain(_objects(head), _objects(self._block))
        inferred = settled(type_of_values(row.get(name) for row in rows if isinstance(row, dict)))
        is_number = not (t.is_string(known) or t.is_nested(known) or t.is_temporal(known) or t.is_boolean(known))
        if inferred.equals(known):
            raise Unholdable
        if is_whole or (name in self._types.declared and not is_number):
            return inferred
        joint = joint_type(known, inferred)
        if joint is None and self._types.is_all:
            return inferred  # the first rows, which say what is known, are among those
        if joint is None or joint.equals(known):
            raise Unholdable
        return joint


def _objects(block: bytes) -> Iterator[Any]:
    """The rows of ``block`` up to the first text that is not JSON."""
    try:
        for _, row in objects(block):
            yield row
    except ValueError:
        return


def _parses(block: bytes, types: Types) -> bool:
    if not block.strip():
        return True
    try:
        parse(block, types.schema, "infer" if types.inferred else "error")
    except pa.ArrowInvalid:
        return False
    return True


def _problem(line: bytes, rows: _Rows, error: Exception) -> str:
    types = rows.types
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except ValueError as unread:
        return f"this is not JSON ({unread}): {ADVICE}"
    if not isinstance(row, dict):
        return f"{shown(row)} is not an object: {ADVICE}"
    for field in types.schema:
        try:
            parse(line, pa.schema([field]), strange="ignore")
        except pa.ArrowInvalid:
            return _misfit(field, row[field.name], rows)
    strange = [name for name in row if name not in types.schema.names]
    if strange and not types.inferred:
        return (
            f"the field {strange[0]!r} is not in the rows before: name its type, "
            f"{_advice(strange[0], pa.null(), rows)}, or correct the file"
        )
    for field in types.schema:  # a field of a struct that is not in the rows before
        if t.is_nested(field.type) and row.get(field.name) is not None:
            return _misfit(field, row[field.name], rows)
    return f"{error}: correct the file"


def _misfit(field: pa.Field, value: Any, rows: _Rows) -> str:
    """The message about a value that its field's type does not hold, with a type that does."""
    declared = field.name in rows.types.declared
    problem = f"field {field.name!r} is {field.type} by {'schema=' if declared else 'the rows before'}"
    what = "declare what it is" if declared else "give a type that fits all rows"
    try:
        fits = schema_code(field.name, rows.fitting(field.name, field.type))
    except Unholdable as error:
        if error.number is None:
            return f"{problem}, but has {shown(value)} here: no type holds both, so correct the file"
        doubles = schema_code(field.name, _with_doubles(field.type))
        return f"{problem}, but has {shown(value)} here: no type holds the digits of both; pass {doubles} to round"
    return f"{problem}, but has {shown(value)} here: {what}, {fits}, or correct the file"


def _with_doubles(data_type: pa.DataType) -> pa.DataType:
    """The type with doubles for all its numbers."""
    if t.is_struct(data_type):
        return pa.struct([field.with_type(_with_doubles(field.type)) for field in data_type])
    if t.is_list(data_type):
        return pa.list_(_with_doubles(data_type.value_type))
    return pa.float64() if t.is_integer(data_type) or t.is_decimal(data_type) else data_type


def _advice(name: str, known: pa.DataType, rows: _Rows) -> str:
    try:
        return schema_code(name, rows.fitting(name, known))
    except Unholdable:
        return f"schema={{{name!r}: ...}}"
