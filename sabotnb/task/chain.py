"""The operators of one task, each feeding the next in the task's thread.

Theory of operation. A chain is pulled: ``process`` and its relatives return an iterator of emissions, and each ``next``
runs the operators only until the next batch leaves the chain. Between two pulls the task reads its mailbox and looks at
its credit, so an operator that makes a million batches from one can be canceled and held back in the middle.

- Order is depth first: a batch goes through all later operators before the operator that made it is pulled again. At
  most one unfinished call per operator is open, so memory does not grow with what an operator returns.
- The open calls are kept in a list, the last operator at its end, and not on Python's stack: a chain may have more
  operators than Python allows nested generators.
- A cut reaches the operators one by one as well, when no call is open. Behind its ``on_cut`` an operator is frozen, so
  its state has exactly the rows of the cut; what it emitted for the cut has reached the operators behind it, which are
  frozen later. The sink rolls last.
- A cut inside the final results of an operator (``allow_cuts``) comes when nothing but that operator's call is open.
  What it has not returned yet is in its state or in ``UnsentResults``, which are sent before everything else of that
  operator. Its watermark is not released meanwhile: the results are before it.
- A watermark, a wake-up and the end reach the operators one by one. What one operator returns for it goes through all
  later operators first, so an operator sees its rows before the watermark that followed them. Then the operator says
  which watermark may leave it (``output_watermark``). One that it holds back is released after a later watermark, a
  wake-up or an end. The event time before each operator, and behind the last, rises only.
- Between two pulls of the same iterator at least one item is yielded. If no rows left the chain, it is None: the task
  looks at its mailbox and its credit, also while one operator makes a million batches and the next drops all of them.
- Delayed rows have a hidden column, and ``Operator.delayed`` says what an operator does with it. Side outputs, probes
  and the samples of failures never have it, nor do rows behind an operator that ends event time. A chain that has met
  no delayed rows does not look for them.
- An operator that calls a function of the user gets a large batch in slices of about 100 ms (``call_sizes``), each as
  a call of its own. Between two of them None is yielded.
- Every call into an operator, and every ``next`` on an iterator that it returned, is a step: it has a name for error
  messages, its time is measured, and it can be interrupted. Steps never nest, as an operator returns its batches to
  the chain instead of calling the next operator. Taking the next item of a tuple cannot fail and is not a step.
- Operators open from the last to the first and close from the first to the last. These two steps of a sink are not
  interrupted: a sink that had removed one of its two folders would leave the other for good.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import methodcaller
from typing import cast

import pyarrow as pa

from sabotnb.eventtime import is_delayed, without_clock
from sabotnb.graph import AssignTimes
from sabotnb.graph import Operator as Node
from sabotnb.protocol import (
    FINAL_CUT,
    MAX_WATERMARK,
    MIN_WATERMARK,
    Committable,
    Cut,
    Delayed,
    EndReason,
    KeyedState,
    Memo,
    Operator,
    OperatorContext,
    Out,
    Prepared,
    SinkOperator,
    StateSpec,
    Status,
    Watermark,
)
from sabotnb.task.call_sizes import CallSize
from sabotnb.task.frozen_chain import FrozenChain
from sabotnb.task.operator_call import OVER, CallOver, OperatorCall, processed_by_clock, started
from sabotnb.task.probes import Probes
from sabotnb.task.stage import Emission, Item, Stage
from sabotnb.task.steps import Steps
from sabotnb.task.unsent_results import UnsentResults


class Chain:
    """Composes operators lazily: methods return iterators that run the operators only as far as they are pulled.

    Dropping an iterator before its end closes the iterators of the operators in it.
    """

    def __init__(self, stages: Sequence[Stage], steps: Steps, probes: Probes) -> None:
        self._stages = tuple(stages)
        self._steps = steps
        self._probes = probes
        self._sink = (
            cast("SinkOperator", stages[-1].operator) if stages and hasattr(stages[-1].operator, "roll") else None
        )
        self._choosy = [stage.operator for stage in stages if type(stage.operator).accepts is not Operator.accepts]
        self._sizes = [CallSize() if stage.operator.calls_function else None for stage in stages]
        self._opened = 0
        self._unsent = [UnsentResults((), 1) for _ in stages]
        self._divided: int | None = None  # the position of the operator whose results a cut divides
        self._cutting = False
        self._at_end: FrozenChain | None = None
        self._cut_due: Callable[[], bool] = lambda: False
        self._due_cut: Callable[[], Iterator[Item]] = lambda: iter(())
        self._watermarks = [MIN_WATERMARK] * (len(self._stages) + 1)  # before each operator, and behind the last
        # Only AssignTimes makes delayed rows of others; from all other operators they come if they were met before.
        self._meets_delayed = any(isinstance(stage.node.spec, AssignTimes) for stage in self._stages)
        self.states: dict[str, Mapping[StateSpec, KeyedState]] = {}
        """The keyed states of the operators, by the operator's id."""

    def open(self, context: Callable[[Node], OperatorContext]) -> None:
        """Open the operators from the last to the first, so that an operator opens after its successor is ready."""
        for position, (node, operator, _, keys, returns) in reversed([*enumerate(self._stages)]):
            ctx = context(node)
            self._steps.run(node, "open", partial(operator.open, ctx), whole=operator is self._sink)
            self._opened += 1
            unsent = self._unsent[position] = UnsentResults(keys, ctx.groups, returns)
            self.states[node.id] = {**ctx.states, unsent.spec: unsent}

    def allow_cuts(self, due: Callable[[], bool], cut: Callable[[], Iterator[Item]]) -> None:
        """While ``due`` returns True, take ``cut`` also between two results of an operator."""
        self._cut_due, self._due_cut = due, cut

    @property
    def unsent(self) -> bool:
        """True if there are results from before the cut that the chain was restored from."""
        return any(self._unsent)

    def accepts(self) -> bool:
        """False while an operator has enough rows, so that no input must be taken, until the operator is woken."""
        return all(operator.accepts() for operator in self._choosy)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Item]:
        """Process one batch of input ``port`` of the first operator; an empty batch has no effect."""
        if batch.num_rows:
            self._meets_delayed = self._meets_delayed or is_delayed(batch)
            yield from self._send_unsent()
            yield from self._run(self._process(0, port, batch))

    def on_watermark(self, us: int) -> Iterator[Item]:
        """Advance the event time of the first operator to ``us``, and that of the others as far as none holds it back.

        Yields a Watermark if the event time behind the last operator has risen, and nothing if ``us`` does not advance.
        """
        yield from self._send_unsent()
        if self._rises(0, us):
            yield from self._advance(0)

    def on_status(self, *, idle: bool) -> Iterator[Item]:
        """Tell the downstream tasks that the input is idle, or active again."""
        yield Status(idle)

    def on_wake(self, operators: Collection[str]) -> Iterator[Item]:
        """Call ``on_wake`` of these operators, which have asked to be woken."""
        for position in [i for i, stage in enumerate(self._stages) if stage.node.id in operators]:
            yield from self._run_and_release(position, "on_wake", methodcaller("on_wake"))

    def on_end(self, port: int, reason: EndReason) -> Iterator[Item]:
        """End one input port of the first operator."""
        yield from self._send_unsent()
        yield from self._run_and_release(0, "on_end", methodcaller("on_end", port, reason))

    def finish(self, reason: EndReason) -> Iterator[Item]:
        """End the input of the operators after the first, one by one."""
        for position in range(1, len(self._stages)):
            yield from self._run_and_release(position, "on_end", methodcaller("on_end", 0, reason))

    def on_cut(self, cut: Cut, frozen: FrozenChain) -> Iterator[Item]:
        """Pass a cut through the operators, and add to ``frozen`` what they are after it. Yields no cut itself."""
        frozen.event_times = self.event_times()
        if self._at_end is not None:
            frozen.join(self._at_end)
            self._freeze(self._stages[-1], frozen)
            return
        self._cutting = True
        for position, stage in enumerate(self._stages):
            on_cut = self._call(position, "on_cut", methodcaller("on_cut", cut))
            yield from self._run(on_cut, behind_unsent=True)
            yield from self._release(position)
            self._freeze(stage, frozen)
        frozen.event_times = self.event_times()
        if self._sink is not None:
            frozen.prepare_by(self._stages[-1].node, self._roll(self._sink, cut.id))
        self._cutting = False

    def _freeze(self, stage: Stage, frozen: FrozenChain) -> None:
        frozen.add(stage.node, stage.operator, self.states.get(stage.node.id, {}), self._steps)

    def freeze_end(self) -> None:
        """Freeze what is left at the end of the input, as operators cannot be asked when they are closed.

        Later cuts freeze only the last operator again, whose rows a client reads.
        """
        self._at_end = FrozenChain()
        for stage in self._stages[:-1]:
            self._freeze(stage, self._at_end)

    def event_times(self) -> dict[str, int]:
        """Return the watermark in front of each operator, and under "" that behind the last.

        Those that have not begun are there as well: a task that continues several takes the smallest of each.
        """
        ids = [*(stage.node.id for stage in self._stages), ""]
        return dict(zip(ids, self._watermarks, strict=True))

    def restore(self, event_times: Mapping[str, int], memos: Mapping[str, Sequence[Memo]]) -> None:
        """Continue from a cut: the operators are open, and their states loaded."""
        ids = [*(stage.node.id for stage in self._stages), ""]
        self._watermarks = [event_times.get(name, MIN_WATERMARK) for name in ids]
        for node, operator, *_ in reversed(self._stages):
            self._steps.run(node, "restored", partial(operator.restored, memos.get(node.id, ())))

    def prepare(self) -> tuple[Committable, ...]:
        """Return the committables of the chain's sink at the end of the input; none without a sink."""
        if self._sink is None:
            return ()
        prepared = self._roll(self._sink, FINAL_CUT)
        return tuple(self._steps.run(self._stages[-1].node, "durable", prepared.durable))

    def _roll(self, sink: SinkOperator, cut: int) -> Prepared:
        return self._steps.run(self._stages[-1].node, "roll", partial(sink.roll, cut))

    def state_size(self) -> tuple[int, int]:
        """Return the number of keys and bytes in the state of all operators."""
        sizes = [
            self._steps.run(node, "size", state.size)
            for node, *_ in self._stages
            for state in self.states.get(node.id, {}).values()
        ]
        return sum(keys for keys, _ in sizes), sum(nbytes for _, nbytes in sizes)

    def awaited(self) -> dict[str, int]:
        """Return the event time that the next results of each operator wait for, if any wait."""
        times = ((node.id, self._steps.run(node, "awaited", operator.awaited)) for node, operator, *_ in self._stages)
        return {name: us for name, us in times if us is not None}

    def close(self) -> list[BaseException]:
        """Close every opened operator, also after errors; returns the errors. A second call does nothing."""
        # Operators open from the end of the chain, so the opened ones are the last.
        self.allow_cuts(lambda: False, lambda: iter(()))  # they refer to the input, which refers to the chain
        opened, self._opened = self._stages[len(self._stages) - self._opened :], 0
        errors: list[BaseException] = []
        for node, operator, *_ in opened:
            try:
                self._steps.run(node, "close", operator.close, whole=operator is self._sink)
            except BaseException as error:  # noqa: BLE001 - the next operator has to be closed too; the caller reports
                errors.append(error)
        return errors

    def release(self) -> None:
        """Drop the operators and their states; only closing it again is allowed then.

        Operators refer to the input of the task, and the input to this chain, so none of them is freed otherwise before
        the garbage collector runs.
        """
        self._stages, self._unsent, self._choosy, self._sizes = (), [], [], []
        self._sink, self._at_end, self.states = None, None, {}

    def _run_and_release(self, position: int, step: str, method: Callable[[Operator], Iterable[Out]]) -> Iterator[Item]:
        """Call a method of one operator, and pass on a watermark that it releases afterwards."""
        yield from self._run(self._call(position, step, method))
        yield from self._release(position)

    def _release(self, position: int) -> Iterator[Item]:
        if self._releases(position):
            yield from self._advance(position + 1)

    def _send_unsent(self) -> Iterator[Item]:
        """Send the results from before a restore, those of the last operator first, as others go through it."""
        for position, unsent in reversed([*enumerate(self._unsent)]):
            if unsent:
                yield from self._run(OperatorCall(position, "on_end", None, iter(()), complete=True))

    def _advance(self, position: int) -> Iterator[Item]:
        """Pass a risen watermark to the operator at ``position`` and the later ones, until one holds it back."""
        while position < len(self._stages):
            us = self._watermarks[position]
            yield from self._run(self._call(position, "on_watermark", methodcaller("on_watermark", us)))
            if not self._releases(position):
                return
            position += 1
        yield Watermark(self._watermarks[position])

    def _releases(self, position: int) -> bool:
        """Ask an operator which watermark may leave it; True if that has risen."""
        us = self._watermarks[position]
        if us == self._watermarks[position + 1] or self._holds_results(position):
            return False
        node, operator, *_ = self._stages[position]
        released = self._steps.run(node, "output_watermark", partial(operator.output_watermark, us))
        return self._rises(position + 1, min(released, us))

    def _rises(self, position: int, us: int) -> bool:
        """Raise the event time in front of ``position``; False if it is not an advance."""
        if us <= self._watermarks[position]:
            return False
        self._watermarks[position] = us
        if us < MAX_WATERMARK:  # the maximum is not an event time, it marks complete input
            self._probes.note_watermark(self._stages[position].node.id if position < len(self._stages) else None, us)
        return True

    def _holds_results(self, position: int) -> bool:
        """True if what the operator there returns now comes behind results that are not sent."""
        return position == self._divided or bool(self._unsent[position])

    def _divide(self, call: OperatorCall) -> Iterator[Item]:
        """Take a cut between two results of ``call``, once those that are not in a state are computed."""
        unsent = self._unsent[call.position]
        while not (call.over or self._is_divisible(call)):
            if unsent.full:
                return
            out = self._pull(call)
            if not isinstance(out, CallOver):
                unsent.add(out)
            yield None
        self._divided = call.position
        yield from self._due_cut()
        self._divided = None

    def _is_divisible(self, call: OperatorCall) -> bool:
        node, operator, *_ = self._stages[call.position]
        return call.step == "on_end" and self._steps.run(node, "divisible", operator.divisible)

    def _next(self, call: OperatorCall, *, first: bool) -> Out | CallOver:
        """The next result of a call; the ``first`` of the open calls sends what is unsent before it."""
        unsent = self._unsent[call.position]
        return unsent.pop() if first and unsent else self._pull(call)

    def _run(self, first: OperatorCall, *, behind_unsent: bool = False) -> Iterator[Item]:
        """Send each result of a call through the later operators; see the top of this module."""
        calls = [first]
        yielded = 0
        try:
            while calls:
                call = calls[-1]
                if call.yielded == yielded:
                    yielded += 1
                    yield None
                call.yielded = yielded
                outer = call is first and not behind_unsent
                if outer and not self._cutting and self._cut_due():
                    yield from self._divide(call)
                out = self._next(call, first=outer)
                if isinstance(out, CallOver):
                    calls.pop()
                    self._measure(call)
                    if call.rest is not None:
                        yielded += 1
                        yield None
                        calls.append(self._process(call.position, call.port, call.rest))
                    continue
                if not outer and self._holds_results(call.position):
                    self._unsent[call.position].add(out)
                    continue
                routed = self._route(call.position, out)
                if isinstance(routed, Emission):
                    yielded += 1
                    yield routed
                elif routed is not None:
                    calls.append(self._process(call.position + 1, 0, routed))
        finally:
            while calls:  # drops the iterators from the last to the first, as each works on a result of the one before
                calls.pop()

    def _measure(self, call: OperatorCall) -> None:
        size = self._sizes[call.position]
        if call.measured and size is not None:
            size.note(call.measured, self._steps.spent(self._stages[call.position].node.id) - call.began)

    def _process(self, position: int, port: int, batch: pa.RecordBatch) -> OperatorCall:
        size = self._sizes[position]
        if size is None:
            return self._processed(position, port, batch)
        began = self._steps.spent(self._stages[position].node.id)
        rest = batch.slice(size.rows) if batch.num_rows > size.rows else None
        first = batch if rest is None else batch.slice(0, size.rows)
        call = self._processed(position, port, first)
        call.port, call.rest, call.measured, call.began = port, rest, first.num_rows, began
        return call

    def _processed(self, position: int, port: int, batch: pa.RecordBatch) -> OperatorCall:
        node, operator, *_ = self._stages[position]
        delayed = self._meets_delayed and is_delayed(batch)
        rows = without_clock(batch) if delayed else batch
        if operator is self._sink:  # it returns no rows that could be counted behind it
            self._probes.note(node.id, rows)
        if not delayed or operator.delayed is Delayed.DROP:
            return self._call(position, "process", lambda operator: operator.process(port, rows), rows)
        if operator.delayed is Delayed.SPLIT:
            return self._call(position, "process", partial(processed_by_clock, port=port, batch=batch), rows)
        return self._call(position, "process", lambda operator: operator.process(port, batch), rows)

    def _call(
        self,
        position: int,
        step: str,
        method: Callable[[Operator], Iterable[Out]],
        batch: pa.RecordBatch | None = None,
    ) -> OperatorCall:
        node, operator, *_ = self._stages[position]
        outs = self._steps.run(node, step, lambda: started(method(operator)), batch)
        return OperatorCall(position, step, batch, iter(outs), complete=isinstance(outs, tuple))

    def _pull(self, call: OperatorCall) -> Out | CallOver:
        pull = partial(next, call.outs, OVER)
        node = self._stages[call.position].node
        out = pull() if call.complete else self._steps.run(node, call.step, pull, call.batch)
        call.over = isinstance(out, CallOver)
        return out

    def _route(self, position: int, out: Out) -> Emission | pa.RecordBatch | None:
        """Return an emission that leaves the chain, the rows for the next operator, or None for no rows."""
        stage = self._stages[position]
        operator = stage.node.id
        side, batch = out if isinstance(out, tuple) else (None, out)
        if not batch.num_rows:
            return None
        rows = without_clock(batch) if self._meets_delayed else batch
        if side is not None:
            self._probes.samples.note(stage.node.written_id, side, rows)
            return Emission(operator, side, rows)
        self._probes.note(operator, rows)
        left = batch if stage.timed else rows
        return Emission(operator, None, left) if position + 1 == len(self._stages) else left
