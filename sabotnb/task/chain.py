"""The operators of one task, each feeding the next without leaving the thread."""

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
"""What ``prepare`` is called with at the end of the input; cuts of a job count from 1."""


class Emission(NamedTuple):
    """Rows that leave the chain behind operator ``operator``, through its side output ``side`` if that is not None."""

    operator: str
    side: str | None
    batch: pa.RecordBatch


class Stage(NamedTuple):
    """An operator of the chain and the node of the graph that it was made from."""

    node: Node
    operator: Operator


class _Called(NamedTuple):
    """A call of an operator, and what it has yet to give; ``there``: it has made everything, pulling it is no step."""

    position: int
    step: str
    batch: pa.RecordBatch | None
    outs: Iterator[Out]
    there: bool


class _Done:
    """Ends an iterator of an operator."""


_DONE = _Done()


class PassThrough(Operator):
    """Gives what it gets: a source's place in its chain, and that of a sink whose rows the client pulls."""

    def open(self, ctx: OperatorContext) -> None:
        """Nothing to make ready."""

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        return (batch,)

    def close(self) -> None:
        """Nothing to release."""


class Chain:
    """Composes operators lazily: every method returns an iterator that works only as far as it is pulled.

    Dropping an iterator before its end closes the operators' own iterators within it.
    """

    def __init__(self, stages: Sequence[Stage], steps: Steps, taps: Probes) -> None:
        self._stages = tuple(stages)
        self._steps = steps
        self._taps = taps
        self._sink = (
            cast("SinkOperator", stages[-1].operator) if stages and hasattr(stages[-1].operator, "prepare") else None
        )
        self._opened = 0
        self.states: dict[str, Mapping[StateSpec, KeyedState]] = {}
        """What the operators keep, by the operator's id."""

    def open(self, context: Callable[[Node], OperatorContext]) -> None:
        """Open the operators from the last to the first, so that each one's successor is ready before it."""
        for node, operator in reversed(self._stages):
            ctx = context(node)
            self._steps.run(node, "open", partial(operator.open, ctx))
            self._opened += 1
            self.states[node.id] = ctx.states

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Emission]:
        """What one batch of input ``port`` of the first operator becomes; nothing if it has no rows."""
        if batch.num_rows:
            yield from self._run(0, "process", lambda operator: operator.process(port, batch), batch)

    def on_watermark(self, us: int) -> Iterator[Emission]:
        """Tell each operator that event time has come to ``us``, after what the ones before it gave for that."""
        for position in range(len(self._stages)):
            yield from self._run(position, "on_watermark", lambda operator: operator.on_watermark(us))

    def on_wake(self) -> Iterator[Emission]:
        """Tell every operator that one of them has asked to be woken."""
        for position in range(len(self._stages)):
            yield from self._run(position, "on_wake", lambda operator: operator.on_wake())

    def on_end(self, port: int, reason: EndReason) -> Iterator[Emission]:
        """End one input port of the first operator."""
        yield from self._run(0, "on_end", lambda operator: operator.on_end(port, reason))

    def finish(self, reason: EndReason) -> Iterator[Emission]:
        """End the input of the operators behind the first, one after the other."""
        for position in range(1, len(self._stages)):
            yield from self._run(position, "on_end", lambda operator: operator.on_end(0, reason))

    def prepare(self) -> tuple[Committable, ...]:
        """What the chain's sink, if it has one, hands over at the end of the input."""
        if self._sink is None:
            return ()
        return tuple(self._steps.run(self._stages[-1].node, "prepare", partial(self._sink.prepare, FINAL_CUT)))

    def state_size(self) -> tuple[int, int]:
        """Keys and bytes that all operators hold."""
        sizes = [
            self._steps.run(node, "size", state.size)
            for node, _ in self._stages
            for state in self.states.get(node.id, {}).values()
        ]
        return sum(keys for keys, _ in sizes), sum(nbytes for _, nbytes in sizes)

    def close(self) -> list[BaseException]:
        """Close every opened operator, whatever the others do; gives what they raised. Closed ones stay closed."""
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
        """Call one operator and send each thing that it gives through the operators behind it.

        A chain may have thousands of operators: those that have not given everything yet wait in a list, not on
        Python's stack.
        """
        waiting = [self._called(position, step, call, batch)]
        try:
            while waiting:
                out = self._pulled(waiting[-1])
                if isinstance(out, _Done):
                    waiting.pop()
                    continue
                position = waiting[-1].position
                sent = self._sent(position, out)
                if isinstance(sent, Emission):
                    yield sent
                elif sent is not None:
                    waiting.append(self._called(position + 1, "process", partial(_processed, batch=sent), sent))
        finally:
            while waiting:  # the last one first, as it works for the ones before it
                waiting.pop()

    def _called(
        self, position: int, step: str, call: Callable[[Operator], Iterable[Out]], batch: pa.RecordBatch | None
    ) -> _Called:
        node, operator = self._stages[position]
        if operator is self._sink and batch is not None:  # it passes nothing on
            self._taps.note(node.id, batch)
        outs = self._steps.run(node, step, lambda: _started(call(operator)), batch)
        return _Called(position, step, batch, iter(outs), there=isinstance(outs, tuple))

    def _pulled(self, called: _Called) -> Out | _Done:
        pull = partial(next, called.outs, _DONE)
        if called.there:
            return pull()
        return self._steps.run(self._stages[called.position].node, called.step, pull, called.batch)

    def _sent(self, position: int, out: Out) -> Emission | pa.RecordBatch | None:
        """What leaves the chain, the rows that the next operator gets, or nothing."""
        node = self._stages[position].node
        side, batch = out if isinstance(out, tuple) else (None, out)
        if not batch.num_rows:
            return None
        if side is None:
            self._taps.note(node.id, batch)
        if side is not None or position + 1 == len(self._stages):
            return Emission(node.id, side, batch)
        return batch


def _processed(operator: Operator, batch: pa.RecordBatch) -> Iterable[Out]:
    return operator.process(0, batch)


def _started(outs: Iterable[Out]) -> tuple[Out, ...] | Iterator[Out]:
    """A tuple is there already, so pulling it is no step of the operator that could fail or hang."""
    return outs if isinstance(outs, tuple) else iter(outs)
