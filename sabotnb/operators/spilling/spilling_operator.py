"""Run an operator whose keyed state may be larger than memory.

Theory of operation. The operator inside (``main``) works as if nothing was spilled. When its states exceed their
budget, whole key groups go to a file (``StateBudget``), and ``main`` begins them again with the next row. So each part
of a group is a state of its own; loading merges them. When the last port ends, one spilled group after another is
loaded into a new operator of the same kind, which returns its results and is dropped. Then ``main`` returns those of
the groups that were never spilled. Memory is bounded by the budget and the largest group.

That is right for operators that return nothing before the end: aggregates, top, reduce. ``WaitingOperator`` is for the
others.

Nothing spills if the input may not end, as the spilled groups would never be returned. A cut finds the spilled groups
in the states that the operator has without this class, so a restored run needs neither this class nor the file.

A cut may come between two spilled groups (``divisible``). Inside a group the task computes the rest of its results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from sabotnb.metrics import TaskCounters
from sabotnb.native import empty_batch
from sabotnb.operators.spilling.spillable_state import SpillableState
from sabotnb.operators.spilling.state_budget import StateBudget
from sabotnb.protocol import EndReason, KeyedState, Operator, OperatorContext, Out, StateSpec

_NOTHING = empty_batch(pa.schema([]))


class SpillingOperator(Operator):
    """Runs the operator that ``make`` returns, and further ones for the groups that were spilled."""

    def __init__(self, make: Callable[[], Operator], ports: int = 1) -> None:
        self._make = make
        self._ports = ports
        self._main = self._working = make()
        self._states: dict[StateSpec, SpillableState] = {}
        self._ended: dict[int, EndReason] = {}
        self._is_between = False

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._budget = StateBudget(ctx.config.state_bytes if ctx.ends else None, partial(_count, ctx.counters))
        self._inside = self._opened(self._main)
        for spec, state in self._inside.items():
            self._states[spec] = ctx.keyed(spec, self._budget.shared(state))

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._budget.note(batch)
        return self._main.process(port, batch)

    def output_watermark(self, us: int) -> int:
        return self._main.output_watermark(us)

    def on_end(self, port: int, reason: EndReason) -> Iterable[Out]:
        self._ended[port] = reason
        return self._end(port, reason) if self._budget.spilled else self._main.on_end(port, reason)

    def divisible(self) -> bool:
        return self._is_between or self._working.divisible()

    def memo(self) -> Mapping[str, Any]:
        return self._main.memo()

    def restored(self, memos: Sequence[Mapping[str, Any]]) -> None:
        self._main.restored(memos)

    def close(self) -> None:
        self._main.close()
        self._budget.close()

    def _end(self, port: int, reason: EndReason) -> Iterator[Out]:
        """End a port while there are spilled groups."""
        if len(self._ended) == self._ports:
            for state in self._states.values():
                state.join_small()
            for group in sorted(self._budget.spilled):
                yield from self._results_of(group)
                self._budget.spilled.remove(group)
                yield from self._between()
        else:
            self._budget.spill({*self._budget.spilled})  # what ``main`` has of a spilled group is not the whole group
        yield from self._main.on_end(port, reason)

    def _between(self) -> Iterator[Out]:
        """Let a cut come: the states have what was not returned."""
        self._is_between = True
        yield _NOTHING
        self._is_between = False

    def _results_of(self, group: int) -> Iterator[Out]:
        with closing(self._make()) as operator:
            for spec, state in self._opened(operator).items():
                state.load(group, self._states[spec].take(group))
            for port, reason in self._ended.items():
                yield from operator.on_end(port, reason)

    def _opened(self, operator: Operator) -> Mapping[StateSpec, KeyedState]:
        """Open ``operator`` and return its states."""
        ctx = replace(self._ctx, states={})
        operator.open(ctx)
        return ctx.states


def _count(counters: TaskCounters, nbytes: int) -> None:
    """Count bytes that were spilled; not a method, as the file would keep the operator and its states then."""
    counters.spilled_bytes += nbytes
