"""Compute the output schema of each kind of operator, without data, when the user writes the operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sabotnb.errors import GraphError, SchemaError, TypeMismatch
from sabotnb.expr import bind, column_name, column_not_found, duplicate_column, field_of, partial_schema, result_schema
from sabotnb.graph.ports import LATE, input_ports, side_tags
from sabotnb.graph.specs import (
    Aggregate,
    AssignTimes,
    Distinct,
    Filter,
    FilterBatches,
    Join,
    KeyedJoin,
    LookupJoin,
    MapAsync,
    MapBatches,
    MapRows,
    Phase,
    Process,
    Project,
    Reduce,
    Sink,
    Sort,
    Source,
    Spec,
    TimeJoin,
    Top,
    Union,
    Window,
)
from sabotnb.graph.time_joins import JOIN_TIME, AsofJoin, IntervalJoin, WindowJoin
from sabotnb.graph.window_shapes import PLACE, SameWindow, TumblingWindow, WindowShape, bound_columns
from sabotnb.native import canonical, is_ordered, known_orders, one_order, plain_type, with_known_orders

LATE_COLUMN = "late_by"
"""Column that a ``late`` side output adds: how long before the row its last window had closed, duration[us]."""

ERROR_COLUMN = "error"
"""Column that an ``errors`` side output adds to those of the input: the exception as text."""


def output_schema(  # noqa: C901, PLR0911, PLR0912  one case per kind of operator
    spec: Spec, inputs: Sequence[pa.Schema]
) -> pa.Schema:
    """Return the schema of the operator's output, from the schema of each input port.

    The output schema of a sink is that of its input. Raises ColumnNotFound, TypeMismatch or DuplicateColumn for columns
    that do not fit, and GraphError if the number of inputs is not that of the ports.
    """
    if len(inputs) != input_ports(spec):
        raise GraphError(
            f"{spec.kind} has {input_ports(spec)} inputs, but {len(inputs)} are connected; connect each once"
        )
    match spec:
        case Source(schema=schema):
            return schema.remove_metadata()
        case Filter(predicate=predicate):
            _demand_boolean(bind(predicate, inputs[0]))
            return inputs[0]
        case Project():
            return _projected(spec, inputs[0])
        case MapBatches(schema=schema) | MapRows(schema=schema) | MapAsync(schema=schema):
            return schema
        case FilterBatches() | Sink():
            return inputs[0]
        case AssignTimes(column=column):
            _fields(inputs[0], (column,))
            return inputs[0]
        case Aggregate():
            return _aggregated(spec, inputs[0])
        case Reduce(keys=keys, schema=schema):
            _keys(inputs[0], keys)
            return schema
        case Distinct(keys=keys):
            _keys(inputs[0], keys)
            return inputs[0]
        case Sort(by=by):
            _ordered(inputs[0], by)
            return inputs[0]
        case Top():
            return _topped(spec, inputs[0])
        case Window():
            return _windowed(spec, inputs[0])
        case Process(keys=keys, schema=schema):
            _keys(inputs[0], keys)
            return schema
        case Join() | AsofJoin():
            return _joined_schema(spec, inputs[0], inputs[1])
        case LookupJoin(source=source):
            return _joined_schema(spec, inputs[0], source.schema)
        case IntervalJoin():
            return _joined_by_interval(spec, inputs[0], inputs[1])
        case WindowJoin():
            return _joined_by_window(spec, inputs[0], inputs[1])
        case Union():
            return _united_schema(inputs)


def side_schema(spec: Spec, tag: str, inputs: Sequence[pa.Schema]) -> pa.Schema:
    """Return the schema of side output ``tag``: ``errors`` has the input's columns and the exception as text."""
    if tag not in side_tags(spec):
        advice = (
            "late rows are those of windows of event time" if tag == LATE else "on_error='side' adds 'errors' to a map"
        )
        has = ", ".join(map(repr, side_tags(spec))) or f"none; {advice}"
        raise GraphError(f"{spec.kind} has no side output {tag!r}; it has {has}")
    if tag == LATE:
        late = pa.field(LATE_COLUMN, pa.duration("us"), nullable=False)
        if isinstance(spec, TimeJoin):
            return _unique([*_either(spec, *inputs), late], f"rename the input's {LATE_COLUMN!r} first")
        return _unique([*inputs[0], late], f"rename the input's {LATE_COLUMN!r} first")
    if isinstance(spec, Process):
        return dict(spec.sides)[tag]
    return _unique([*inputs[0], pa.field(ERROR_COLUMN, pa.string())], f"rename the input's {ERROR_COLUMN!r} first")


def _projected(spec: Project, schema: pa.Schema) -> pa.Schema:
    fields, names = [], set(schema.names)
    for name, expr in spec.columns:
        source = column_name(expr)
        if source in names:
            fields.append(schema.field(source).with_name(name))
        else:
            fields.append(field_of(name, expr, schema))
    return _unique(fields, "rename one of them")


def _aggregated(spec: Aggregate, schema: pa.Schema) -> pa.Schema:
    """Take types from ``spec.schema``, so that keys that arrive as dictionaries leave as the type the user sees."""
    read = [name for column in spec.columns for name in (column.column, column.by) if name is not None]
    _keys(schema, spec.keys)
    _fields(schema, () if spec.phase is Phase.FINAL else read)
    if spec.phase is not Phase.PARTIAL:
        result = result_schema(spec.keys, spec.columns, spec.schema)
        return _unique(result, "rename the aggregate with .alias(...)")
    partial = partial_schema(spec.keys, spec.columns, spec.schema)
    if partial is None:
        raise GraphError("an aggregate of this operator has no partial form; use Phase.FULL")
    return partial


def _topped(spec: Top, schema: pa.Schema) -> pa.Schema:
    _keys(schema, spec.keys)
    _ordered(schema, (spec.by,))
    if spec.rank is None:
        return schema
    return _unique([*schema, pa.field(spec.rank, pa.int64(), nullable=False)], "choose another name for rank=")


def _windowed(spec: Window, schema: pa.Schema) -> pa.Schema:
    """Return the columns of the window, then those of the verb; rows that had a window keep its columns in front."""
    rows = schema
    if isinstance(spec.verb, Aggregate) and spec.verb.phase is Phase.FINAL:
        rows = spec.verb.schema
    _fields(rows, spec.columns)
    if isinstance(spec.verb, Aggregate) and spec.verb.phase is Phase.PARTIAL:
        return pa.schema([*PLACE, *output_schema(spec.verb, [schema])])
    bounds = _bound_fields(spec.shape, spec.time, rows)
    inside = output_schema(spec.verb, [schema])
    if isinstance(spec.shape, SameWindow):
        inside = pa.schema([field for field in inside if field.name not in (bound.name for bound in bounds)])
    return _behind_bounds(bounds, inside)


def _behind_bounds(bounds: Sequence[pa.Field], inside: Iterable[pa.Field]) -> pa.Schema:
    names = " and ".join(repr(bound.name) for bound in bounds)
    return _unique(
        [*bounds, *inside], f"a window makes {names}: rename yours first, .rename({{'window_start': 'start'}})"
    )


def _bound_fields(shape: WindowShape, time: str | None, schema: pa.Schema) -> list[pa.Field]:
    """Return the columns of window bounds: microseconds in the zone of the window, or of the event time."""
    zone = shape.tz if isinstance(shape, TumblingWindow) and shape.tz != "UTC" else None
    if zone is None and time is not None:
        zone = getattr(schema.field(time).type, "tz", None)
    return [pa.field(name, pa.timestamp("us", zone), nullable=False) for name in bound_columns(shape)]


def _joined_by_window(spec: WindowJoin, left: pa.Schema, right: pa.Schema) -> pa.Schema:
    for schema, port in ((left, 0), (right, 1)):
        _fields(schema, spec.columns(port))
    mine, others = (pa.schema([field for field in side if field.name not in spec.hidden]) for side in (left, right))
    return _behind_bounds(_bound_fields(spec.shape, spec.left_time.column, left), _joined_schema(spec, mine, others))


def _joined_schema(spec: KeyedJoin, left: pa.Schema, right: pa.Schema) -> pa.Schema:
    """Return left columns, then right columns without the right keys; clashing right names get the suffix.

    Semi and anti joins return the left columns only. Columns of a side that may be missing are nullable.
    """
    if len(spec.left_on) != len(spec.right_on) or not spec.left_on:
        raise SchemaError(f"a join needs as many left keys as right keys; it has {spec.left_on} and {spec.right_on}")
    for mine, other in zip(_keys(left, spec.left_on), _keys(right, spec.right_on), strict=True):
        _demand_joinable(mine, other, spec.how)
    if spec.how in ("semi", "anti"):
        return left
    renamed = [right.field(name).with_name(output) for name, output in right_output_names(spec, left, right).items()]
    mine_optional, other_optional = spec.how in ("right", "full"), spec.how in ("left", "full")
    if spec.how in ("right", "full"):
        left = _with_orders_of_keys(spec, left, right)
    return _unique(
        [
            *(field.with_nullable(field.nullable or mine_optional) for field in left),
            *(field.with_nullable(field.nullable or other_optional) for field in renamed),
        ],
        "choose another suffix=",
    )


def _with_orders_of_keys(spec: KeyedJoin, left: pa.Schema, right: pa.Schema) -> pa.Schema:
    """``left`` with orders that also have the categories of the right keys, which go into its columns."""
    others = dict(zip(spec.left_on, spec.right_on, strict=True))
    return pa.schema(
        _with_one_order(field, (field, right.field(others[field.name]))) if field.name in others else field
        for field in left
    )


def _with_one_order(field: pa.Field, united: Sequence[pa.Field]) -> pa.Field:
    """``field`` with the order of categories that all columns of ``united`` have; TypeMismatch if there are two."""
    if not is_ordered(field.type):
        return field
    order = one_order([(other.name, known_orders(other)) for other in united])
    return with_known_orders(field, () if order is None else (order,))


def _joined_by_interval(spec: IntervalJoin, left: pa.Schema, right: pa.Schema) -> pa.Schema:
    for schema, port in ((left, 0), (right, 1)):
        _fields(schema, spec.columns(port))
    joined = _joined_schema(spec, left, right)
    if not spec.has_join_time or spec.left_time is None:
        return joined
    zone = getattr(left.field(spec.left_time.column).type, "tz", None)
    later = pa.field(JOIN_TIME, pa.timestamp("us", zone), nullable=False)
    return _unique([*joined, later], f"rename the input's {JOIN_TIME!r} first")


def late_names(left: pa.Schema, right: pa.Schema, suffix: str) -> dict[str, str]:
    """Return the names of the right columns in the side output ``late`` of a join: all of them, keys too."""
    return {name: name + suffix if name in left.names else name for name in right.names}


def _either(spec: TimeJoin, left: pa.Schema, right: pa.Schema) -> list[pa.Field]:
    """Return the columns of both sides, for rows that have those of one side."""
    names = late_names(left, right, spec.suffix)
    fields = (*left, *(right.field(name).with_name(output) for name, output in names.items()))
    return [field.with_nullable(True) for field in fields]  # noqa: FBT003  Arrow's signature


def right_output_names(spec: KeyedJoin, left: pa.Schema, right: pa.Schema) -> dict[str, str]:
    """Return the output names of the right columns that a join keeps, by their names in the right input."""
    taken = set(left.names)
    return {name: name + spec.suffix if name in taken else name for name in right.names if name not in spec.right_on}


def _united_schema(inputs: Sequence[pa.Schema]) -> pa.Schema:
    """Return the common schema; encodings of strings and bytes may differ, SchemaError lists all other differences."""
    first = inputs[0]
    for number, other in enumerate(inputs[1:], start=1):
        if differences := list(_differences(first, other)):
            raise SchemaError(
                f"union needs the same columns in all inputs; input {number} differs from input 0: "
                f"{'; '.join(differences)}. Make them equal with .select(...) and .cast(...)"
            )
    nullable = [any(schema.field(name).nullable for schema in inputs) for name in first.names]
    types = [_common_type([schema.field(name).type for schema in inputs]) for name in first.names]
    return pa.schema(
        _with_one_order(field.with_type(kind).with_nullable(flag), [schema.field(field.name) for schema in inputs])
        for field, kind, flag in zip(first, types, nullable, strict=True)
    )


def _common_type(types: Sequence[pa.DataType]) -> pa.DataType:
    """Return the type of all, or the widest for strings (or bytes) of several encodings."""
    for same in (types, [plain_type(data_type) for data_type in types]):
        if all(other.equals(same[0]) for other in same):
            return same[0]
    large = pa.large_string() if _key_kind(plain_type(types[0])) == "text" else pa.large_binary()
    return pa.dictionary(types[0].index_type, large, ordered=True) if is_ordered(types[0]) else large


def _differences(first: pa.Schema, other: pa.Schema) -> Iterable[str]:
    if missing := [name for name in first.names if name not in other.names]:
        yield f"it lacks {', '.join(map(repr, missing))}"
    if extra := [name for name in other.names if name not in first.names]:
        yield f"it also has {', '.join(map(repr, extra))}"
    for field in first:
        if field.name in other.names and not _alike(other.field(field.name).type, field.type):
            yield f"{field.name!r} is {other.field(field.name).type}, not {field.type}"
    if not missing and not extra and first.names != other.names:
        yield f"the order is {', '.join(other.names)}, not {', '.join(first.names)}"


def _fields(schema: pa.Schema, names: Iterable[str]) -> list[pa.Field]:
    """Return the fields of these names; ColumnNotFound with the nearest name for a missing one."""
    wanted = list(names)
    for name in wanted:
        if name not in schema.names:
            raise column_not_found(name, schema)
    return [schema.field(name) for name in wanted]


def _keys(schema: pa.Schema, names: Iterable[str]) -> list[pa.Field]:
    """Return the fields of these names; TypeMismatch for a type whose values cannot be keys."""
    fields = _fields(schema, names)
    for field in fields:
        if not canonical.can_be_key(field.type):
            raise TypeMismatch(f"{field.name!r} is {field.type}, which cannot be a key; make a plain column of it")
    return fields


def _ordered(schema: pa.Schema, names: Iterable[str]) -> None:
    """Raise TypeMismatch for a column that cannot be sorted."""
    for field in _fields(schema, names):
        if not has_order(field.type):
            raise TypeMismatch(f"{field.name!r} is {field.type}, which has no order; make a plain column of it")
        one_order([(field.name, known_orders(field))])


def has_order(data_type: pa.DataType) -> bool:
    """True if values of this type can be sorted."""
    kinds = (pa.types.is_nested, pa.types.is_interval, lambda kind: isinstance(kind, pa.BaseExtensionType))
    return not any(is_it(data_type) for is_it in kinds)


def _unique(fields: Iterable[pa.Field], advice: str) -> pa.Schema:
    listed = list(fields)
    met: set[str] = set()
    for field in listed:
        if field.name in met:
            raise duplicate_column(field.name, advice)
        met.add(field.name)
    return pa.schema(listed)


def _demand_boolean(data_type: pa.DataType) -> None:
    if not pa.types.is_boolean(data_type):
        raise TypeMismatch(f"filter needs a boolean, not {data_type}; write a comparison, as in col('x') > 0")


def _demand_joinable(left: pa.Field, right: pa.Field, how: str) -> None:
    mine, other = plain_type(left.type), plain_type(right.type)
    same = _key_kind(mine) == _key_kind(other)
    if how in ("right", "full"):  # right keys go into the left column
        same = _alike(mine, other) and is_ordered(left.type) == is_ordered(right.type)
    if not same:
        raise TypeMismatch(
            f"cannot join {left.name!r} ({left.type}) with {right.name!r} ({right.type}): "
            f"cast one side, as in .with_columns({right.name}=col({right.name!r}).cast(...))"
        )


def _alike(left: pa.DataType, right: pa.DataType) -> bool:
    """True if both types hold the same values: equal types, or strings (or bytes) in different encodings."""
    kind = _key_kind(plain_type(left))
    if is_ordered(left) != is_ordered(right):
        return False
    return left.equals(right) or (kind in ("text", "bytes") and kind == _key_kind(plain_type(right)))


def _key_kind(data_type: pa.DataType) -> str:
    """Return the kind of a key type: types of one kind have equal hashes for equal values, whatever their width."""
    kinds = {
        "integer": pa.types.is_integer,
        "float": pa.types.is_floating,
        "text": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t),
        "bytes": lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_binary_view(t),
    }
    return next((kind for kind, matches in kinds.items() if matches(data_type)), str(data_type))
