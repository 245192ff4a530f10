"""Encode frozen dataclasses as JSON and decode them, guided by their type annotations.

A value is written without its type where the annotation determines it; a member of a union of dataclasses (an
operator's ``Spec``) names its class under ``"class"``. Fields with their default value are left out, so older files
stay readable when a field with a default is added. Schemas are Arrow IPC in base64, and expressions have a JSON form of
their own. Functions, values of the user and tables are written as their sha256; their bytes are blobs beside the JSON.
Values of mappings have no annotation, so only those are accepted that JSON returns unchanged: a tuple would come back
as a list.
"""

from __future__ import annotations

import base64
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

import pyarrow as pa

from sabotnb.blobs import Function, Origin, Table, Value, ipc_bytes
from sabotnb.errors import GraphError
from sabotnb.expr import Expr, Literal, from_json, functions, to_json

Json = Any
Blobs = Mapping[str, bytes]


@dataclass(slots=True)
class JsonEncoder:
    """Turns values into JSON and collects the functions, values of the user and tables in them."""

    functions: dict[str, Function] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    def write(self, value: Any) -> Json:  # noqa: C901, PLR0911  one case per kind of value
        """Return ``value`` as JSON-able data."""
        match value:
            case Enum():
                return value.value
            case None | bool() | int() | float() | str():
                return value
            case Function() | Value() | Table():
                return self._blob(value)
            case Expr():
                for function in functions(value):
                    self._blob(function)
                return to_json(value)
            case Literal():
                return to_json(Expr(value))
            case pa.Schema():
                return base64.b64encode(value.serialize()).decode()
            case Mapping():
                return {_key(key): _plain(item) for key, item in value.items()}
            case frozenset():
                return sorted(self.write(item) for item in value)
            case list() | tuple():
                return [self.write(item) for item in value]
            case _ if is_dataclass(value) and not isinstance(value, type):
                return self.write_fields(value)
        raise _not_plain(value)

    def write_fields(self, value: Any) -> dict[str, Json]:
        """Return the fields of a dataclass that differ from their defaults; a spec names its class."""
        written = {
            item.name: self.write(content)
            for item in fields(value)
            if not is_default(item, content := getattr(value, item.name))
        }
        return {"class": type(value).__name__, **written} if hasattr(type(value), "kind") else written

    def blob_index(self) -> dict[str, Json]:
        """Return what a reader needs beside the bytes of blobs: fingerprints, names of functions, sizes of tables."""
        index: dict[str, Json] = {}
        if self.functions:
            index["functions"] = {
                sha: {"fingerprint": f.fingerprint, "name": f.name, "origin": self.write(f.origin)}
                for sha, f in self.functions.items()
            }
        if self.values:
            index["values"] = {sha: {"fingerprint": value.fingerprint} for sha, value in self.values.items()}
        if self.tables:
            index["tables"] = {sha: {"rows": t.rows, "nbytes": t.nbytes} for sha, t in self.tables.items()}
        return index

    def blobs(self) -> dict[str, bytes]:
        """Return the bytes of every function, value and table by sha256."""
        return {
            **{sha: function.pickled for sha, function in self.functions.items()},
            **{sha: value.pickled for sha, value in self.values.items()},
            **{sha: ipc_bytes(table.data.schema, table.data.to_batches()) for sha, table in self.tables.items()},
        }

    def _blob(self, value: Function | Value | Table) -> str:
        match value:
            case Function():
                self.functions[value.sha256] = value
            case Value():
                self.values[value.sha256] = value
            case Table():
                self.tables[value.sha256] = value
        return value.sha256


@dataclass(slots=True)
class JsonDecoder:
    """Turns JSON back into values of the annotated types. Unpickles nothing: functions and values stay bytes."""

    functions: Mapping[str, Function]
    values: Mapping[str, Value]
    tables: Mapping[str, Table]

    @classmethod
    def of(cls, index: Mapping[str, Json], blobs: Blobs) -> JsonDecoder:
        """Return a decoder for what a ``JsonEncoder`` wrote, from its ``blob_index``; GraphError for missing blobs."""
        described = [sha for kind in ("functions", "values", "tables") for sha in index.get(kind, {})]
        if missing := [sha for sha in described if sha not in blobs]:
            raise GraphError(
                f"blobs of the graph are missing: {', '.join(missing)}; pass what blobs() returned as well"
            )
        return cls(
            functions={
                sha: Function(sha, entry["fingerprint"], entry["name"], Origin(**entry["origin"]), blobs[sha])
                for sha, entry in index.get("functions", {}).items()
            },
            values={
                sha: Value(sha, entry["fingerprint"], blobs[sha]) for sha, entry in index.get("values", {}).items()
            },
            tables={
                sha: Table(sha, entry["rows"], entry["nbytes"], table_from_ipc(blobs[sha]))
                for sha, entry in index.get("tables", {}).items()
            },
        )

    def read(self, annotation: Any, data: Json) -> Any:
        """Return ``data`` as a value of the annotated type; TypeError for None unless the annotation allows it."""
        if data is None and _takes_none(annotation):
            return None
        if data is None:
            raise TypeError(f"null where a value of {annotation} is needed")
        return _reader_of(annotation)(self, data)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise _not_plain(key)
    return key


def _plain(value: Any) -> Json:
    """Return ``value`` if JSON returns it unchanged; else GraphError."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {_key(key): _plain(item) for key, item in value.items()}
    raise _not_plain(value)


def _not_plain(value: Any) -> GraphError:
    return GraphError(
        f"{value!r} ({type(value).__name__}) cannot be written as JSON; options may be numbers, strings, lists, and "
        "dicts with strings as keys"
    )


def table_from_ipc(data: bytes) -> pa.Table:
    """Return the table in an Arrow IPC stream; its columns share the memory of ``data``."""
    with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
        return reader.read_all()


def is_default(item: Field[Any], content: Any) -> bool:
    """True if ``content`` is the default of a field."""
    if isinstance(content, Expr):  # == of expressions is an expression, which has no truth value
        return False
    if item.default_factory is not MISSING:
        return bool(content == item.default_factory())
    return bool(item.default is not MISSING and content == item.default)


Read = Callable[[JsonDecoder, Json], Any]


@cache
def _reader_of(annotation: Any) -> Read:  # noqa: PLR0911  one case per kind of annotation
    """Return the function that reads values of ``annotation``, derived once per type."""
    scalar = _SCALARS.get(annotation)
    if scalar is not None:
        return scalar
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _reader_of_union([argument for argument in arguments if argument is not types.NoneType])
    if origin is tuple:
        return _reader_of_tuple(arguments)
    if origin is frozenset:
        return lambda reader, data: frozenset(reader.read(arguments[0], item) for item in data)
    if origin is not None and issubclass(origin, Mapping):
        return lambda reader, data: {key: reader.read(arguments[1], item) for key, item in data.items()}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return lambda _, data: annotation(data)
    if is_dataclass(annotation) and isinstance(annotation, type):
        return _reader_of_dataclass(annotation)
    raise TypeError(f"values of type {annotation} cannot be read from JSON")


def _reader_of_union(members: Sequence[Any]) -> Read:
    if len(members) == 1:
        return _reader_of(members[0])
    by_name = {member.__name__: member for member in members}

    def read(reader: JsonDecoder, data: Json) -> Any:
        member = by_name.get(data.get("class"))
        if member is None:
            raise GraphError(
                f"unknown kind of operator {data.get('class')!r}; is the graph of a newer version? Known are "
                f"{', '.join(sorted(by_name))}"
            )
        return reader.read(member, data)

    return read


def _reader_of_tuple(arguments: Sequence[Any]) -> Read:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return lambda reader, data: tuple(reader.read(arguments[0], item) for item in data)
    return lambda reader, data: tuple(
        reader.read(argument, item) for argument, item in zip(arguments, data, strict=True)
    )


def _reader_of_dataclass(cls: type) -> Read:
    hints = typing.get_type_hints(cls)
    known = {item.name: hints[item.name] for item in fields(cls)}

    def read(reader: JsonDecoder, data: Json) -> Any:
        written = {name: item for name, item in data.items() if name != "class"}
        if unknown := sorted(written.keys() - known.keys()):
            raise GraphError(f"{cls.__name__} has no field {', '.join(unknown)}; is the graph of a newer version?")
        return cls(**{name: reader.read(known[name], item) for name, item in written.items()})

    return read


@cache
def _takes_none(annotation: Any) -> bool:
    return annotation in (Any, object) or types.NoneType in typing.get_args(annotation)


def _same(_: JsonDecoder, data: Json) -> Any:
    return data


def _exactly(kind: type) -> Read:
    def read(_: JsonDecoder, data: Json) -> Any:
        if type(data) is not kind:
            raise TypeError(f"{data!r} is not of type {kind.__name__}")
        return data

    return read


_SCALARS: dict[Any, Read] = {
    Any: _same,
    object: _same,
    str: _exactly(str),
    int: _exactly(int),
    bool: _exactly(bool),
    float: lambda _, data: float(data),
    pa.Schema: lambda _, data: pa.ipc.read_schema(pa.py_buffer(base64.b64decode(data))),
    Expr: lambda reader, data: from_json(data, reader.functions),
    Literal: lambda reader, data: from_json(data, reader.functions).node,
    Function: lambda reader, data: reader.functions[data],
    Value: lambda reader, data: reader.values[data],
    Table: lambda reader, data: reader.tables[data],
}
