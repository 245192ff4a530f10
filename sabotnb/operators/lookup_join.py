"""The left join with a file, or the files of a folder, that are read again and again.

Theory of operation. ``open`` reads the file before the first row. After each interval the task wakes the operator,
which starts a thread; the thread reads the file, builds the table of a new ``JoinOperator`` and wakes the task, which
replaces the old one between two batches. So rows flow on, and every batch meets one version of the file. Opening the
source lists the files again, so those that came or went since then count as well. A file may be replaced just then: a
read that fails leaves the old version in use until the next interval, and only a second failure in a row is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from sabotnb.graph import Join, LookupJoin
from sabotnb.graph import Source as SourceSpec
from sabotnb.operators.join import LEFT, RIGHT, JoinOperator
from sabotnb.protocol import Delayed, EndReason, Finished, Operator, OperatorContext, Out, Source


class LookupJoinOperator(Operator):
    """Adds the columns of a file to rows with equal keys; ``open_source`` returns what reads the file as it is now."""

    delayed = Delayed.KEEP

    def __init__(
        self, spec: LookupJoin, inputs: Sequence[pa.Schema], open_source: Callable[[SourceSpec], Source]
    ) -> None:
        self._spec = spec
        self._inputs = [inputs[0], spec.source.schema]
        self._open_source = open_source
        self._reading: Future[JoinOperator] | None = None
        self._failed = False

    def open(self, ctx: OperatorContext) -> None:
        self._ctx = ctx
        self._join = self._read()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix=f"lookup {ctx.operator}")
        self._wake_later()

    def process(self, port: int, batch: pa.RecordBatch) -> Iterable[Out]:
        return self._join.process(LEFT, batch)

    def on_wake(self) -> Iterable[Out]:
        if self._reading is None:
            self._reading = self._reader.submit(self._read)
            self._reading.add_done_callback(lambda _: self._ctx.wake())
        elif self._reading.done():
            error = self._reading.exception()
            if error is not None and self._failed:
                raise error
            self._failed = error is not None
            if error is None:
                self._join = self._reading.result()
            self._reading = None
            self._wake_later()
        return ()

    def close(self) -> None:
        self._reader.shutdown(wait=False, cancel_futures=True)

    def _wake_later(self) -> None:
        self._ctx.wake_in(self._spec.refresh / 1e6)

    def _read(self) -> JoinOperator:
        """A join with the rows that the file has now."""
        keys = self._spec.left_on, self._spec.right_on
        join = JoinOperator(Join(*keys, "left", self._spec.suffix, strategy="broadcast"), self._inputs)
        join.open(replace(self._ctx, groups=1, states={}))
        source = self._open_source(self._spec.source)
        for split in source.splits():
            reader = source.open(split)
            try:
                while not isinstance(polled := reader.poll(self._ctx.config.batch_rows), Finished):
                    if polled is not None and polled.rows.num_rows:
                        list(join.process(RIGHT, polled.rows))
            finally:
                reader.close()
        list(join.on_end(RIGHT, EndReason.EXHAUSTED))
        return join
