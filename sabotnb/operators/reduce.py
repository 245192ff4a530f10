"""The operator of ``reduce``: folds the rows of each key by a user function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from sabotnb.graph import Reduce
from sabotnb.operators.reduced_groups import ReducedGroups
from sabotnb.operators.updates import GroupOperator, GroupResults
from sabotnb.protocol import EndReason, OperatorContext, Out, StateSpec


class ReduceOperator(GroupOperator):
    """Folds the rows of each key, and returns one row per key when the input has ended.

    Without keys and with ``init``, the first task returns the result of ``init`` if there are no rows.
    """

    def __init__(self, spec: Reduce, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._input = inputs[0]

    def open(self, ctx: OperatorContext) -> None:
        self._index = ctx.index
        self._groups = self._folds = ReducedGroups(self._spec, self._input, ctx.groups, ctx)
        ctx.keyed(StateSpec("folds"), self._folds.keyed)
        keys = pa.schema([self._input.field(key) for key in self._spec.keys])
        self._results = GroupResults(self._groups, keys, self._spec.every, ctx)

    def on_end(self, port: int, reason: EndReason) -> Iterator[Out]:
        if self._index == 0 and not self._results.returned:
            yield from self._folds.result_of_no_rows()
        yield from self._results.last()
