"""The operator of ``reduce``: folds the rows of each key by a user function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from sabotnb.graph import Reduce
from sabotnb.operators.reduced_groups import ReducedGroups
from sabotnb.operators.updates import GroupResults
from sabotnb.protocol import EndReason, Operator, OperatorContext, Out, StateSpec


class ReduceOperator(Operator):
    """Folds the rows of each key, and returns one row per key when the input has ended.

    Without keys and with ``init``, the first task returns the result of ``init`` if there are no rows.
    """

    def __init__(self, spec: Reduce, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._input = inputs[0]

    def open(self, ctx: OperatorContext) -> None:
        self._index = ctx.index
        self._groups = ReducedGroups(self._spec, self._input, ctx.groups, ctx)
        ctx.keyed(StateSpec("folds"), self._groups.keyed)
        keys = pa.schema([self._input.field(key) for key in self._spec.keys])
        self._results = GroupResults(self._groups, keys, self._spec.every, ctx)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._groups.add(batch)
        self._results.note(batch)
        return ()

    def on_wake(self) -> Iterable[Out]:
        return self._results.due()

    def on_end(self, port: int, reason: EndReason) -> Iterator[Out]:
        if self._index == 0:
            yield from self._groups.result_of_no_rows()
        yield from self._results.last()
