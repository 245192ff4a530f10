"""Hive partitions: columns whose values are in the names of folders, as in ``y=2024/m=1/part.parquet``.

Names and values are URL-quoted, and a null is ``__HIVE_DEFAULT_PARTITION__``. Most tools write such a column to folders
only, as the sinks of this package do, because Arrow cannot read a column of two types. polars writes it to the files
too: then the value in the file is used, and the folder must agree with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa
from pyarrow import types

from sabotnb import expr
from sabotnb.connectors.formats.text_columns import utc
from sabotnb.errors import SourceError
from sabotnb.native import plain_type

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"

Values = Mapping[str, str | None]
"""The texts in the folder names of one file, by column; None for null."""

_WHOLE_SECONDS = re.compile(r"\.0+(?=Z?$)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?")


def folder_name(column: str, value: pa.Scalar) -> str:
    """The name of the folder for rows with ``value`` in ``column``."""
    return f"{quote(column, safe='')}={_quoted(value)}"


def can_be_folder(data_type: pa.DataType) -> bool:
    """True for types whose values can be written as text and read again, and for dictionaries of such values."""
    data_type = plain_type(data_type)
    is_number = types.is_integer(data_type) or types.is_floating(data_type) or types.is_decimal(data_type)
    is_text = types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type)
    is_moment = types.is_timestamp(data_type) or types.is_date(data_type) or types.is_time(data_type)
    return bool(is_number or is_text or is_moment or types.is_boolean(data_type) or types.is_null(data_type))


def _quoted(value: pa.Scalar) -> str:
    if not value.is_valid:
        return NULL_FOLDER
    value = value.value if isinstance(value, pa.DictionaryScalar) else value
    text = utc(pa.repeat(value, 1))[0].cast(pa.string()).as_py()
    if types.is_timestamp(value.type):
        text = _WHOLE_SECONDS.sub("", text)
    return "%5F" + text[1:] if text == NULL_FOLDER else quote(text, safe=" ")


def values_of(file: str, base: str) -> Values:
    """The values in the names of the folders between ``base`` and ``file``."""
    values: dict[str, str | None] = {}
    below = file.removeprefix(base)
    if "=" not in below:  # quick exit for files without partitions: there may be thousands
        return values
    for name in Path(below).parts[:-1]:
        key, is_pair, value = name.partition("=")
        if not is_pair or not key:
            continue
        column = _unquoted(key)
        if column in values:
            raise SourceError(f"'{file}' is in two folders called '{key}=': rename one of them")
        values[column] = None if value == NULL_FOLDER else _unquoted(value)
    return values


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


@dataclass(frozen=True, slots=True)
class Folders:
    """The columns in the folder names of a source. ``added`` are those that are not in the files too."""

    base: str
    names: frozenset[str]
    added: pa.Schema

    @property
    def options(self) -> dict[str, Any]:
        """The options of a spec; empty if no folder has a value."""
        return {"hive": {"base": self.base, "added": self.added.names}} if self.names else {}


def names_of(files: Sequence[str], base: str) -> frozenset[str]:
    """The columns that the folders of ``files`` have values of."""
    return frozenset(name for file in files for name in values_of(file, base))


def folders_of(
    files: Sequence[str],
    base: str,
    own: Collection[str],
    declared: Mapping[str, pa.DataType],
    written: Mapping[str, pa.DataType] | None = None,
) -> Folders:
    """The columns in the folder names of ``files`` below ``base``; ``own`` are the columns in the files.

    The type of a column is ``declared``, or the one ``written`` in the files if all values fit it. Otherwise it is
    inferred from all values: int64 if each is written as an integer is (``01`` is text), uint64 if int64 is too small,
    boolean if each is ``true`` or ``false``, date32, timestamp in microseconds, or else text. SourceError if a file
    lacks one of the columns.
    """
    values = [values_of(file, base) for file in files]
    names = dict.fromkeys(name for each in values for name in each)
    added = [name for name in names if name not in own]
    for name in added:
        _check_everywhere(name, files, values)
    texts = {name: {each[name] for each in values} for name in added}
    stored = {name: kind for name, kind in (written or {}).items() if name in texts and _fits(texts[name], kind)}
    known = stored | dict(declared)
    schema = pa.schema([(name, known[name] if name in known else _inferred(texts[name] - {None})) for name in added])
    if not _all_parsed(values, schema):
        for file, each in zip(files, values, strict=True):  # raises an error that names the file
            row_of(file, each, schema)
    return Folders(base, frozenset(names), schema)


def _all_parsed(values: Sequence[Values], schema: pa.Schema) -> bool:
    return all(_fits([each[field.name] for each in values], field.type) for field in schema)


def _fits(texts: Collection[str | None], data_type: pa.DataType) -> bool:
    try:
        parsed([*texts], plain_type(data_type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _check_everywhere(name: str, files: Sequence[str], values: Sequence[Values]) -> None:
    lacks = next((file for file, each in zip(files, values, strict=True) if name not in each), None)
    if lacks is not None:
        has = next(file for file, each in zip(files, values, strict=True) if name in each)
        raise SourceError(
            f"'{has}' is in a folder '{name}=...', and '{lacks}' is not: "
            "read them as several streams and make them alike (with_columns) before sb.union"
        )


def _inferred(texts: Collection[Any]) -> pa.DataType:
    for data_type, convert in _INFERRED:
        values = [convert(text) for text in texts]
        if values and None not in values and len(set(values)) == len(values):  # no two texts become equal values
            return data_type
    return pa.string()


def _int64(text: str) -> int | None:
    number = _integer(text)
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _uint64(text: str) -> int | None:
    number = _integer(text)
    return number if number is not None and 0 <= number < 2**64 else None


def _integer(text: str) -> int | None:
    short = len(text) <= 20  # a sign and the digits of 64 bits
    number = int(text) if short and text.removeprefix("-").isdecimal() and text.isascii() else None
    return number if number is not None and str(number) == text else None


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _timestamp(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _TIMESTAMP.fullmatch(text) else None
    except ValueError:
        return None


_INFERRED: Sequence[tuple[pa.DataType, Callable[[str], Any]]] = (
    (pa.int64(), _int64),
    (pa.uint64(), _uint64),
    (pa.bool_(), _boolean),
    (pa.date32(), _date),
    (pa.timestamp("us"), _timestamp),
)


def row_of(file: str, values: Values, schema: pa.Schema) -> dict[str, pa.Scalar]:
    """The values of the columns of ``schema``; SourceError for one that is missing or not of its type."""
    row = {}
    for field in schema:
        if field.name not in values:
            raise SourceError(f"'{file}' is in no folder '{field.name}=...', as the others are: move or remove it")
        try:
            row[field.name] = parsed([values[field.name]], plain_type(field.type))[0]
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SourceError(
                f"the folder '{field.name}={values[field.name]}' of '{file}' has no {field.type}: "
                f"correct schema=, or read it as text: schema={{{field.name!r}: pa.string()}}"
            ) from error
    return row


def disagrees(file: str, name: str, text: str | None) -> SourceError:
    """A SourceError for a file whose values in a column differ from the value of its folder."""
    return SourceError(
        f"column {name!r} of '{file}' has other values than its folder says ({name}={text}): "
        "move the file, or write it again"
    )


def parsed(texts: Sequence[str | None], data_type: pa.DataType) -> pa.Array:
    """``texts`` as values of ``data_type``; ArrowInvalid or ArrowNotImplementedError if one cannot be converted."""
    if types.is_time(data_type):
        moments = [None if text is None else f"1970-01-01 {text}" for text in texts]
        return pa.array(moments, pa.string()).cast(pa.timestamp(data_type.unit)).cast(data_type)
    if types.is_null(data_type):
        return pa.array(texts, data_type)
    return expr.cast_exact(pa.array(texts, pa.string()), data_type)
