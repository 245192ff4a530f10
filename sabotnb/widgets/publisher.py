"""Sends metrics to outputs: a thread per cluster, which exists only while an output shows a run of that cluster.

Theory of operation. A watcher is added when an output is shown and removes itself when its run is over. The thread of
a cluster asks for all watched runs in one ``watch`` call, which returns early when a run changes, and calls each
watcher: ``take`` with metrics; ``miss`` if the call timed out; ``lose``, as the last call, if it failed in another way,
timed out ``MOST_SILENT`` times in a row, or no longer knows the run, or if the kernel shuts down. A thread that finds
no watchers ends: it removes its client under the lock that ``add`` holds to decide whether to start a thread, so no
watcher is missed.

``settle`` runs the same round in the caller's thread, concurrently with the cluster's own: watchers are thread-safe.
Callers rely on it to return only when the outputs of an ended run are final. That is why a watcher removes itself last,
after it has replaced its outputs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from sabotnb.errors import ClusterTimeout
from sabotnb.ipython import shell
from sabotnb.metrics import JobMetrics
from sabotnb.protocol import RunId

if TYPE_CHECKING:  # names in annotations alone: a widget without a cluster needs no Dask
    from sabotnb.cluster import ClusterClient

T = TypeVar("T")
SECONDS = 0.5
"""Between two rounds. Agents report as often; more rounds would each have new metrics of a few agents only."""

MOST_SILENT = 10
"""After this number of timeouts in a row a cluster counts as lost; each may take half a minute."""

CLOSED = "the session was closed; jobs on a cluster that it had started ended with it"

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """An output that follows a run, until ``Publisher.remove``. Its methods are called from any thread.

    It removes itself after the last call, when all effects of that call are done: ``settle`` relies on this.
    """

    @property
    def client(self) -> ClusterClient:
        """The run's cluster."""
        ...

    @property
    def run(self) -> RunId:
        """The run."""
        ...

    def take(self, metrics: JobMetrics) -> None:
        """Receive the run's current metrics, changed or not."""
        ...

    def miss(self, why: str) -> None:
        """Receive the reason why there are no metrics this time; there may be some the next time."""
        ...

    def lose(self, why: str) -> None:
        """Receive the reason why there will be no more metrics. This is the last call."""
        ...


class Publisher:
    """Asks each cluster about all watched runs, in one call, and passes the metrics to the watchers.

    Every cluster has its own thread, so that a cluster that does not answer delays no others.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._watchers: list[Watcher] = []
        self._asked: set[ClusterClient] = set()
        """Clusters that have a thread."""
        self._lock = threading.Lock()

    def add(self, watcher: Watcher) -> None:
        """Call ``watcher`` with metrics of its run from now on."""
        client = watcher.client
        with self._lock:
            if watcher not in self._watchers:
                self._watchers.append(watcher)
            if client in self._asked:
                return
            self._asked.add(client)
        threading.Thread(target=self._run, args=(client,), name="sabotnb-publisher", daemon=True).start()

    def remove(self, watcher: Watcher) -> None:
        """Stop calling ``watcher``."""
        with self._lock:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

    def settle(self, client: ClusterClient, run: RunId | None = None) -> None:
        """Pass current metrics to the watchers of a run, or of all runs of a cluster, before this returns."""
        self._tell(client, [watcher for watcher in self._of(client) if run in (None, watcher.run)], 0.0, {})

    def leave(self, client: ClusterClient, why: str) -> None:
        """Pass the last metrics of a cluster to its watchers, and then ``why`` there are no more: its session ends."""
        self.settle(client)
        for watcher in self._of(client):
            self._lose(watcher, why)

    def _of(self, client: ClusterClient) -> list[Watcher]:
        with self._lock:
            return self._watching(client)

    def _watching(self, client: ClusterClient) -> list[Watcher]:
        return [watcher for watcher in self._watchers if watcher.client is client]

    def _run(self, client: ClusterClient) -> None:
        silent, known = 0, dict[RunId, JobMetrics]()
        while watchers := self._next(client):
            start = time.monotonic()
            why = self._tell(client, watchers, self._seconds, known)
            silent = silent + 1 if why else 0
            if silent >= MOST_SILENT:
                for watcher in watchers:
                    self._lose(watcher, why)
            time.sleep(max(0.0, self._seconds - (time.monotonic() - start)))  # watch returns early on a state change

    def _next(self, client: ClusterClient) -> list[Watcher]:
        """Return the watchers of the next round; an empty list ends the thread."""
        with self._lock:
            watchers = self._watching(client)
            if not watchers:
                self._asked.remove(client)
            return watchers

    def _tell(
        self, client: ClusterClient, watchers: Sequence[Watcher], seconds: float, known: dict[RunId, JobMetrics]
    ) -> str:
        """Ask about the runs of ``watchers`` and call them; return the reason if the cluster did not answer, else "".

        ``known`` has the answers of the previous round, and afterwards those of this round.
        """
        runs = sorted({watcher.run for watcher in watchers})
        if not runs:
            return ""
        try:
            answers = dict(zip(runs, client.watch(runs, seconds, known), strict=True))
        except ClusterTimeout as timeout:
            for watcher in watchers:
                self._call(watcher, watcher.miss, str(timeout))
            return str(timeout)
        except Exception as error:  # noqa: BLE001  a closed session raises many types; watchers show the reason
            for watcher in watchers:
                self._lose(watcher, str(error) or type(error).__name__)
            return ""
        if shell.is_shutting_down():
            # The kernel ends its worker processes before our exit handlers run: their loss is not a failure of the job.
            for watcher in watchers:
                self._lose(watcher, CLOSED)
            return ""
        known.clear()
        known.update((run, metrics) for run, metrics in answers.items() if metrics is not None)
        for watcher in watchers:
            metrics = answers[watcher.run]
            if metrics is None:
                self._lose(watcher, f"the cluster no longer knows this run of {watcher.run.job!r}")
            else:
                self._call(watcher, watcher.take, metrics)
        return ""

    def _lose(self, watcher: Watcher, why: str) -> None:
        self._call(watcher, watcher.lose, why)

    def _call(self, watcher: Watcher, tell: Callable[[T], None], news: T) -> None:
        try:
            tell(news)
        except Exception:  # a defect in one watcher must not stop the others
            log.exception("the view of %s is no longer updated", watcher.run.job)
            self.remove(watcher)


publisher = Publisher()
"""The publisher of this process."""
