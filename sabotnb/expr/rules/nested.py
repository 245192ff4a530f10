"""Rules of functions of structs and lists: fields, items, lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.expr.rules.overload import Arg, Options, Overload, Refused, Rule
from sabotnb.expr.scalars import scalar


def _struct_field(args: Sequence[Arg], options: Options) -> Overload:
    data_type, name = args[0].type, options["name"]
    if not t.is_struct(data_type):
        raise Refused(f".struct.field needs a struct, this is {data_type}")
    names = [field.name for field in data_type]
    if name not in names:
        raise Refused(f"the struct has no field {name!r}; it has: {', '.join(names)}")
    place = names.index(name)

    def kernel(data: Any) -> Any:
        return pc.struct_field(data, indices=[place])

    return Overload((data_type,), data_type.field(place).type, kernel)


def _list_length(args: Sequence[Arg], _: Options) -> Overload:
    data_type = _list("len", args[0])
    return Overload((data_type,), pa.int64(), lambda data: pc.cast(pc.list_value_length(data), pa.int64()))


def _list_item(args: Sequence[Arg], options: Options) -> Overload:
    """``list.get``: null where the list is shorter; a negative index counts from the end."""
    data_type, index = _list("get", args[0]), options["index"]

    def kernel(data: Any) -> Any:
        lengths = pc.list_value_length(data)
        has_it = pc.greater(lengths, index) if index >= 0 else pc.greater_equal(lengths, -index)
        values = pc.list_flatten(data)
        starts = pc.subtract(pc.cumulative_sum(pc.coalesce(lengths, 0)), pc.coalesce(lengths, 0))
        at = pc.add(starts, index) if index >= 0 else pc.add(pc.add(starts, lengths), index)
        return values.take(pc.if_else(has_it, at, scalar(None, at.type)))

    return Overload((data_type,), data_type.value_type, kernel)


def _list(name: str, arg: Arg) -> pa.DataType:
    if not t.is_list(arg.type) and not t.is_large_list(arg.type):
        raise Refused(f".list.{name} needs a list, this is {arg.type}")
    return arg.type


RULES: dict[str, Rule] = {
    "struct.field": _struct_field,
    "list.len": _list_length,
    "list.get": _list_item,
}
