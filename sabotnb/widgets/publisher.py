"""What keeps widgets up to date: a thread per cluster, there only while something of that cluster is shown."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from sabotnb.errors import ClusterTimeout
from sabotnb.ipython import shell
from sabotnb.metrics import JobMetrics

if TYPE_CHECKING:  # names in annotations alone: a widget without a cluster needs no Dask
    from sabotnb.cluster import ClusterClient

T = TypeVar("T")
Run = tuple[str, int]
"""Name and epoch."""

SECONDS = 0.5
"""From one round to the next: agents report as often, so that more would be news of some of them only."""

MOST_SILENT = 10
"""A cluster that leaves so many questions in a row unanswered is gone; each may take half a minute."""

CLOSED = "the session was closed; jobs on a cluster that it had started ended with it"

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Somebody who wants to know how one run goes, until ``Publisher.remove``. Called from any thread.

    It removes itself after the last news, and only when everything that they lead to is done: ``settle`` relies on it.
    """

    @property
    def client(self) -> ClusterClient:
        """The run's cluster."""
        ...

    @property
    def run(self) -> Run:
        """The run."""
        ...

    def take(self, metrics: JobMetrics) -> None:
        """The run as it is now, changed or not."""
        ...

    def miss(self, why: str) -> None:
        """There are no news this time; there may be some the next."""
        ...

    def lose(self, why: str) -> None:
        """There will be no news any more: these are the last."""
        ...


class Publisher:
    """Asks each cluster about all runs that are watched, in one call, and tells the watchers.

    Every cluster has a thread of its own, so that one which does not answer keeps nobody else from news.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._watchers: list[Watcher] = []
        self._asked: set[ClusterClient] = set()
        """Clusters that have a thread."""
        self._lock = threading.Lock()

    def add(self, watcher: Watcher) -> None:
        """Tell ``watcher`` of its run from now on."""
        client = watcher.client
        with self._lock:
            if watcher not in self._watchers:
                self._watchers.append(watcher)
            if client in self._asked:
                return
            self._asked.add(client)
        threading.Thread(target=self._run, args=(client,), name="sabotnb-publisher", daemon=True).start()

    def remove(self, watcher: Watcher) -> None:
        """Tell ``watcher`` nothing more."""
        with self._lock:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

    def settle(self, client: ClusterClient, run: Run | None = None) -> None:
        """Tell the watchers of a run, or of all runs of a cluster, what is known now, before this returns."""
        self._tell(client, [one for one in self._of(client) if run in (None, one.run)], 0.0, {})

    def leave(self, client: ClusterClient, why: str) -> None:
        """The session with a cluster ends: its watchers get the last news, and then ``why`` there are no more."""
        self.settle(client)
        for watcher in self._of(client):
            self._lose(watcher, why)

    def _of(self, client: ClusterClient) -> list[Watcher]:
        with self._lock:
            return self._watching(client)

    def _watching(self, client: ClusterClient) -> list[Watcher]:
        return [one for one in self._watchers if one.client is client]

    def _run(self, client: ClusterClient) -> None:
        silent, known = 0, dict[Run, JobMetrics]()
        while watchers := self._next(client):
            begun = time.monotonic()
            why = self._tell(client, watchers, self._seconds, known)
            silent = silent + 1 if why else 0
            if silent >= MOST_SILENT:
                for watcher in watchers:
                    self._lose(watcher, why)
            time.sleep(max(0.0, self._seconds - (time.monotonic() - begun)))  # a state change ends a question early

    def _next(self, client: ClusterClient) -> list[Watcher]:
        """Who is told in the next round; nobody ends the thread."""
        with self._lock:
            watchers = self._watching(client)
            if not watchers:
                self._asked.remove(client)
            return watchers

    def _tell(
        self, client: ClusterClient, watchers: Sequence[Watcher], seconds: float, known: dict[Run, JobMetrics]
    ) -> str:
        """Ask about the runs of ``watchers``, and tell them; gives the reason if nobody has answered this time.

        ``known`` are the answers to the last question, and then those to this one.
        """
        runs = sorted({one.run for one in watchers})
        if not runs:
            return ""
        try:
            found = dict(zip(runs, client.watch(runs, seconds, known), strict=True))
        except ClusterTimeout as silent:
            for watcher in watchers:
                self._call(watcher, watcher.miss, str(silent))
            return str(silent)
        except Exception as error:  # noqa: BLE001  a closed session has many names; who watches shows the reason
            for watcher in watchers:
                self._lose(watcher, str(error) or type(error).__name__)
            return ""
        if shell.is_shutting_down():
            # The kernel ends its worker processes before anything of ours runs: their loss is no failure of the job.
            for watcher in watchers:
                self._lose(watcher, CLOSED)
            return ""
        known.clear()
        known.update((run, metrics) for run, metrics in found.items() if metrics is not None)
        for watcher in watchers:
            metrics = found[watcher.run]
            if metrics is None:
                self._lose(watcher, f"the cluster no longer knows this run of {watcher.run[0]!r}")
            else:
                self._call(watcher, watcher.take, metrics)
        return ""

    def _lose(self, watcher: Watcher, why: str) -> None:
        self._call(watcher, watcher.lose, why)

    def _call(self, watcher: Watcher, tell: Callable[[T], None], news: T) -> None:
        try:
            tell(news)
        except Exception:  # a defect in one must not leave all the others without news
            log.exception("the view of %s is no longer updated", watcher.run[0])
            self.remove(watcher)


publisher = Publisher()
"""The one of this process."""
