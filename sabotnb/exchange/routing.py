"""Functions that split a batch over the downstream tasks, one for each type of edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa

from sabotnb.blobs import Function, user_error
from sabotnb.errors import ProtocolError, TypeMismatch, UserFunctionError
from sabotnb.eventtime import without_clock
from sabotnb.expr import Literal, batch_advice, sample_of, scalar_of
from sabotnb.graph import EdgeType
from sabotnb.native import Categories, as_values, canonical, decoded_batch, is_ordered, partition, scatter
from sabotnb.plan import ExecutionGraph, ShuffleEdge

Split = Callable[[pa.RecordBatch], Sequence[pa.RecordBatch | None]]
"""Splits a batch into one slice per downstream task; None for a task that gets no rows."""


def splitter(edge: ShuffleEdge, graph: ExecutionGraph) -> Split | None:
    """Return the function that splits the batches of ``edge``; None if the edge sends them whole."""
    tasks = graph.vertices[edge.down].parallelism
    match edge.type:
        case EdgeType.HASH:
            return _by_hash(edge, graph, tasks)
        case EdgeType.RANGE:
            categories = Categories(edge.keys[0])
            return partial(_by_range, categories=categories, column=edge.keys[0], bounds=edge.bounds, tasks=tasks)
        case EdgeType.CUSTOM:
            return _by_function(edge, tasks)
    return None


def _by_hash(edge: ShuffleEdge, graph: ExecutionGraph, tasks: int) -> Split:
    if edge.domain is None:
        raise ProtocolError(f"hash edge {edge.up} -> {edge.down} has no key domain, so no table of key groups")
    table = pa.array(graph.tables[edge.domain], pa.uint16())
    keys = [edge.schema.get_field_index(key) for key in edge.keys]
    return lambda batch: partition(batch, keys, table, tasks)


def _by_range(
    batch: pa.RecordBatch, categories: Categories, column: str, bounds: Sequence[Literal], tasks: int
) -> Sequence[pa.RecordBatch | None]:
    """Send bounds[i - 1] <= value < bounds[i] to task i; nulls and NaN, which have no order, to the last task.

    Bounds are categories of an ordered column, because a sample of the rows had them: one that no batch listed so far
    comes after those that are known.
    """
    import pyarrow.compute as pc

    values = batch.column(column)
    last = min(len(bounds), tasks - 1)
    if is_ordered(values.type):
        kind = values.type.value_type
        values = categories.codes(values)
        positions = [categories.position(scalar_of(bound, kind)) for bound in bounds[:last]]
        if positions != sorted(positions):
            shown = ", ".join(str(scalar_of(bound, kind)) for bound in bounds)
            raise TypeMismatch(
                f"{column!r} meets two orders of categories: {shown} in a sample of its rows, another order later. "
                f"Give both the same categories, or compare {as_values(kind)}"
            )
        values = values.cast(pa.int64())
        ends = [pa.scalar(position, pa.int64()) for position in positions]
    else:
        values = canonical.decoded(values)
        ends = [scalar_of(bound, values.type) for bound in bounds[:last]]
    indexes = pa.repeat(pa.scalar(0, pa.uint16()), batch.num_rows)
    for end in ends:
        above = pc.greater_equal(values, end)
        indexes = pc.add(indexes, pc.cast(above, pa.uint16()))
    if pa.types.is_floating(values.type):
        indexes = pc.if_else(pc.is_nan(values), pa.scalar(last, pa.uint16()), indexes)
    return scatter(batch, pc.fill_null(indexes, pa.scalar(last, pa.uint16())), tasks)


def _by_function(edge: ShuffleEdge, tasks: int) -> Split:
    function = edge.function
    if function is None:
        raise ProtocolError(f"custom edge {edge.up} -> {edge.down} has no function")
    call = function.load()

    def split(batch: pa.RecordBatch) -> Sequence[pa.RecordBatch | None]:
        rows = without_clock(batch)
        try:
            returned = call(decoded_batch(rows), tasks)
        except Exception as error:
            advice = batch_advice(error, rows.schema.names)
            raise user_error(function, error, sample_of(rows), edge.up, advice) from error
        return scatter(batch, _indexes(returned, function, edge.up, batch.num_rows, tasks), tasks)

    return split


def _indexes(returned: object, function: Function, operator: str, rows: int, tasks: int) -> pa.UInt16Array:
    """Convert the result of the user's function to task indexes; UserFunctionError if it is not valid."""
    try:
        array = returned if isinstance(returned, pa.Array) else pa.array(returned)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
        raise _refused(function, operator, f"{type(returned).__name__}, which is not an array of integers") from None
    if not pa.types.is_integer(array.type) or array.null_count:
        raise _refused(function, operator, f"{array.type} with {array.null_count} nulls instead of integers")
    if len(array) != rows:
        raise _refused(function, operator, f"{len(array)} indexes for a batch of {rows} rows")
    import pyarrow.compute as pc

    extremes = pc.min_max(array).as_py()
    for index in (extremes["min"], extremes["max"]):
        if not 0 <= index < tasks:
            raise _refused(function, operator, f"task index {index}; there are {tasks} tasks")
    return array.cast(pa.uint16())


def _refused(function: Function, operator: str, returned: str) -> UserFunctionError:
    return UserFunctionError(
        f"{function.name} ({function.origin}) returned {returned}; "
        "a partitioning function(batch, n) must return one integer in [0, n) per row",
        operator=operator,
        function=function.name,
        origin=str(function.origin),
    )
