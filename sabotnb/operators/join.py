"""The hash join of two bounded inputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as t

from sabotnb.graph import output_schema
from sabotnb.graph.schemas import right_output_names
from sabotnb.graph.specs import Join
from sabotnb.native import canonical
from sabotnb.native.compact import compact, own_bytes
from sabotnb.native.join import Matches, Probe
from sabotnb.native.keyindex import KeyIndex
from sabotnb.operators.encoding import conformed
from sabotnb.operators.held_rows import HeldRows, taken
from sabotnb.protocol.elements import EndReason
from sabotnb.protocol.operator import Operator, OperatorContext, Out
from sabotnb.state import size_of

LEFT, RIGHT = 0, 1
MISSING = 0xFFFFFFFF
SLOT_BYTES = 4
"""Of the slot of a built row."""


class JoinOperator(Operator):
    """Builds a table of the right input (port 1) and probes it with the left.

    Left rows that come before the right input has ended are held, so neither port ever waits for the other. Pairs
    come in bounded batches, made as they are asked for, however many partners a row has.
    """

    def __init__(self, spec: Join, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._left, self._right = inputs
        self._output = output_schema(spec, inputs)
        pairs = zip(spec.left_on, spec.right_on, strict=True)
        self._types = [_common(self._left.field(mine).type, self._right.field(other).type) for mine, other in pairs]
        self._pairs_wanted = spec.how not in ("semi", "anti")
        self._right_outer = spec.how in ("right", "full")
        self._index = KeyIndex(self._types)
        self._built = HeldRows(self._right.remove_metadata() if self._pairs_wanted else pa.schema([]))
        self._slots: list[np.ndarray] = []
        self._waiting: deque[pa.RecordBatch] = deque()
        self._waiting_bytes = 0
        self._open = {LEFT, RIGHT}

    def open(self, ctx: OperatorContext) -> None:
        self._limit = ctx.config.batch_rows

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        if port == RIGHT:
            self._build(batch)
            return ()
        if RIGHT in self._open:
            self._waiting.append(compact(batch))
            self._waiting_bytes += own_bytes(batch)
            return ()
        return self._probe(batch)

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        self._open.discard(port)
        if port == RIGHT:
            slots = np.concatenate(self._slots) if self._slots else np.zeros(0, np.uint32)
            self._matches = Matches(slots, self._index.size())
        return self._catch_up() if RIGHT not in self._open else ()

    def state_size(self) -> tuple[int, int]:
        keys, nbytes = size_of(self._index)
        return keys, nbytes + self._built.nbytes + SLOT_BYTES * self._built.rows + self._waiting_bytes

    def close(self) -> None:
        self._built.clear()
        self._waiting.clear()

    def _catch_up(self) -> Iterator[pa.RecordBatch]:
        while self._waiting:
            batch = self._waiting.popleft()
            self._waiting_bytes -= own_bytes(batch)
            yield from self._probe(batch)
        if not self._open and self._right_outer:
            yield from self._lonely()

    def _build(self, batch: pa.RecordBatch) -> None:
        keys, valid = self._keys(batch, self._spec.right_on)
        if valid is not None and not self._right_outer:
            batch, keys, valid = batch.filter(valid), [key.filter(valid) for key in keys], None
        slots = np.full(batch.num_rows, MISSING, np.uint32)
        if valid is None:
            slots[:] = self._index.upsert(keys).slots
        else:
            slots[valid.to_numpy(zero_copy_only=False)] = self._index.upsert([key.filter(valid) for key in keys]).slots
        if self._pairs_wanted:
            self._slots.append(slots)
            self._built.append(batch)

    def _probe(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        keys, valid = self._keys(batch, self._spec.left_on)
        slots = self._index.find(keys).slots
        if valid is not None:
            slots[~valid.to_numpy(zero_copy_only=False)] = MISSING
        if not self._pairs_wanted:
            yield from self._present(batch, slots)
            return
        probe = Probe(self._matches, slots, self._spec.how in ("left", "full"))
        while (pairs := probe.next(self._limit)) is not None:
            yield self._paired(batch, *pairs)

    def _present(self, batch: pa.RecordBatch, slots: np.ndarray) -> Iterator[pa.RecordBatch]:
        """Rows of a semi or anti join."""
        rows = np.flatnonzero((slots != MISSING) == (self._spec.how == "semi"))
        if len(rows):
            yield conformed(batch if len(rows) == batch.num_rows else taken(batch, rows), self._output)

    def _paired(self, batch: pa.RecordBatch, mine: np.ndarray, others: np.ndarray) -> pa.RecordBatch:
        whole = len(mine) == batch.num_rows and bool((mine == np.arange(len(mine))).all())
        left = conformed(batch if whole else taken(batch, mine), self._left)
        right = self._built.take(pa.array(others, mask=others < 0))
        return self._joined(left.columns, right)

    def _lonely(self) -> Iterator[pa.RecordBatch]:
        """Right rows that no left row has met; a left key is that of the right."""
        without_key = np.flatnonzero(np.concatenate(self._slots) == MISSING) if self._slots else np.zeros(0, np.int64)
        rows = np.union1d(self._matches.unmatched(), without_key)
        other_of = dict(zip(self._spec.left_on, self._spec.right_on, strict=True))
        for start in range(0, len(rows), self._limit):
            right = self._built.take(rows[start : start + self._limit])
            left = [
                _converted(right.column(other_of[field.name]), field.type)
                if field.name in other_of
                else pa.nulls(right.num_rows, field.type)
                for field in self._left
            ]
            yield self._joined(left, right)

    def _joined(self, left: Sequence[pa.Array], right: pa.RecordBatch) -> pa.RecordBatch:
        others = [right.column(name) for name in right_output_names(self._spec, self._left, self._right)]
        return pa.RecordBatch.from_arrays([*left, *others], schema=self._output)

    def _keys(self, batch: pa.RecordBatch, names: Sequence[str]) -> tuple[list[pa.Array], pa.Array | None]:
        """Key columns in the types that are compared, and which rows have no null key (None: all)."""
        columns = [batch.column(name) for name in names]
        keys = [_converted(column, data_type) for column, data_type in zip(columns, self._types, strict=True)]
        valid = None
        for key in keys:
            if (present := _present_values(key)) is not None:
                valid = present if valid is None else pc.and_(valid, present)
        return keys, valid


def _common(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """A type that holds the values of both key types, so that equal values are equal."""
    mine, other = canonical.plain_type(left), canonical.plain_type(right)
    if mine.equals(other):
        return mine
    if t.is_integer(mine):
        # Neither int64 nor uint64 holds both; the index tells words of the two apart by nothing.
        return pa.decimal128(20) if pa.uint64() in (mine, other) else pa.int64()
    if t.is_floating(mine):
        return pa.float64()
    text = t.is_string(mine) or t.is_large_string(mine) or t.is_string_view(mine)
    return pa.large_string() if text else pa.large_binary()


def _converted(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    """``column`` as ``data_type``; where plain values are wanted, a dictionary of such values may stay one."""
    if column.type.equals(data_type) or canonical.plain_type(column.type).equals(data_type):
        return column
    if t.is_dictionary(data_type):  # Arrow casts nothing but text to dictionaries
        return canonical.decoded(column).cast(data_type.value_type).dictionary_encode().cast(data_type)
    return canonical.decoded(column).cast(data_type)


def _present_values(key: pa.Array) -> pa.Array | None:
    """Which values are not null; None if all are there."""
    hidden = isinstance(key, pa.DictionaryArray) and key.dictionary.null_count
    key = canonical.decoded(key) if hidden else key
    return key.is_valid() if key.null_count else None
