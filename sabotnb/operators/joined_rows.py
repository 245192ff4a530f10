"""Build the output rows of joins from the rows of both sides."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyarrow import types as t

from sabotnb.graph import KeyedJoin, right_output_names
from sabotnb.native import canonical
from sabotnb.operators.encoding import conformed
from sabotnb.state import encoded_as


class JoinedRows:
    """Puts left and right rows side by side, as ``graph.output_schema`` says; the right keys are left out."""

    def __init__(self, spec: KeyedJoin, left: pa.Schema, right: pa.Schema, output: pa.Schema) -> None:
        """``output`` has the columns of both sides, and may have more behind them."""
        self._left, self._right, self._output = left, right, output
        self._kept = list(right_output_names(spec, left, right)) if spec.how not in ("semi", "anti") else []
        self._key_of = dict(zip(spec.left_on, spec.right_on, strict=True))

    def pairs(self, left: pa.RecordBatch, right: pa.RecordBatch, *more: pa.Array) -> pa.RecordBatch:
        """Rows that have met; ``more`` are the further columns."""
        mine, others = conformed(left, self._left), conformed(right, self._right)
        return self._batch([*mine.columns, *map(others.column, self._kept), *more])

    def only_left(self, left: pa.RecordBatch, *more: pa.Array) -> pa.RecordBatch:
        """Left rows without a partner, or the rows of a semi or anti join."""
        nulls = (pa.nulls(left.num_rows, self._right.field(name).type) for name in self._kept)
        return self._batch([*conformed(left, self._left).columns, *nulls, *more])

    def only_right(self, right: pa.RecordBatch, *more: pa.Array) -> pa.RecordBatch:
        """Right rows without a partner. Left key columns take the right key, other left columns are null."""
        others = conformed(right, self._right)
        mine = (
            encoded_as(right.column(self._key_of[field.name]), field.type)
            if field.name in self._key_of
            else pa.nulls(right.num_rows, field.type)
            for field in self._left
        )
        return self._batch([*mine, *map(others.column, self._kept), *more])

    def _batch(self, columns: Sequence[pa.Array]) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(columns, schema=self._output)


def compared_keys(spec: KeyedJoin, left: pa.Schema, right: pa.Schema) -> list[pa.DataType]:
    """The types in which the keys of both sides are compared."""
    pairs = zip(spec.left_on, spec.right_on, strict=True)
    return [common_key_type(left.field(mine).type, right.field(other).type) for mine, other in pairs]


def common_key_type(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """The type in which keys of both types are compared; it holds every value that both types have."""
    mine, other = canonical.plain_type(left), canonical.plain_type(right)
    if mine.equals(other):
        return mine
    if t.is_integer(mine):
        return pa.int64()
    if t.is_floating(mine):
        return pa.float64()
    text = t.is_string(mine) or t.is_large_string(mine) or t.is_string_view(mine)
    return pa.large_string() if text else pa.large_binary()
