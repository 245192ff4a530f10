"""Check Arrow memory from other code before a kernel follows its offsets and indexes: a wrong one ends the process."""

from __future__ import annotations

from collections.abc import MutableMapping

import pyarrow as pa
from pyarrow import types

MOST_EMPTY_ROWS = (1 << 31) - 1
"""Of a batch without bytes: columns of nulls need none, so nothing else bounds how many a damaged length claims."""


Checked = MutableMapping[str, pa.Array]
"""The dictionary of each column that was checked last."""


def check_batch(batch: pa.RecordBatch, *, text: bool = True, known: Checked | None = None) -> None:
    """Raise a pa.ArrowInvalid that names the column if offsets, indexes, lengths or null counts of ``batch`` are wrong.

    With ``text`` also if the bytes of a string are not UTF-8. That costs five times as much as all other checks and is
    not needed for memory safety. ``known`` stores dictionaries for the next batch of the same reader: a dictionary in
    the same memory is not checked again.
    """
    if batch.num_rows > MOST_EMPTY_ROWS and batch.get_total_buffer_size() == 0:
        raise pa.ArrowInvalid(f"a batch claims {batch.num_rows} rows of nothing")
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            if known is not None and isinstance(column, pa.DictionaryArray):
                _check_dictionary(name, column, known, text=text)
            else:
                check_array(column, text=text)
        except pa.ArrowException as error:
            raise pa.ArrowInvalid(f"column {name!r}: {error}") from error
        if len(column) != batch.num_rows:
            raise pa.ArrowInvalid(f"column {name!r} has {len(column)} values for {batch.num_rows} rows")


def check_names(schema: pa.Schema) -> None:
    """Raise a pa.ArrowInvalid if the name of a column, of a field inside one, or of a time zone is not UTF-8.

    Arrow reads such names, but pyarrow raises a bare UnicodeDecodeError wherever it returns one.
    """
    try:
        inside = [field.type for field in schema if field.name is not None]
        while inside:
            inside += _types_inside(inside.pop())
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid(f"the name of a column, field or time zone is not UTF-8: {error.object!r}") from error


def _types_inside(data_type: pa.DataType) -> list[pa.DataType]:
    """The types inside a dictionary, extension, map or other nested type; reads each name on the way."""
    if types.is_timestamp(data_type) and data_type.tz is not None:
        return []
    if types.is_dictionary(data_type):
        return [data_type.value_type]
    if isinstance(data_type, pa.BaseExtensionType):
        return [data_type.storage_type]
    fields = (
        [data_type.key_field, data_type.item_field]
        if types.is_map(data_type)
        else [data_type.field(number) for number in range(data_type.num_fields)]
    )
    return [field.type for field in fields if field.name is not None]


def check_table(table: pa.Table, *, text: bool = True) -> None:
    """Call ``check_batch`` for each chunk of ``table``."""
    for name, column in zip(table.schema.names, table.columns, strict=True):
        known: dict[str, pa.Array] = {}
        for chunk in column.chunks:
            check_batch(pa.RecordBatch.from_arrays([chunk], [name]), text=text, known=known)


def check_array(array: pa.Array, *, text: bool = True) -> None:
    """Check one column as ``check_batch`` does."""
    if not text and types.is_string(array.type):
        array = array.view(pa.binary())
    elif not text and types.is_large_string(array.type):
        array = array.view(pa.large_binary())
    array.validate(full=True)


def _check_dictionary(name: str, column: pa.DictionaryArray, known: Checked, *, text: bool) -> None:
    dictionary = column.dictionary
    if name not in known or not _same_memory(known[name], dictionary):
        check_array(dictionary, text=text)
        known[name] = dictionary
    indices = column.indices
    indices.validate(full=True)
    pa.DictionaryArray.from_arrays(indices, dictionary)  # checks the bounds of indexes and nothing else


def _same_memory(left: pa.Array, right: pa.Array) -> bool:
    if left.type != right.type or len(left) != len(right) or left.offset != right.offset:
        return False
    mine, others = left.buffers(), right.buffers()
    return [buffer and buffer.address for buffer in mine] == [buffer and buffer.address for buffer in others]


def checked(values: pa.Array | pa.ChunkedArray, *, text: bool = True) -> pa.Array:
    """Check ``values`` by ``check_array`` and return them as one array."""
    if isinstance(values, pa.Array):
        check_array(values, text=text)
        return values
    for chunk in values.chunks:
        check_array(chunk, text=text)
    return values.combine_chunks()
