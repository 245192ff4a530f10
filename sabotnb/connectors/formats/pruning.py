"""Decides from statistics whether a Parquet row group can have rows that pass a predicate."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sabotnb import expr
from sabotnb.errors import SabotnbError
from sabotnb.expr import RANGE_ENDS, Call, Column, Literal, Node, scalar
from sabotnb.native import plain_type

_MONOTONE = frozenset(("less", "less_equal", "greater", "greater_equal"))


def may_match(predicate: expr.Expr, group: pq.RowGroupMetaData, schema: pa.Schema) -> bool:
    """False only if no row of ``group`` can pass ``predicate``.

    ``schema`` has the columns whose statistics are usable, with their types. Only conditions that compare one of these
    columns with constants can exclude a group.
    """
    chunks = [group.column(number) for number in range(group.num_columns)]
    paths = Counter(chunk.path_in_schema for chunk in chunks)  # a column "a.b" and a field b of a share a path
    statistics = {
        chunk.path_in_schema: chunk.statistics
        for chunk in chunks
        if chunk.statistics is not None and paths[chunk.path_in_schema] == 1 and chunk.path_in_schema in schema.names
    }
    return expr.may_be_true(predicate.node, lambda node: _compared(node, statistics, schema))


def _compared(node: Node, statistics: Mapping[str, pq.Statistics], schema: pa.Schema) -> bool:
    match node:
        case Call("is_null", (Column(name),)) if name in statistics:
            return not statistics[name].has_null_count or statistics[name].null_count > 0
        case Call("is_not_null", (Column(name),)) if name in statistics:
            return bool(statistics[name].num_values > 0)
        case Call("equal", (left, right)):
            both = (Call("less_equal", (left, right)), Call("greater_equal", (left, right)))
            return all(_compared(part, statistics, schema) for part in both)
        case Call("is_between", (value, low, high), options):
            above, below = RANGE_ENDS[dict(options)["closed"]]
            both = (Call(above, (value, low)), Call(below, (value, high)))
            return all(_compared(part, statistics, schema) for part in both)
        case Call(fn, (Column(name), Literal()) | (Literal(), Column(name))) if fn in _MONOTONE and name in statistics:
            return _true_at_an_end(node, name, statistics[name], schema)
        case _:
            return True


def _true_at_an_end(node: Node, name: str, statistics: pq.Statistics, schema: pa.Schema) -> bool:
    """A monotone comparison is true somewhere if it is true at the smallest or at the largest value."""
    if statistics.num_values == 0:
        return False  # nulls only
    if not statistics.has_min_max:
        return True
    try:
        ends = _ends(statistics, plain_type(schema.field(name).type))
        return bool(
            expr.evaluate(expr.Expr(node), pa.RecordBatch.from_arrays([ends], [name])).to_pylist() != [False] * 2
        )
    except (pa.ArrowException, SabotnbError, struct.error, ValueError, OverflowError):
        return True  # not comparable, such as a truncated character or the year 10000: only reading can tell


def _ends(statistics: pq.Statistics, data_type: pa.DataType) -> pa.Array:
    """The smallest and the largest value."""
    if data_type.equals(pa.time64("ns")):  # pyarrow's min and max are Python times: microseconds
        return pa.array([statistics.min_raw, statistics.max_raw], pa.int64()).cast(data_type)
    return _array((statistics.min, statistics.max), data_type)


def _array(values: tuple[Any, ...], data_type: pa.DataType) -> pa.Array:
    """``pa.array``, but simple values do without it, because it imports pandas."""
    if all(isinstance(value, int | float | str) for value in values):
        return pa.concat_arrays([pa.repeat(scalar(value, data_type), 1) for value in values])
    return pa.array(values, data_type)
