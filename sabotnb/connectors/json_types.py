"""Types that Arrow's JSON parser lacks: what is parsed in their place, and how they are made of that."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t


def parsed_as(data_type: pa.DataType) -> pa.DataType:  # noqa: PLR0911  one case per kind of type
    """The type that the parser reads for values of ``data_type``: text for dates and times, pairs for maps."""
    if t.is_dictionary(data_type):
        return parsed_as(data_type.value_type)
    if t.is_date(data_type) or t.is_time(data_type):
        return pa.string()
    if t.is_float16(data_type):
        return pa.float32()
    if t.is_map(data_type):
        pair = {"key": parsed_as(data_type.key_type), "value": parsed_as(data_type.item_type)}
        return pa.list_(pa.struct(list(pair.items())))
    if t.is_struct(data_type):
        return pa.struct([field.with_type(parsed_as(field.type)) for field in data_type])
    if t.is_list(data_type) or t.is_large_list(data_type) or t.is_fixed_size_list(data_type):
        return pa.list_(parsed_as(data_type.value_type))
    return data_type


def parsed_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` as the parser reads it."""
    return pa.schema([field.with_type(parsed_as(field.type)) for field in schema])


def made_of_parsed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """``table``, one chunk of ``parsed_schema(schema)``, with the types of ``schema``; other columns stay as they are.

    Raises:
        pa.ArrowInvalid: text that is no date or time.
    """
    for field in schema:
        at = table.schema.get_field_index(field.name)
        column = table.column(at)
        if not column.type.equals(field.type):
            chunks = [_made(chunk, field.type) for chunk in column.chunks]
            table = table.set_column(at, field.name, pa.chunked_array(chunks, field.type))
    return table


def _made(parsed: pa.Array, data_type: pa.DataType) -> pa.Array:
    if t.is_time(data_type):
        epoch = pc.binary_join_element_wise("1970-01-01T", parsed, "")
        return epoch.cast(pa.timestamp(data_type.unit)).cast(data_type)
    if t.is_map(data_type):
        pairs = parsed.flatten()
        keys, items = (
            _made(pairs.field(at), kind) for at, kind in enumerate((data_type.key_type, data_type.item_type))
        )
        offsets = pc.subtract(parsed.offsets, parsed.offsets[0])
        return pa.MapArray.from_arrays(offsets, keys, items, type=data_type, mask=parsed.is_null())
    return parsed if parsed.type.equals(data_type) else parsed.cast(data_type)
