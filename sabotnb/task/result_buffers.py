"""Rows that wait on an agent until the client pulls them: what collecting sinks write into."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.protocol import Batch, Element, End, Leave

MESSAGE_BYTES = 1 << 20
MESSAGE_SECONDS = 0.05
"""Results of a task that is busy wait for more of them up to this size and age: people read them."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """An answer to a pull: ``batches`` are numbers ``next - len(batches)`` to ``next - 1``; ``ended``: none follow."""

    next: int
    batches: tuple[pa.RecordBatch, ...]
    ended: bool


class ResultBuffer:
    """Unread rows of one collecting task, numbered by batch.

    A batch stays until a pull asks for a later one, so an answer that got lost is given again. ``keep`` turns the
    buffer into a window of the last rows: it is always writable and forgets the oldest batches, whose numbers are then
    skipped. ``changed`` is called with ``lock`` held when there is something new, ``wake`` when there is less.
    """

    def __init__(
        self,
        lock: threading.Condition,
        changed: Callable[[], None],
        budget: int,
        wake: Callable[[], None],
        keep: int | None = None,
    ) -> None:
        self._lock = lock
        self._changed = changed
        self._budget = budget
        self._wake = wake
        self._keep = keep
        self._batches: deque[Batch] = deque()
        self._first = 0
        self._nbytes = 0
        self._rows = 0
        self._ended = False

    def put(self, batch: Batch) -> None:
        """Add ``batch``, even beyond the budget."""
        with self._lock:
            self._batches.append(batch)
            self._nbytes += batch.nbytes
            self._rows += batch.data.num_rows
            while self._keep is not None and self._rows - self._batches[0].data.num_rows >= self._keep:
                self._drop_first()
            self._changed()

    def end(self) -> None:
        """Say that nothing follows."""
        with self._lock:
            self._ended = True
            self._changed()

    def unread(self) -> bool:
        """True while it holds batches that were not acknowledged."""
        return bool(self._batches)

    def writable(self) -> bool:
        """True while the unread batches are within the budget."""
        return self._keep is not None or self._nbytes < self._budget

    def take_nowait(self, seq: int, max_bytes: int) -> Pulled:
        """Forget the batches before number ``seq`` and give the next ones: at least one if there is any."""
        with self._lock:
            forgotten = min(max(seq - self._first, 0), len(self._batches))
            for _ in range(forgotten):
                self._drop_first()
            given: list[pa.RecordBatch] = []
            size = 0
            for batch in self._batches:
                if given and size + batch.nbytes > max_bytes:
                    break
                given.append(batch.data)
                size += batch.nbytes
            pulled = Pulled(self._first + len(given), tuple(given), self._ended and len(given) == len(self._batches))
        if forgotten:
            self._wake()
        return pulled

    def _drop_first(self) -> None:
        batch = self._batches.popleft()
        self._first += 1
        self._nbytes -= batch.nbytes
        self._rows -= batch.data.num_rows


class ResultOutput:
    """A result buffer as the output of its task. Small batches leave together: each is a message to the client."""

    def __init__(self, buffer: ResultBuffer, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._buffer = buffer
        self._most = min(MESSAGE_BYTES, config.collect_bytes // 4)
        self._clock = clock
        self._pending: list[Batch] = []
        self._nbytes = 0
        self._since = 0.0

    def emit(self, element: Element) -> None:
        if isinstance(element, Batch):
            self._add(element)
        elif isinstance(element, End | Leave):
            self.flush()
            self._buffer.end()

    def writable(self) -> bool:
        return self._buffer.writable()

    def send_aged(self) -> None:
        if self._pending and self._clock() - self._since >= MESSAGE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand over what is held back."""
        if self._pending:
            merged = pa.concat_batches([batch.data for batch in self._pending]) if len(self._pending) > 1 else None
            self._buffer.put(self._pending[0] if merged is None else Batch(merged, self._nbytes))
            self._pending, self._nbytes = [], 0

    def close(self) -> None:
        """Nothing to give up: the buffer outlives its task."""

    def _add(self, batch: Batch) -> None:
        now = self._clock()
        if not self._pending:
            self._since = now
        self._pending.append(batch)
        self._nbytes += batch.nbytes
        if self._nbytes >= self._most or now - self._since >= MESSAGE_SECONDS:
            self.flush()


class Results:
    """The result buffers of one process, by job, epoch, operator and task index."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, int], _JobResults] = {}
        self._released: dict[str, int] = {}

    def open(
        self, job: str, epoch: int, operator: str, index: int, wake: Callable[[], None], keep: int | None = None
    ) -> ResultBuffer:
        """Make the buffer of one task; ``wake`` is called when it has become emptier."""
        results, key = self._of(job, epoch), (operator, index)
        with results.condition:
            changed = partial(results.tell, key)
            buffer = ResultBuffer(results.condition, changed, self._config.collect_bytes, wake, keep)
            results.buffers[key] = buffer
            changed()
        return buffer

    def pull_nowait(
        self, job: str, epoch: int, operator: str, index: int, seq: int, max_bytes: int
    ) -> tuple[int, list[bytes], bool]:
        """Acknowledge everything before batch ``seq`` of one task and read on; 0 is the first batch.

        Asking again with the same ``seq`` gives the same batches again.

        Returns:
            The ``seq`` to ask for next, Arrow IPC streams of one batch each of about ``max_bytes`` together (at least
            one batch, if there is any), and True if nothing follows them.

        Raises:
            StaleMessage: the job's results have been released.
        """
        buffer = self._of(job, epoch).buffers.get((operator, index))
        pulled = Pulled(seq, (), ended=False) if buffer is None else buffer.take_nowait(seq, max_bytes)
        return pulled.next, [_ipc(batch) for batch in pulled.batches], pulled.ended

    @contextmanager
    def listening(self, job: str, epoch: int, operator: str, index: int, call: Callable[[], None]) -> Iterator[None]:
        """Have ``call`` called whenever a pull from that task may give more than before, or will be refused.

        The task need not be deployed yet. ``call`` comes from any thread, with a lock held: it must not block.

        Raises:
            StaleMessage: the job's results have been released.
        """
        results, key = self._of(job, epoch), (operator, index)
        with results.condition:
            results.listeners.setdefault(key, []).append(call)
        try:
            yield
        finally:
            with results.condition:
                results.listeners[key].remove(call)

    def take(
        self,
        job: str,
        epoch: int,
        wanted: Mapping[tuple[str, int], int],
        max_bytes: int,
        timeout: float | None = None,
        unless: Callable[[], bool] = lambda: False,
    ) -> dict[tuple[str, int], Pulled]:
        """Pull from several (operator, index) of a job in this process: waits until some have something, gives those.

        ``wanted`` are the numbers of their next batches. Gives nothing when ``timeout`` seconds have passed, the
        results are released, or ``unless`` has become true (say so by ``notify``).
        """
        results = self._of(job, epoch)
        taken: dict[tuple[str, int], Pulled] = {}

        def arrived() -> bool:
            for key in wanted.keys() & results.buffers.keys():
                pulled = results.buffers[key].take_nowait(wanted[key], max_bytes)
                if pulled.batches or pulled.ended:
                    taken[key] = pulled
            return bool(taken) or results.released or unless()

        with results.condition:
            results.condition.wait_for(arrived, timeout)
        return taken

    def notify(self, job: str, epoch: int) -> None:
        """Make every waiting ``take`` of the job look at its ``unless``."""
        results = self._of(job, epoch)
        with results.condition:
            results.condition.notify_all()

    def release(self, job: str, epoch: int) -> None:
        """Drop everything of the job up to ``epoch``; who waits for it gets nothing more."""
        with self._lock:
            self._released[job] = max(epoch, self._released.get(job, epoch))
            gone = [key for key in self._jobs if key[0] == job and key[1] <= epoch]
            dropped = [self._jobs.pop(key) for key in gone]
        for results in dropped:
            with results.condition:
                results.released = True
                for key in results.listeners:
                    results.tell(key)
                results.condition.notify_all()

    def _of(self, job: str, epoch: int) -> _JobResults:
        with self._lock:
            if epoch <= self._released.get(job, epoch - 1):
                raise StaleMessage(f"the results of job {job!r}, epoch {epoch}, have been released; run it again")
            return self._jobs.setdefault((job, epoch), _JobResults())


class _JobResults:
    """All buffers of one job run share a condition: whoever reads several of them can wait for any."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.buffers: dict[tuple[str, int], ResultBuffer] = {}
        self.listeners: dict[tuple[str, int], list[Callable[[], None]]] = {}
        self.released = False

    def tell(self, key: tuple[str, int]) -> None:
        """Something new for who reads the buffer of ``key``; call it with the condition held."""
        self.condition.notify_all()
        for call in self.listeners.get(key, ()):
            call()


def _ipc(batch: pa.RecordBatch) -> bytes:
    target = pa.BufferOutputStream()
    with pa.ipc.new_stream(target, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = target.getvalue().to_pybytes()
    return data
