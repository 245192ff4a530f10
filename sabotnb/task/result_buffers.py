"""Buffers for the rows of collecting sinks, which wait on an agent until the client pulls them.

Theory of operation. Each collecting task has a buffer of numbered batches. A pull with number ``seq`` acknowledges all
batches before ``seq``, which are dropped, and returns the next ones without dropping them. So a pull that is repeated
after a lost answer returns the same batches, and no row is lost or duplicated.

- The task writes while the unread batches are within the budget; it is woken when an acknowledgement drops some. For a
  cut that is on its way it goes on beyond the budget, as the rows in front of the cut have to be taken first. A
  buffer with ``keep`` holds the last rows instead: it is always writable and drops the oldest batches, whose numbers
  a later pull skips.
- All buffers of one run of a job share one condition, so that a reader in this process can wait for any of them. The
  condition is reentrant: ``take`` pulls from the buffers while it holds it.
- A run that is restored opens new buffers, perhaps on other agents, in a greater epoch. A buffer continues the numbers
  of the cut: its batches from ``begin`` on came after the cut, and those that were unread at the cut precede them. A
  reader says which epoch it has read; the answer to one of an earlier epoch is where it has to go on, at most at
  ``begin``, because the batches that it has from there on were taken back. A buffer whose task has ended before its
  stream did is *over*: its reader looks for the task of a later epoch.
- A reader may come before its task is deployed, so reading creates the entry of the run. ``release`` removes it and
  stores the last released run of the job, so that a late reader or task cannot create it again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from sabotnb.blobs import ipc_bytes
from sabotnb.config import Config
from sabotnb.errors import StaleMessage
from sabotnb.protocol import FIRST_EPOCH, Batch, Element, End, Leave, RunId

MESSAGE_BYTES = 1 << 20
MESSAGE_SECONDS = 0.05
"""Limits for merging the results of a busy task into one message, small enough for a person who watches."""

FOR_CUT_BYTES = 64 << 20
"""Unread rows beyond the budget that a task may hold, so that a cut passes it although its client is slow."""

NO_LIMIT = 2**62
"""Greater than the number of any batch."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """The answer to a pull: ``batches`` are numbered up to ``next - 1``; ``ended`` if no batch follows.

    ``epoch`` is that of the buffer. ``over`` if no batch follows here, but perhaps in a later epoch.
    """

    next: int
    batches: tuple[pa.RecordBatch, ...]
    ended: bool
    epoch: int = FIRST_EPOCH
    over: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """The ``batches`` of a task that no client had acknowledged at a cut, and the number of the ``next`` one."""

    next: int = 0
    batches: tuple[pa.RecordBatch, ...] = ()

    def export(self, _group: int) -> Iterator[pa.RecordBatch]:
        """The batches; implements ``protocol.Frozen``."""
        return iter(self.batches)


class ResultBuffer:
    """The unread batches of one collecting task; with ``keep``, the last rows only.

    ``changed`` is called with ``lock`` held when there are new batches or the end, ``wake`` when batches were dropped.
    ``epoch`` is that of its task.
    """

    def __init__(
        self,
        lock: threading.Condition,
        changed: Callable[[], None],
        budget: int,
        wake: Callable[[], None],
        keep: int | None = None,
        epoch: int = FIRST_EPOCH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epoch = epoch
        self._begin: int | None = 0
        self._over = False
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
        self._clock = clock
        self._asked_at = clock()

    def put(self, batch: Batch) -> None:
        """Add ``batch``, also beyond the budget."""
        with self._lock:
            self._batches.append(batch)
            self._nbytes += batch.nbytes
            self._rows += batch.data.num_rows
            while self._keep is not None and self._rows - self._batches[0].data.num_rows >= self._keep:
                self._drop_first()
            self._changed()

    def end(self) -> None:
        """Mark the end: no batch follows."""
        with self._lock:
            self._ended = True
            self._changed()

    def abandon(self) -> None:
        """Mark that the task has ended, with or without the end of its stream."""
        with self._lock:
            self._over = True
            self._changed()

    def unread(self) -> bool:
        """True while there are batches that were not acknowledged."""
        return bool(self._batches)

    def is_awaited(self, seconds: float) -> bool:
        """True while there are such batches, and a reader that has asked for rows in the last ``seconds``."""
        return self.unread() and self._clock() - self._asked_at < seconds

    def await_restore(self) -> None:
        """Answer no reader before ``restore``."""
        self._begin = None

    def restore(self, unread: Unread) -> None:
        """Go on from a cut."""
        with self._lock:
            self._batches = deque(Batch(batch, batch.nbytes) for batch in unread.batches)
            self._begin, self._first = unread.next, unread.next - len(self._batches)
            self._nbytes = sum(batch.nbytes for batch in self._batches)
            self._rows = sum(batch.data.num_rows for batch in self._batches)
            self._changed()

    def go_on_anywhere(self) -> None:
        """No batch follows, and none is taken back: the task had ended at the cut."""
        self._begin = NO_LIMIT

    def at_cut(self) -> Unread:
        """Return what a restored task has to begin with; from the task's thread."""
        with self._lock:
            return Unread(self._first + len(self._batches), tuple(batch.data for batch in self._batches))

    def writable(self) -> bool:
        """True while the unread batches are within the budget."""
        return self._keep is not None or self._nbytes < self._budget

    def writable_for_cut(self) -> bool:
        """True while they are within the budget for the rows in front of a cut."""
        return self._nbytes < self._budget + FOR_CUT_BYTES

    def take_nowait(self, seq: int, max_bytes: int, epoch: int | None = None) -> Pulled:
        """Drop the batches before number ``seq`` and return the next ones: at least one if there is any.

        ``epoch`` is the one that the reader has read; None if it is that of the buffer. A reader of an earlier one is
        told from where it has to read again; for one of a later epoch there is nothing here.
        """
        with self._lock:
            self._asked_at = self._clock()
            if self._begin is None or (epoch is not None and epoch > self.epoch):
                return Pulled(seq, (), ended=False, epoch=self.epoch if epoch is None else epoch)
            if epoch is not None and epoch < self.epoch:
                return Pulled(min(seq, self._begin), (), ended=False, epoch=self.epoch)
            acknowledged = min(max(seq - self._first, 0), len(self._batches))
            for _ in range(acknowledged):
                self._drop_first()
            batches: list[pa.RecordBatch] = []
            size = 0
            for batch in self._batches:
                if batches and size + batch.nbytes > max_bytes:
                    break
                batches.append(batch.data)
                size += batch.nbytes
            is_last = len(batches) == len(self._batches)
            over = self._over and not self._ended and is_last
            following = self._first + len(batches)
            pulled = Pulled(following, tuple(batches), self._ended and is_last, self.epoch, over)
        if acknowledged:
            self._wake()
        return pulled

    def _drop_first(self) -> None:
        batch = self._batches.popleft()
        self._first += 1
        self._nbytes -= batch.nbytes
        self._rows -= batch.data.num_rows


class ResultOutput:
    """A result buffer as the output of its task; merges small batches, as each is a message to the client."""

    def __init__(self, buffer: ResultBuffer, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._buffer = buffer
        self._max_bytes = min(MESSAGE_BYTES, config.collect_bytes // 4)
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

    def at_cut(self) -> Unread:
        """Put the pending batches into the buffer, and return what is unread then."""
        self.flush()
        return self._buffer.at_cut()

    def restore(self, unread: Unread) -> None:
        """Go on from a cut."""
        self._buffer.restore(unread)

    def writable(self) -> bool:
        return self._buffer.writable()

    def writable_for_cut(self) -> bool:
        """True while rows in front of a cut may be added."""
        return self._buffer.writable_for_cut()

    def send_aged(self) -> None:
        if self._pending and self._clock() - self._since >= MESSAGE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Put the pending batches into the buffer."""
        if self._pending:
            merged = pa.concat_batches([batch.data for batch in self._pending]) if len(self._pending) > 1 else None
            self._buffer.put(self._pending[0] if merged is None else Batch(merged, self._nbytes))
            self._pending, self._nbytes = [], 0

    def close(self) -> None:
        """The task has ended; the client may still read the buffer."""
        self._buffer.abandon()

    def _add(self, batch: Batch) -> None:
        now = self._clock()
        if not self._pending:
            self._since = now
        self._pending.append(batch)
        self._nbytes += batch.nbytes
        if self._nbytes >= self._max_bytes or now - self._since >= MESSAGE_SECONDS:
            self.flush()


class Results:
    """The result buffers of one process, by run, operator and task index."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._runs: dict[RunId, _RunResults] = {}
        self._released: dict[str, RunId] = {}
        """By job, the last run whose results were released."""

    def open(
        self,
        run: RunId,
        operator: str,
        index: int,
        wake: Callable[[], None],
        keep: int | None = None,
        epoch: int = FIRST_EPOCH,
        *,
        restoring: bool = False,
    ) -> ResultBuffer:
        """Create the buffer of one task; ``wake`` is called when batches were dropped from it.

        ``restoring``: readers wait until it is told what was unread at the cut.
        """
        results, key = self._of(run), (operator, index)
        with results.condition:
            changed = partial(results.notify, key)
            buffer = ResultBuffer(results.condition, changed, self._config.collect_bytes, wake, keep, epoch)
            if restoring:
                buffer.await_restore()
            results.buffers[key] = buffer
            changed()
        return buffer

    def pull_nowait(
        self, run: RunId, operator: str, index: int, seq: int, epoch: int, max_bytes: int, since: int = FIRST_EPOCH
    ) -> tuple[Pulled, list[bytes]]:
        """Acknowledge the batches of one task before number ``seq`` and return the next ones; 0 is the first batch.

        A second call with the same ``seq`` returns the same batches again. The reader has read those of ``epoch``, and
        knows that the task is here since epoch ``since``: a buffer of an earlier one has nothing for it.

        Returns:
            The answer without its batches, and these as Arrow IPC streams of one batch each, of about ``max_bytes``
            together (at least one batch, if there is any).

        Raises:
            StaleMessage: the run's results have been released.
        """
        buffer = self._of(run).buffers.get((operator, index))
        if buffer is None or buffer.epoch < since:
            return Pulled(seq, (), ended=False, epoch=epoch), []
        pulled = buffer.take_nowait(seq, max_bytes, epoch)
        return replace(pulled, batches=()), [ipc_bytes(batch.schema, [batch]) for batch in pulled.batches]

    @contextmanager
    def listening(self, run: RunId, operator: str, index: int, call: Callable[[], None]) -> Iterator[None]:
        """Call ``call`` whenever a pull from that task may return more than before, or is refused.

        The task need not be deployed yet. ``call`` runs in any thread with a lock held: it must not block.

        Raises:
            StaleMessage: the run's results have been released.
        """
        results, key = self._of(run), (operator, index)
        with results.condition:
            results.listeners.setdefault(key, []).append(call)
        try:
            yield
        finally:
            with results.condition:
                results.listeners[key].remove(call)

    def take(
        self,
        run: RunId,
        wanted: Mapping[tuple[str, int], int],
        max_bytes: int,
        timeout: float | None = None,
        unless: Callable[[], bool] = lambda: False,
    ) -> dict[tuple[str, int], Pulled]:
        """Wait for batches of several tasks of a run in this process, and return those that there are.

        ``wanted`` has the number of the next batch by (operator, index). Returns nothing if ``timeout`` seconds have
        passed, the results are released, or ``unless`` is true; call ``notify`` when it becomes true.
        """
        results = self._of(run)
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

    def notify(self, run: RunId) -> None:
        """Make every waiting ``take`` of the run evaluate its ``unless``."""
        results = self._of(run)
        with results.condition:
            results.condition.notify_all()

    def release(self, run: RunId) -> None:
        """Drop the results of ``run`` and of earlier runs of its job; waiting readers return without any."""
        with self._lock:
            self._released[run.job] = max(run, self._released.get(run.job, run))
            dropped = [self._runs.pop(key) for key in list(self._runs) if key.job == run.job and key <= run]
        for results in dropped:
            with results.condition:
                results.released = True
                for key in results.listeners:
                    results.notify(key)
                results.condition.notify_all()

    def _of(self, run: RunId) -> _RunResults:
        with self._lock:
            if run.job in self._released and run <= self._released[run.job]:
                raise StaleMessage(f"the results of {run} have been released; run the job again")
            return self._runs.setdefault(run, _RunResults())


class _RunResults:
    """The buffers and listeners of one run, with the condition that they share."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.buffers: dict[tuple[str, int], ResultBuffer] = {}
        self.listeners: dict[tuple[str, int], list[Callable[[], None]]] = {}
        self.released = False

    def notify(self, key: tuple[str, int]) -> None:
        """Wake the readers of the buffer of ``key``; the caller holds the condition."""
        self.condition.notify_all()
        for call in self.listeners.get(key, ()):
            call()
