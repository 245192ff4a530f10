"""The operator of ``map_async``.

Theory of operation. The task's thread hands rows to the event loop's thread, at most ``concurrency`` at a time, and
goes on. When a call is done, the loop's thread stores its outcome in the ``PendingRow`` and wakes the task, which then
passes on what is done and calls the function for further rows. While rows wait for their call the operator accepts no
further input (``accepts``), so at most one batch waits. Only the task's thread touches anything but the outcome.

A watermark leaves when all rows that came before it have left.

A cut passes on what is done. The rows that it finds pending are state; after a restore the function is called with them
again. The memo has the watermarks between them, each with the number of pending rows before it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from sabotnb.errors import UserFunctionError
from sabotnb.expr import duration_text
from sabotnb.graph import MapAsync, OnError
from sabotnb.native import empty_batch
from sabotnb.operators.error_policy import ErrorRows
from sabotnb.operators.map_async.event_loop import CarriedError, EventLoopThread
from sabotnb.operators.map_async.pending_rows import PendingRow, PendingRows
from sabotnb.operators.memos import Memos
from sabotnb.operators.row_results import Row, RowResults
from sabotnb.protocol import MIN_WATERMARK, Cut, EndReason, Operator, OperatorContext, Out, Scope, StateSpec

WAIT_SECONDS = 0.02
"""How long the end of the input waits for results before it lets the task read its mailbox."""


class MapAsyncOperator(Operator):
    """Calls the function with many rows at a time; results leave in the order of rows or as they come."""

    def __init__(self, spec: MapAsync, inputs: Sequence[pa.Schema]) -> None:
        self._spec = spec
        self._input = inputs[0]
        self._errors = ErrorRows(spec, inputs) if spec.on_error is OnError.SIDE else None
        self._loop: EventLoopThread | None = None
        self._timeout = None if spec.timeout is None else spec.timeout / 1e6
        self._watermarks: deque[tuple[int, int]] = deque()
        self._released = MIN_WATERMARK
        self._any_done = threading.Event()
        self._closing = False
        self._is_between = False

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._results = RowResults(self._spec, ctx.operator)
        self._pending = ctx.keyed(StateSpec("pending", Scope.TASK), PendingRows(self._input))
        function = self._spec.function.load()
        name = f"{ctx.operator} {ctx.index}"
        self._loop = EventLoopThread(function, self._spec.concurrency, self._timeout, name)

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        self._pending.add(batch)
        return self._on()

    def accepts(self) -> bool:
        return not self._pending.waiting

    def on_watermark(self, us: int) -> Iterable[Out]:
        received = self._pending.received
        if self._watermarks and self._watermarks[-1][0] == received:  # never more of them than rows
            self._watermarks.pop()
        self._watermarks.append((received, us))
        return ()

    def output_watermark(self, us: int) -> int:
        while self._watermarks and self._watermarks[0][0] <= self._pending.first:
            self._released = self._watermarks.popleft()[1]
        return min(us, self._released)

    def on_wake(self) -> Iterable[Out]:
        return self._on()

    def on_cut(self, cut: Cut) -> Iterable[Out]:
        return self._outs(self._pending.take_done(ordered=self._spec.ordered))

    def memo(self) -> Mapping[str, Any]:
        held = [[self._pending.count_before(number), us] for number, us in self._watermarks]
        return {"released": self._released, "held": held}

    def restored(self, memos: Memos) -> None:
        self._released = min((memo["released"] for memo in memos), default=MIN_WATERMARK)
        for rows, us in _held(memos, self._pending.waiting):
            self._watermarks.append((self._pending.first + rows, us))
        self._call_next()  # the task takes no rows while some wait, so nothing else would call it
        if not self._pending.groups():
            self._ctx.wake()  # releases what was held back for rows that other tasks have now

    def on_end(self, port: int, reason: EndReason) -> Iterator[Out]:
        nothing = empty_batch(self._spec.schema)
        while self._pending.groups():
            yield from self._on()
            if self._pending.groups():
                self._any_done.wait(WAIT_SECONDS)
                self._is_between = True
                yield nothing  # lets the task read its mailbox, and take a cut
                self._is_between = False

    def divisible(self) -> bool:
        return self._is_between  # the rows that are pending then are state

    def close(self) -> None:
        self._closing = True
        if self._loop is not None:
            self._loop.close()

    def _on(self) -> Sequence[Out]:
        """Pass on what is done, and call the function for rows that wait."""
        self._any_done.clear()
        outs = self._outs(self._pending.take_done(ordered=self._spec.ordered))
        self._call_next()
        return outs

    def _call_next(self) -> None:
        assert self._loop is not None
        while self._pending.waiting and len(self._pending.in_flight) < self._spec.concurrency:
            pending = self._pending.call_next()
            self._loop.submit(dict(pending.row), partial(self._done, pending))

    def _done(self, pending: PendingRow, result: Any, error: BaseException | None) -> None:
        """Store the outcome of a call; in the loop's thread."""
        pending.result, pending.error = result, error
        pending.done = True
        self._any_done.set()
        if not self._closing:  # calls that the end cancels have no task to wake
            self._ctx.wake()

    def _outs(self, done: Sequence[PendingRow]) -> list[Out]:
        made: list[Row] = []
        sources: list[Row] = []
        outs: list[Out] = []
        failed: list[tuple[PendingRow, UserFunctionError]] = []
        for pending in done:
            try:
                results = list(self._results.of(partial(self._outcome, pending), pending.row))
                if self._errors is not None and results:
                    outs.append(self._results.batch(results, [pending.row] * len(results)))
                    continue
            except UserFunctionError as error:
                if self._errors is None:
                    raise
                failed.append((pending, error))
                continue
            made += results
            sources += [pending.row] * len(results)
        if made:
            outs.append(self._results.batch(made, sources))
        if failed and self._errors is not None:
            rows = pa.concat_batches([pending.source for pending, _ in failed])
            outs.append(self._errors.of(rows, [error for _, error in failed]))
        return outs

    def _outcome(self, pending: PendingRow) -> Any:
        """The result of a call; raises its exception."""
        error = pending.error
        if error is None:
            return pending.result
        if isinstance(error, CarriedError) and error.__cause__ is not None:
            raise self._results.raised(error.__cause__, pending.row) from error.__cause__
        if isinstance(error, TimeoutError):
            after = duration_text(self._spec.timeout or 0)
            raise self._results.wrong(
                f"has not returned for {after}; give it longer, map_async(fn, timeout='{after}'), or set such rows "
                "aside: on_error='side'",
                pending.row,
            )
        raise self._results.raised(error, pending.row) from error


def _held(memos: Memos, waiting: int) -> Sequence[tuple[int, int]]:
    """The watermarks that wait for rows, with the number of rows before each.

    The rows of several tasks have no common order: all of them come before the watermark that all tasks had received.
    """
    if len(memos) == 1:
        return [(min(rows, waiting), us) for rows, us in memos[0]["held"]]
    if not any(memo["held"] for memo in memos):
        return ()
    return [(waiting, min(memo["held"][-1][1] if memo["held"] else memo["released"] for memo in memos))]
