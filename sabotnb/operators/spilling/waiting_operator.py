"""Run an operator that returns rows before its input ends, and whose keyed state may be larger than memory.

Theory of operation. What such an operator returns for a row depends on all that it knows of the row's key group. So
rows of spilled groups wait, in keyed states of this operator, which spill with the others. When all ports have ended,
each spilled group is loaded into a new operator, which then gets the rows that have waited, in the order in which they
came.

- ``distinct``, and ``reduce`` with a first value (two parts of a key would both begin with it): rows wait in
  ``waiting`` and ``delayed waiting``.
- A hash join: left rows wait in its own states for left rows, which a join that is restored probes as soon as the right
  input has ended. Right rows do not wait, as the join returns nothing for them before both inputs have ended.

The group of a row is that of its key columns as they are. A join puts a right row into the group of its key in the
common type of both sides. The two differ only for keys that no key of the other side equals.

A cut may also come behind each batch that has waited: the states of the new operator are part of those of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa

from sabotnb.eventtime import delayed_schema, is_delayed, without_clock
from sabotnb.native import partition
from sabotnb.operators.encoding import conformed
from sabotnb.operators.spilling.spillable_state import SpillableState
from sabotnb.operators.spilling.spilling_operator import SpillingOperator
from sabotnb.protocol import MIN_WATERMARK, Delayed, Operator, OperatorContext, Out, StateSpec
from sabotnb.state import GroupedRows


class WaitingRows(SpillableState):
    """Rows that wait for the end; a group that has some is spilled."""

    def load(self, group: int, batches: Iterable[pa.RecordBatch]) -> None:
        self._spilled.add(group)
        super().load(group, batches)


class WaitingOperator(SpillingOperator):
    """Rows of port 0, which have ``schema``, wait if the group of their ``keys`` is spilled.

    ``names`` are the states in which rows and delayed rows wait. Those that the operator inside lacks are made.
    """

    delayed = Delayed.KEEP

    def __init__(
        self,
        make: Callable[[], Operator],
        schema: pa.Schema,
        keys: Sequence[str],
        names: tuple[str, str] = ("waiting", "delayed waiting"),
        ports: int = 1,
    ) -> None:
        super().__init__(make, ports)
        self._keys = keys
        self._names = names
        self._schemas = (schema, delayed_schema(schema))

    def open(self, ctx: OperatorContext) -> None:
        super().open(ctx)
        self._waiting = [self._rows_of(name, schema) for name, schema in zip(self._names, self._schemas, strict=True)]

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._budget.note(batch)
        if port or not self._budget.spilled:
            return _process(self._main, port, batch)
        table = np.zeros(self._ctx.groups, np.uint16)
        table[list(self._budget.spilled)] = 1
        keys = [batch.schema.get_field_index(key) for key in self._keys]
        whole, spilled = partition(batch, keys, pa.array(table), 2)
        if spilled is not None:
            self._waiting[is_delayed(spilled)].add(spilled)
        return () if whole is None else _process(self._main, port, whole)

    def output_watermark(self, us: int) -> int:
        return MIN_WATERMARK if self._budget.spilled else super().output_watermark(us)

    def on_wake(self) -> Iterator[Out]:
        """Process the rows that have waited for the end of an input that, since an edit, does not end."""
        for group in sorted(self._budget.spilled):
            for batch in self._waited(group):
                yield from _process(self._main, 0, batch)
        self._budget.spilled.clear()

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        super().restored(memos)
        if self._budget.spilled and not self._ctx.ends:
            self._ctx.wake()

    def _results_of(self, group: int) -> Iterator[Out]:
        operator = self._working = self._make()
        states = {
            self._states[spec]: state for spec, state in self._opened(operator).items() if spec.name not in self._names
        }
        for shared, state in states.items():
            state.load(group, shared.take(group))
            shared.attach(state)
        for port in reversed(range(self._ports)):
            for batch in () if port else self._waited(group):
                yield from _process(operator, port, batch)
                yield from self._between()
            yield from operator.on_end(port, self._ended[port])
        for shared in states:
            shared.detach()
        self._working = self._main
        operator.close()

    def _rows_of(self, name: str, schema: pa.Schema) -> GroupedRows:
        """The state of ``main`` of that name, or a new one."""
        spec = StateSpec(name)
        if spec in self._states:
            return cast("GroupedRows", self._inside[spec])
        rows = GroupedRows(schema, self._keys, self._ctx.groups)
        self._states[spec] = self._ctx.keyed(spec, self._budget.shared(rows, WaitingRows))
        return rows

    def _waited(self, group: int) -> Iterator[pa.RecordBatch]:
        """Remove the rows of ``group`` that have waited, batch by batch."""
        for name, schema in zip(self._names, self._schemas, strict=True):
            for batch in self._states[StateSpec(name)].take(group):
                yield conformed(batch, schema)


def _process(operator: Operator, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
    return operator.process(port, batch if operator.delayed is Delayed.KEEP else without_clock(batch))
