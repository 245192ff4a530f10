"""The operator of ``top``: returns the best rows of each key."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabotnb.graph import Top
from sabotnb.operators.group_states import maker_of
from sabotnb.operators.top_groups import TopGroups
from sabotnb.operators.updates import GroupOperator, GroupResults
from sabotnb.protocol import OperatorContext, StateSpec


class TopOperator(GroupOperator):
    """Stores the best rows of each key, and returns them when the input has ended."""

    def __init__(self, spec: Top, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._input = inputs[0]
        TopGroups(spec, self._input, 1, 1)  # refuses a column without order before any task runs

    def open(self, ctx: OperatorContext) -> None:
        self._groups = maker_of(self._spec, self._input, ctx, ctx.groups, self._spec.updated)()
        ctx.keyed(StateSpec("best"), self._groups.keyed)
        keys = pa.schema([self._input.field(key) for key in self._spec.keys])
        self._results = GroupResults(self._groups, keys, self._spec.every, ctx)
