"""Inject faults: run a job repeatedly, each time failing one step later."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator

import pyarrow as pa

from sabotnb.protocol import Committable, EndReason, Operator, OperatorContext, Out, Prepared, SinkOperator


class InjectedFault(Exception):  # noqa: N818  the name says what it is
    """The exception that injected faults raise."""


class FailAt:
    """Counts steps and raises InjectedFault at step number ``step`` (from 1), once.

    ``fired`` is the name of that step, or None if the run has not reached it::

        for step in itertools.count(1):
            fault = FailAt(step)
            run(fault)  # must fail as documented if the fault fired
            if fault.fired is None:
                break  # the run had fewer steps: all have been tried
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._count = 0
        self._lock = threading.Lock()
        self.fired: str | None = None

    def __call__(self, name: str) -> None:
        """Count step ``name``; raise if it is the chosen step."""
        with self._lock:
            self._count += 1
            if self._count != self._step:
                return
            self.fired = name
        raise InjectedFault(f"step {self._step}: {name}")


class SignalAt:
    """Counts steps; at step number ``step`` (from 1) the process sends itself ``number``, such as SIGKILL or SIGSTOP.

    A committer that is killed between two changes of the file system::

        with connectors.before_changes(SignalAt(3, signal.SIGKILL)):
            committer.commit(committables)
    """

    def __init__(self, step: int, number: signal.Signals) -> None:
        self._left = step
        self._number = number

    def __call__(self, name: str) -> None:
        """Count step ``name``."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._number)


class Faulty(Operator):
    """Wraps an operator so that each call and each output is a step of ``fault``; counts ``opened`` and ``closed``."""

    def __init__(self, inner: Operator, fault: FailAt) -> None:
        self._inner = inner
        self._fault = fault
        self.delayed = inner.delayed  # type: ignore[misc]  # it belongs to the class, but the wrapped one varies
        self.calls_function = inner.calls_function  # type: ignore[misc]  # likewise
        self.opened = 0
        self.closed = 0

    def open(self, ctx: OperatorContext) -> None:
        self._fault("open")
        self._inner.open(ctx)
        self.opened += 1

    def process(self, port: int, batch: pa.RecordBatch) -> Iterator[Out]:
        self._fault("process")
        yield from self._pulled(self._inner.process(port, batch), "process")

    def accepts(self) -> bool:
        return self._inner.accepts()

    def on_watermark(self, us: int) -> Iterator[Out]:
        self._fault("on_watermark")
        yield from self._pulled(self._inner.on_watermark(us), "on_watermark")

    def output_watermark(self, us: int) -> int:
        return self._inner.output_watermark(us)

    def on_wake(self) -> Iterator[Out]:
        self._fault("on_wake")
        yield from self._pulled(self._inner.on_wake(), "on_wake")

    def on_end(self, port: int, reason: EndReason) -> Iterator[Out]:
        self._fault("on_end")
        yield from self._pulled(self._inner.on_end(port, reason), "on_end")

    def close(self) -> None:
        self.closed += 1
        self._inner.close()
        self._fault("close")

    def _pulled(self, outs: Iterable[Out], step: str) -> Iterator[Out]:
        for out in outs:
            yield out
            self._fault(f"{step}, after an output")


class FaultySink(Faulty):
    """Wraps a sink in the same way; ``roll`` and ``durable`` are steps too."""

    def __init__(self, inner: SinkOperator, fault: FailAt) -> None:
        super().__init__(inner, fault)
        self._sink = inner

    def roll(self, cut: int) -> Prepared:
        self._fault("roll")
        return _FaultyPrepared(self._sink.roll(cut), self._fault)


class _FaultyPrepared(Prepared):
    def __init__(self, inner: Prepared, fault: FailAt) -> None:
        self._inner = inner
        self._fault = fault

    def durable(self) -> list[Committable]:
        self._fault("durable")
        return self._inner.durable()
