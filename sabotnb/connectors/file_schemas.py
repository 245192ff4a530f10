"""Schemas of file sources: inferred, replaced by the user's types, compared between files, and serialized."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TypeAlias

import pyarrow as pa

from sabotnb.errors import SourceError
from sabotnb.expr import is_open, same_values
from sabotnb.graph import Source as Spec
from sabotnb.native import plain_layout, plain_schema, plain_type

MOST_LOOKED_INTO = 32
"""The limit of the files of one source whose first rows are read to find types."""

Wanted: TypeAlias = "pa.Schema | Mapping[str, pa.DataType] | None"


def to_text(schema: pa.Schema) -> str:
    """A schema as text, for the JSON-able options of a spec."""
    return base64.b64encode(schema.remove_metadata().serialize()).decode()


def from_text(text: str) -> pa.Schema:
    """The schema of ``to_text``."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def is_text(data_type: pa.DataType) -> bool:
    """True for string and its large and view forms."""
    types = pa.types
    return bool(types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type))


def settled(data_type: pa.DataType) -> pa.DataType:
    """The type to use for a type inferred from the first rows, so that more of the later rows fit.

    Null becomes string; a timestamp of any unit becomes one in microseconds.
    """
    if pa.types.is_null(data_type):
        return pa.string()
    if pa.types.is_timestamp(data_type):
        return pa.timestamp("us", data_type.tz)
    if pa.types.is_list(data_type):
        return pa.list_(settled(data_type.value_type))
    if pa.types.is_struct(data_type):
        return pa.struct([field.with_type(settled(field.type)) for field in data_type])
    return data_type


def known_from(files: Sequence[str], infer: Callable[[str], pa.Schema]) -> pa.Schema:
    """The settled schema that ``infer`` returns for the first file, completed by later files.

    A column without a value in one file, such as one partition, gets its type from the next file that has a value.
    At most MOST_LOOKED_INTO files are read.
    """
    schema = infer(files[0])
    for file in files[1:MOST_LOOKED_INTO]:
        if not any(is_open(field.type) for field in schema):
            break
        types = types_of(infer(file))
        schema = pa.schema([f.with_type(types.get(f.name, f.type)) if is_open(f.type) else f for f in schema])
    return pa.schema(
        [field if _is_nanoseconds(field.type) else field.with_type(settled(field.type)) for field in schema]
    )


def _is_nanoseconds(data_type: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(data_type) and data_type.unit == "ns")


def nullable(schema: pa.Schema) -> pa.Schema:
    """``schema`` with nulls allowed: one file may have no nulls in a column where others have some."""
    return pa.schema([field.with_nullable(nullable=True) for field in schema])


def types_of(wanted: Wanted) -> dict[str, pa.DataType]:
    """The types that the user declared, by column."""
    if isinstance(wanted, pa.Schema):
        return dict(zip(wanted.names, wanted.types, strict=True))
    return dict(wanted or {})


def settle(schema: pa.Schema, wanted: Wanted, file: str) -> pa.Schema:
    """The schema of a source whose file has the schema ``found``, read or inferred.

    A mapping as ``wanted`` replaces the types of its columns; a schema replaces all, and selects columns. A column that
    the file does not have raises a SourceError. Layouts that operators do not support become plain ones.
    """
    repeated = [name for name, times in Counter(schema.names).items() if times > 1]
    if repeated:
        raise SourceError(f"'{file}' has several columns named {repeated[0]!r}: rename all but one in the file")
    if wanted is None:
        return plain_schema(schema)
    types = types_of(wanted)
    strange = [name for name in types if name not in schema.names]
    if strange:
        has = ", ".join(schema.names)
        raise SourceError(f"schema= names {strange[0]!r}, but '{file}' has: {has}; leave {strange[0]!r} out")
    if isinstance(wanted, pa.Schema):
        return plain_schema(wanted.remove_metadata())
    return plain_schema(pa.schema([field.with_type(types.get(field.name, field.type)) for field in schema]))


def declared(spec: Spec) -> pa.Schema:
    """Every column of a source as it was described, including columns that projection has removed since.

    Columns that leave the source have their type in ``Source.schema``, where it may have become a dictionary.
    """
    everything = spec.schema if spec.table is None else spec.table.data.schema
    if "schema" in spec.options:
        everything = plain_schema(from_text(spec.options["schema"]))
    return pa.schema((types_of(everything) | types_of(spec.schema)).items())


def check_columns(file: str, wanted: Iterable[str], columns: Container[str]) -> None:
    """Raise a SourceError if ``file`` no longer has a column that it had when the source was described."""
    for name in wanted:
        if name not in columns:
            raise SourceError(f"'{file}' no longer has column {name!r}: re-run to read the new contents")


def check_same(
    first: pa.Schema, first_file: str, other: pa.Schema, other_file: str, decided: Container[str] = ()
) -> None:
    """Raise a SourceError that says how the schemas of two files of one source differ, if they do.

    The order and the encoding of columns may differ, and the types of columns that ``schema=`` declares (``decided``).
    """
    ours, theirs = ({f.name: f.type for f in schema} for schema in (first, other))
    lines = [f"column {name!r} only in '{first_file}'" for name in ours if name not in theirs]
    lines += [f"column {name!r} only in '{other_file}'" for name in theirs if name not in ours]
    advice = "" if lines else "say the type of such columns, schema={name: ...}, or "
    lines += [
        f"column {name!r} is {ours[name]} in '{first_file}' and {theirs[name]} in '{other_file}'"
        for name in ours
        if name in theirs and name not in decided and not _same_values(ours[name], theirs[name])
    ]
    if lines:
        raise SourceError(
            "the files of one source must have one schema:\n  " + "\n  ".join(lines) + "\n"
            f"{advice}read them as several streams and make them alike (select, rename) before sb.union"
        )


def _same_values(left: pa.DataType, other: pa.DataType) -> bool:
    """True if two types differ only in layout, such as string and large_string; the first file's layout is used."""
    left, other = plain_type(plain_layout(left)), plain_type(plain_layout(other))
    return left.equals(other) or (not is_open(left) and not is_open(other) and same_values(left, other))
