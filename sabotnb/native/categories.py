"""Ordered dictionaries (pandas' ordered categoricals): values compare by their place in the dictionary.

The order is in the data, not in the type: two columns of one type may have different orders. Two dictionaries agree if
one is a prefix of the other. Indexes of dictionaries that agree compare as the values do, across batches. Code that
sorts or compares therefore passes each dictionary to ``Categories.take`` first, which rejects those that disagree.

A later dictionary may be longer, so a value that the known ones lack may still be a category. It then comes after all
known categories, and ``position`` returns that index. Only at the end of the input is it certain that a value is not a
category: users of ``position`` call ``code`` then, which raises if no dictionary listed the value.
"""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
from pyarrow import types

from sabotnb.errors import TypeMismatch
from sabotnb.native.canonical import plain_type

SHOWN = 6
"""Categories that a message lists."""


def is_ordered(data_type: pa.DataType) -> bool:
    """True for a dictionary type whose values are ordered by the dictionary."""
    return bool(types.is_dictionary(data_type) and data_type.ordered)


def has_order_inside(data_type: pa.DataType) -> bool:
    """True for lists, maps and structs of ordered dictionaries, at any depth."""
    if not types.is_nested(data_type):
        return False
    inner = [data_type.field(at).type for at in range(data_type.num_fields)]
    return any(is_ordered(kind) or has_order_inside(kind) for kind in inner)


def without_order(schema: pa.Schema, keep: Collection[str] = ()) -> pa.Schema:
    """``schema`` with plain types instead of ordered dictionaries: results of functions do not carry an order."""
    fields = (
        field.with_type(plain_type(field.type)).remove_metadata()
        if is_ordered(field.type) and field.name not in keep
        else field
        for field in schema
    )
    return pa.schema(fields)


class Categories:
    """The categories of the column ``name`` that its dictionaries have listed so far."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.known: pa.Array | None = None

    def codes(self, column: pa.DictionaryArray) -> pa.Array:
        """The indexes of ``column``, which compare as its values do.

        Raises:
            TypeMismatch: its dictionary disagrees with an earlier one, or lists a value twice.
        """
        self.take(column.dictionary)
        return column.indices

    def take(self, dictionary: pa.Array) -> None:
        """Add the categories of ``dictionary``; raises TypeMismatch as ``codes`` does."""
        known = self.known
        if known is not None and not dictionary.type.equals(known.type):
            dictionary = dictionary.cast(known.type)  # string and large_string are one order
        if known is None or not _same(known, dictionary):
            if known is not None and not agree(known, dictionary):
                raise TypeMismatch(
                    f"{self._name!r} meets two orders of categories: {listed(known)}, and {listed(dictionary)}. "
                    f"Give both the same categories, or compare {as_values(known.type)}"
                )
            if known is None or len(dictionary) > len(known):
                if lists_no_order(dictionary):
                    raise TypeMismatch(
                        f"{self._name!r} lists a category twice, or null as one: {listed(dictionary)}. "
                        f"List each category once, or compare {as_values(dictionary.type)}"
                    )
                self.known = dictionary

    def code(self, value: pa.Scalar) -> int:
        """The index of a category, given in the type of the categories; TypeMismatch for any other value."""
        found = self._found(value)
        if found < 0:
            shown = repr(value.as_py()) if _is_text(value.type) else str(value)
            raise TypeMismatch(
                f"{shown} is not a category of {self._name!r}, which has {listed(self.known)}. "
                f"Use one of them, or {as_values(value.type, f'col({self._name!r})')}"
            )
        return found

    def position(self, value: pa.Scalar) -> int:
        """The index of a category; for any other value the index after the last known category."""
        found = self._found(value)
        return found if found >= 0 else 0 if self.known is None else len(self.known)

    def _found(self, value: pa.Scalar) -> int:
        if self.known is None:
            return -1
        import pyarrow.compute as pc

        found = pc.index_in(value.cast(self.known.type), value_set=self.known)
        return int(found.as_py()) if found.is_valid else -1

    def restored(self, codes: pa.Array, data_type: pa.DataType) -> pa.DictionaryArray:
        """Convert indexes from ``codes`` back to values of ``data_type``."""
        known = pa.array([], data_type.value_type) if self.known is None else self.known
        return pa.DictionaryArray.from_arrays(codes.cast(data_type.index_type), known, ordered=True)

    def encoded(self, values: pa.Array, data_type: pa.DataType) -> pa.DictionaryArray:
        """Convert plain ``values`` to ``data_type``; TypeMismatch if a value is not a category."""
        import pyarrow.compute as pc

        known = pa.array([], data_type.value_type) if self.known is None else self.known
        values = values.cast(known.type)
        codes = pc.index_in(values, value_set=known)
        if codes.null_count > values.null_count:
            self.code(values.filter(pc.and_(codes.is_null(), values.is_valid()))[0])
        return self.restored(codes, data_type)


class Orders:
    """The categories of all ordered columns of batches of one schema."""

    def __init__(self, schema: pa.Schema) -> None:
        self.columns = {field.name: Categories(field.name) for field in schema if is_ordered(field.type)}

    def take(self, batch: pa.RecordBatch) -> None:
        """Add the categories of ``batch``; TypeMismatch if they disagree with those of earlier batches."""
        for name, categories in self.columns.items():
            categories.take(batch.column(name).dictionary)

    def aligned(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """``batch`` with all known categories in each ordered column: a file has one dictionary per column."""
        self.take(batch)
        for name, categories in self.columns.items():
            column = batch.column(name)
            if categories.known is not None and len(column.dictionary) < len(categories.known):
                place = batch.schema.get_field_index(name)
                whole = categories.restored(column.indices, column.type)
                batch = batch.set_column(place, batch.schema.field(place), whole)
        return batch

    def __getitem__(self, name: str) -> Categories:
        return self.columns[name]


def agree(one: pa.Array, other: pa.Array) -> bool:
    """True if one of two lists of categories, of one type, begins as the other does."""
    shared = min(len(one), len(other))
    return bool(one.slice(0, shared).equals(other.slice(0, shared)))


def lists_no_order(dictionary: pa.Array) -> bool:
    """True for a dictionary that lists a value twice, or null."""
    return dictionary.null_count > 0 or len(dictionary.unique()) < len(dictionary)


def _same(known: pa.Array, other: pa.Array) -> bool:
    """True if both are equal; fast if they are the same memory, which most batches of a stream share."""
    if len(known) != len(other):
        return False
    mine, others = known.buffers(), other.buffers()
    same = all((a and a.address) == (b and b.address) for a, b in zip(mine, others, strict=True))
    return (same and known.offset == other.offset) or bool(known.equals(other))


def listed(categories: pa.Array | None) -> str:
    """The first categories in their order, for messages."""
    if categories is None or not len(categories):
        return "none"
    shown = [str(value) for value in categories[:SHOWN]]
    more = " < ..." if len(categories) > SHOWN else ""
    return " < ".join(shown) + more


def as_values(data_type: pa.DataType, column: str = "") -> str:
    """The code that makes ``column`` plain, for the advice of messages about categories of ``data_type``."""
    if _is_text(data_type):
        return f"text: {column}.cast('string')"
    name = f"pa.{data_type}" if types.is_decimal(data_type) else repr(str(data_type))
    return f"plain values: {column}.cast({name})"


def _is_text(data_type: pa.DataType) -> bool:
    return bool(types.is_string(data_type) or types.is_large_string(data_type))
