"""The operators of one task, each feeding the next in the task's thread.

Theory of operation. A chain is pulled: ``process`` and its relatives return an iterator of emissions, and each ``next``
runs the operators only until the next batch leaves the chain. Between two pulls the task reads its mailbox and looks at
its credit, so an operator that makes a million batches from one can be canceled and held back in the middle.

- Order is depth first: a batch goes through all later operators before the operator that made it is pulled again. At
  most one unfinished call per operator is open, so memory does not grow with what an operator returns.
- The open calls are kept in a list, the last operator at its end, and not on Python's stack: a chain may have more
  operators than Python allows nested generators.
- A watermark, a wake-up and the end reach the operators one by one. What one operator returns for it goes through all
  later operators first, so an operator sees its rows before the watermark that followed them.
- Every call into an operator, and every ``next`` on an iterator that it returned, is a step: it has a name for error
  messages, its time is measured, and it can be interrupted. Steps never nest, as an operator returns its batches to
  the chain instead of calling the next operator. Taking the next item of a tuple cannot fail and is not a step.
- Operators open from the last to the first and close from the first to the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, cast

import pyarrow as pa

from sabotnb.graph import Operator as Node
from sabotnb.protocol import Committable, EndReason, KeyedState, Operator, OperatorContext, Out, SinkOperator, StateSpec
from sabotnb.task.probes import Probes
from sabotnb.task.steps import Steps

FINAL_CUT = 0
"""The id of the cut that ``prepare`` gets at the end of the input; cuts of a job count from 1."""


class Emission(NamedTuple):
    """Rows that leave the chain after ``operator``, through its side output ``side`` if that is not None."""

    operator: str
    side: str | None
    batch: pa.RecordBatch


class Stage(NamedTuple):
    """An operator of the chain, and the node of the graph that it was created from."""

    node: Node
    operator: Operator


class _Call(NamedTuple):
    """A call of an operator and its remaining results; ``complete`` if pulling them runs no code of the operator."""

    position: int
    step: str
    batch: pa.RecordBatch | None
    outs: Iterator[Out]
    complete: bool


class _Done:
    """The type of the sentinel that marks the end of an operator's iterator."""


_DONE = _Done()


class PassThrough(Operator):
    """Returns its input: stands for a source, or for a sink whose rows the client pulls, in a chain."""

    def open(self, ctx: OperatorContext) -> None:
        """Do nothing."""

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        return (batch,)

    def close(self) -> None:
        """Do nothing."""


class Chain:
    """Composes operators lazily: methods return iterators that run the operators only as far as they are pulled.

    Dropping an iterator before its end closes the iterators of the operators in it.
    """

    def __init__(self, stages: Sequence[Stage], steps: Steps, probes: Probes) -> None:
        self._stages = tuple(stages)
        self._steps = steps
        self._probes = probes
        self._sink = (
            cast("SinkOperator", stages[-1].operator) if stages and hasattr(stages[-1].operator, "prepare") else None
        )
        self._opened = 0
        self.states: dict[str, Mapping[StateSpec, KeyedState]] = {}
        """The keyed states of the operators, by the operator's id."""

    def open(self, context: Callable[[Node], OperatorContext]) -> None:
        """Open the operators from the last to the first, so that an operator opens after its successor is ready."""
        for node, operator in reversed(self._stages):
            ctx = context(node)
            self._steps.run(node, "open", partial(operator.open, ctx))
            self._opened += 1
            self.states[node.id] = ctx.states

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Emission]:
        """Process one batch of input ``port`` of the first operator; an empty batch has no effect."""
        if batch.num_rows:
            yield from self._run(0, "process", lambda operator: operator.process(port, batch), batch)

    def on_watermark(self, us: int) -> Iterator[Emission]:
        """Advance the event time of each operator to ``us``, after the results of the operators before it."""
        for position in range(len(self._stages)):
            yield from self._run(position, "on_watermark", lambda operator: operator.on_watermark(us))

    def on_wake(self) -> Iterator[Emission]:
        """Call ``on_wake`` of every operator, as one of them has asked to be woken."""
        for position in range(len(self._stages)):
            yield from self._run(position, "on_wake", lambda operator: operator.on_wake())

    def on_end(self, port: int, reason: EndReason) -> Iterator[Emission]:
        """End one input port of the first operator."""
        yield from self._run(0, "on_end", lambda operator: operator.on_end(port, reason))

    def finish(self, reason: EndReason) -> Iterator[Emission]:
        """End the input of the operators after the first, one by one."""
        for position in range(1, len(self._stages)):
            yield from self._run(position, "on_end", lambda operator: operator.on_end(0, reason))

    def prepare(self) -> tuple[Committable, ...]:
        """Return the committables of the chain's sink at the end of the input; none without a sink."""
        if self._sink is None:
            return ()
        return tuple(self._steps.run(self._stages[-1].node, "prepare", partial(self._sink.prepare, FINAL_CUT)))

    def state_size(self) -> tuple[int, int]:
        """Return the number of keys and bytes in the state of all operators."""
        sizes = [
            self._steps.run(node, "size", state.size)
            for node, _ in self._stages
            for state in self.states.get(node.id, {}).values()
        ]
        return sum(keys for keys, _ in sizes), sum(nbytes for _, nbytes in sizes)

    def close(self) -> list[BaseException]:
        """Close every opened operator, also after errors; returns the errors. A second call does nothing."""
        # Operators open from the end of the chain, so the opened ones are the last.
        opened, self._opened = self._stages[len(self._stages) - self._opened :], 0
        errors: list[BaseException] = []
        for node, operator in opened:
            try:
                self._steps.run(node, "close", operator.close)
            except BaseException as error:  # noqa: BLE001 - the next operator has to be closed too; the caller reports
                errors.append(error)
        return errors

    def _run(
        self, position: int, step: str, call: Callable[[Operator], Iterable[Out]], batch: pa.RecordBatch | None = None
    ) -> Iterator[Emission]:
        """Call one operator and send each of its results through the later operators; see the top of this module."""
        calls = [self._call(position, step, call, batch)]
        try:
            while calls:
                out = self._pull(calls[-1])
                if isinstance(out, _Done):
                    calls.pop()
                    continue
                position = calls[-1].position
                routed = self._route(position, out)
                if isinstance(routed, Emission):
                    yield routed
                elif routed is not None:
                    calls.append(self._call(position + 1, "process", partial(_process, batch=routed), routed))
        finally:
            while calls:  # drops the iterators from the last to the first, as each works on a result of the one before
                calls.pop()

    def _call(
        self, position: int, step: str, call: Callable[[Operator], Iterable[Out]], batch: pa.RecordBatch | None
    ) -> _Call:
        node, operator = self._stages[position]
        if operator is self._sink and batch is not None:  # it returns no rows that could be counted behind it
            self._probes.note(node.id, batch)
        outs = self._steps.run(node, step, lambda: _started(call(operator)), batch)
        return _Call(position, step, batch, iter(outs), complete=isinstance(outs, tuple))

    def _pull(self, call: _Call) -> Out | _Done:
        pull = partial(next, call.outs, _DONE)
        if call.complete:
            return pull()
        return self._steps.run(self._stages[call.position].node, call.step, pull, call.batch)

    def _route(self, position: int, out: Out) -> Emission | pa.RecordBatch | None:
        """Return an emission that leaves the chain, the rows for the next operator, or None for no rows."""
        node = self._stages[position].node
        side, batch = out if isinstance(out, tuple) else (None, out)
        if not batch.num_rows:
            return None
        if side is None:
            self._probes.note(node.id, batch)
        if side is not None or position + 1 == len(self._stages):
            return Emission(node.id, side, batch)
        return batch


def _process(operator: Operator, batch: pa.RecordBatch) -> Iterable[Out]:
    return operator.process(0, batch)


def _started(outs: Iterable[Out]) -> tuple[Out, ...] | Iterator[Out]:
    """Start the iteration inside the step, as ``__iter__`` is code of the operator; a tuple needs no start."""
    return outs if isinstance(outs, tuple) else iter(outs)
