"""Pull a running job's results into this process: one thread per sink that the client reads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from sabotnb.api.running.updated_rows import newest
from sabotnb.blobs import raised_by
from sabotnb.errors import UserFunctionError
from sabotnb.expr import sample_of
from sabotnb.graph import StreamType

Batches = Callable[[], Iterator[pa.RecordBatch]]
Take = Callable[[pa.RecordBatch], Any]


class Puller:
    """Reads one sink's batches in a daemon thread and calls ``take`` with each.

    If ``take`` raises, ``abandon`` is called with the error (it fails the job) and ``join`` raises it. If batches
    cannot be read, the job has ended or the cluster no longer answers: ``join`` returns that error, because only its
    caller knows how the job ended.
    """

    def __init__(self, sink: str, batches: Batches, take: Take, abandon: Callable[[UserFunctionError], object]) -> None:
        self.sink = sink
        self._batches = batches
        self._take = take
        self._abandon = abandon
        self._error: UserFunctionError | None = None
        self._missing: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"sabotnb-{sink}", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> Exception | None:
        """Wait for the last batch; return the error that kept the rest from coming, None if all were taken.

        Raises:
            UserFunctionError: taking a batch failed.
            TimeoutError: batches are still being taken after ``timeout`` seconds.
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"{self.sink} has not handed over every batch yet")
        if self._error is not None:
            raise _whole(self._error)
        return self._missing

    def redirect(self, take: Take) -> None:
        """Call ``take`` with all remaining batches."""
        self._take = take

    @property
    def ended(self) -> bool:
        """True if no batch follows."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for batch in self._batches():
                if not self._hand_over(batch):
                    return
        except Exception as error:  # noqa: BLE001  an error in a thread is lost; join() returns it
            self._missing = error

    def _hand_over(self, batch: pa.RecordBatch) -> bool:
        take = self._take
        try:
            take(batch)
        except BaseException as error:  # noqa: BLE001  also SystemExit, which would end this thread silently
            raised = raised_by(take, error, sample_of(batch), self.sink)
            raised.__cause__ = error
            self._error = raised
            self._abandon(raised)
            return False
        return True


def _whole(error: UserFunctionError) -> UserFunctionError:
    """The error for the waiting caller, with the lines that raised and the rows that were passed."""
    text = f"{error}\n{error.user_traceback}\nrows it was given:\n{error.sample}\ncorrect it and run the job again"
    raised = UserFunctionError(text, operator=error.operator, function=error.function, origin=error.origin)
    raised.user_traceback, raised.sample, raised.__cause__ = error.user_traceback, error.sample, error.__cause__
    return raised


class LiveRows:
    """The last ``keep`` rows received; of updates the last row for each key. One thread writes, any thread reads."""

    def __init__(self, of: StreamType, keep: int) -> None:
        self._schema = of.schema
        self._key = of.key
        self._keep = keep
        self._batches: deque[pa.RecordBatch] = deque()
        self._rows = 0
        self.total = 0
        """Rows that have come so far."""
        self._lock = threading.Lock()

    def take(self, batch: pa.RecordBatch) -> None:
        """Add a batch and drop the oldest rows."""
        with self._lock:
            self._batches.append(batch)
            self._rows += batch.num_rows
            self.total += batch.num_rows
            if self._key is not None and self._rows > 2 * self._keep:
                self._batches = deque(newest(self._table(), self._key).to_batches())
                self._rows = sum(held.num_rows for held in self._batches)
            while self._key is None and self._rows - self._batches[0].num_rows >= self._keep:
                self._rows -= self._batches.popleft().num_rows

    def table(self) -> pa.Table:
        """Return the kept rows, oldest first."""
        with self._lock:
            kept = newest(self._table(), self._key)
        return kept.slice(max(0, kept.num_rows - self._keep))

    def _table(self) -> pa.Table:
        return pa.Table.from_batches(list(self._batches), schema=self._schema)
