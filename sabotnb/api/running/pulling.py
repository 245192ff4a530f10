"""Pull a running job's results into this process: one thread per sink that the client reads.

A run that goes on from a checkpoint after a failure takes back what came after it. Live rows drop these rows; a
callback has had them, so it may get them again, divided into other batches. The numbers of batches go back as well: a
callback that removes what it stored of the same task with the number of a batch or a greater one, before it stores the
batch, stores each row once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sabotnb.api.running.updated_rows import newest
from sabotnb.blobs import raised_by
from sabotnb.errors import UserFunctionError
from sabotnb.expr import sample_of
from sabotnb.graph import StreamType

if TYPE_CHECKING:  # only for annotations: runs in this process need no Dask
    from sabotnb.cluster import Read, ResultBatch, Rewind

Reads = Callable[[], "Iterator[Read]"]
Take = Callable[[pa.RecordBatch], Any]

BATCH_ID = b"sabotnb.batch"
"""Key of the number of a batch in the metadata of its schema: the index of its task, and its number in that task."""


class Callback:
    """Calls ``function`` with the batches that are read."""

    def __init__(self, function: Take) -> None:
        self.function = function

    def __call__(self, read: Read) -> None:
        """Pass a batch on; those that are taken back were passed on already."""
        if len(read) == 3:
            task, number, batch = read
            metadata = {**(batch.schema.metadata or {}), BATCH_ID: f"{task}-{number}".encode()}
            self.function(batch.replace_schema_metadata(metadata))


class Puller:
    """Reads one sink's batches in a daemon thread and calls ``take`` with each.

    If ``take`` raises, ``abandon`` is called with the error (it fails the job) and ``join`` raises it. If batches
    cannot be read, the job has ended or the cluster no longer answers: ``join`` returns that error, because only its
    caller knows how the job ended.
    """

    def __init__(
        self, sink: str, reads: Reads, take: Callable[[Read], Any], abandon: Callable[[UserFunctionError], object]
    ) -> None:
        self.sink = sink
        self._reads = reads
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
        self._take = Callback(take)

    @property
    def ended(self) -> bool:
        """True if no batch follows."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for read in self._reads():
                if not self._hand_over(read):
                    return
        except Exception as error:  # noqa: BLE001  an error in a thread is lost; join() returns it
            self._missing = error

    def _hand_over(self, read: Read) -> bool:
        take = self._take
        try:
            take(read)
        except BaseException as error:  # noqa: BLE001  also SystemExit, which would end this thread silently
            function = take.function if isinstance(take, Callback) else take
            raised = raised_by(function, error, sample_of(read[-1]), self.sink)
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
        self._reads: deque[ResultBatch] = deque()
        self._rows = 0
        self.total = 0
        """Rows that have come so far, without those of kept ones that were taken back."""
        self._lock = threading.Lock()

    def take(self, read: Read) -> None:
        """Add a batch and drop the oldest rows; or drop what is taken back.

        Of updates nothing is taken back: the rows that follow replace them.
        """
        with self._lock:
            if len(read) == 3:
                self._add(read)
            elif self._key is None:
                self._take_back(read)

    def table(self) -> pa.Table:
        """Return the kept rows, oldest first."""
        with self._lock:
            kept = newest(self._table(), self._key)
        return kept.slice(max(0, kept.num_rows - self._keep))

    def _add(self, read: ResultBatch) -> None:
        self._reads.append(read)
        self._rows += read.data.num_rows
        self.total += read.data.num_rows
        if self._key is not None and self._rows > 2 * self._keep:
            self._reads = deque(read._replace(data=batch) for batch in newest(self._table(), self._key).to_batches())
            self._rows = sum(held.data.num_rows for held in self._reads)
        while self._key is None and self._rows - self._reads[0].data.num_rows >= self._keep:
            self._rows -= self._reads.popleft().data.num_rows

    def _take_back(self, rewind: Rewind) -> None:
        left = [read for read in self._reads if read.task != rewind.task or read.number < rewind.number]
        rows = sum(read.data.num_rows for read in left)
        self.total -= self._rows - rows
        self._reads, self._rows = deque(left), rows

    def _table(self) -> pa.Table:
        return pa.Table.from_batches([read.data for read in self._reads], schema=self._schema)
