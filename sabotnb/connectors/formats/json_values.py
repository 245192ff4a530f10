"""Parses JSON text to Python values with exact numbers, and finds types for them: slow, so only where needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

import pyarrow as pa
from pyarrow import types as t

from sabotnb.connectors.formats.number_types import is_rounded, may_be_rounded, number_type

_EXACT = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
_SPACE = re.compile(r"[ \t\r\n]*")
_LONG_INTEGER = re.compile(rb"[:\[,]\s*-?\d{16,}(?:\.0*)?\s*[,\]}]")


class Unholdable(Exception):  # noqa: N818  who asked says whose value it is
    """No type holds the values. ``number`` is an integer that doubles would round; None if kinds of values differ."""

    def __init__(self, number: Decimal | None = None) -> None:
        super().__init__(number)
        self.number = number


def objects(block: bytes) -> Iterator[tuple[int, Any]]:
    """The values of a block, each with the number of line breaks before it.

    Raises:
        ValueError: text that is not JSON.
    """
    text = block.decode("utf-8-sig")
    at = lines = 0
    while (begin := _SPACE.match(text, at).end()) < len(text):  # type: ignore[union-attr]  # it matches everywhere
        lines += text.count("\n", at, begin)
        value, at = _EXACT.raw_decode(text, begin)
        yield lines, value
        lines += text.count("\n", begin, at)


def type_of_values(values: Iterable[Any]) -> pa.DataType:
    """The type that holds JSON values without rounding an integer; the null type if all values are null.

    Raises:
        Unholdable: there is no such type.
    """
    known = [value for value in values if value is not None]
    kinds = set(map(type, known))
    if not kinds:
        return pa.null()
    if len(kinds) > 1:
        raise Unholdable
    match known[0]:
        case bool():
            return pa.bool_()
        case str():
            return pa.string()
        case list():
            return pa.list_(type_of_values(chain.from_iterable(known)))
        case dict():
            names = dict.fromkeys(chain.from_iterable(known))
            return pa.struct([(name, type_of_values(value.get(name) for value in known)) for name in names])
    number = number_type(known)
    if number is None:
        raise Unholdable(next(filter(is_rounded, known), None))
    return number


def may_round(column: pa.Array | pa.ChunkedArray) -> bool:
    """True if doubles in a column, or in its lists and structs, may stand for integers that were rounded."""
    if isinstance(column, pa.ChunkedArray):
        return any(may_round(chunk) for chunk in column.chunks)
    if t.is_floating(column.type):
        return may_be_rounded(column)
    if t.is_struct(column.type):
        return any(may_round(column.field(at)) for at in range(column.type.num_fields))
    return bool(t.is_list(column.type)) and may_round(column.values)


def first_rounded(block: bytes, types: Mapping[str, pa.DataType]) -> tuple[int, str, Decimal] | None:
    """The first integer that one of the columns ``types`` would round: line breaks before it, column, number.

    Raises:
        ValueError: text that Arrow accepts although it is not JSON.
    """
    if not _LONG_INTEGER.search(block):
        return None
    for lines, row in objects(block):
        for name, data_type in types.items():
            for number in _in_doubles(row.get(name), data_type):
                if is_rounded(number):
                    return lines, name, number
    return None


def _in_doubles(value: Any, data_type: pa.DataType) -> Iterator[Decimal]:
    """The numbers of a value that are doubles in ``data_type``."""
    if t.is_floating(data_type) and isinstance(value, Decimal):
        yield value
    elif t.is_struct(data_type) and isinstance(value, dict):
        for field in data_type:
            yield from _in_doubles(value.get(field.name), field.type)
    elif t.is_list(data_type) and isinstance(value, list):
        for inner in value:
            yield from _in_doubles(inner, data_type.value_type)
