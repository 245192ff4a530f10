"""What keeps widgets up to date: one thread for all that are shown, there only while something is shown."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from sabotnb.metrics import JobMetrics

if TYPE_CHECKING:  # names in annotations alone: a widget without a cluster needs no Dask
    from sabotnb.cluster import ClusterClient

SECONDS = 0.25
"""From one round to the next: no widget gets more than four updates a second."""

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
    def run(self) -> tuple[str, int]:
        """Name and epoch of the run."""
        ...

    def take(self, metrics: JobMetrics) -> None:
        """The run as it is now, changed or not."""
        ...

    def lose(self, why: str) -> None:
        """There will be no news any more: these are the last."""
        ...


class Publisher:
    """Asks each cluster about all runs that are watched, in one call, and tells the watchers."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._watchers: list[Watcher] = []
        self._lock = threading.Lock()
        self._running = False

    def add(self, watcher: Watcher) -> None:
        """Tell ``watcher`` of its run from now on."""
        with self._lock:
            if watcher not in self._watchers:
                self._watchers.append(watcher)
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="sabotnb-publisher", daemon=True).start()

    def remove(self, watcher: Watcher) -> None:
        """Tell ``watcher`` nothing more."""
        with self._lock:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

    def settle(self, client: ClusterClient, run: tuple[str, int] | None = None) -> None:
        """Tell the watchers of a run, or of all runs of a cluster, what is known now, before this returns."""
        self._tell(client, [one for one in self._of(client) if run in (None, one.run)], 0.0)

    def leave(self, client: ClusterClient, why: str) -> None:
        """The session with a cluster ends: its watchers get the last news, and then ``why`` there are no more."""
        self.settle(client)
        for watcher in self._of(client):
            self._lose(watcher, why)

    def _of(self, client: ClusterClient) -> list[Watcher]:
        with self._lock:
            return [one for one in self._watchers if one.client is client]

    def _run(self) -> None:
        while watchers := self._next():
            begun = time.monotonic()
            for client, group in _by_client(watchers):
                self._tell(client, group, self._seconds)
            time.sleep(max(0.0, self._seconds - (time.monotonic() - begun)))  # a state change ends a question early

    def _next(self) -> list[Watcher]:
        """Who is told in the next round; nobody ends the thread."""
        with self._lock:
            self._running = bool(self._watchers)
            return list(self._watchers)

    def _tell(self, client: ClusterClient, watchers: Sequence[Watcher], seconds: float) -> None:
        runs = sorted({one.run for one in watchers})
        if not runs:
            return
        try:
            found = dict(zip(runs, client.watch(runs, seconds), strict=True))
        except Exception as error:  # noqa: BLE001  a closed session has many names; who watches shows the reason
            for watcher in watchers:
                self._lose(watcher, str(error) or type(error).__name__)
            return
        for watcher in watchers:
            metrics = found[watcher.run]
            if metrics is None:
                self._lose(watcher, f"the cluster does not know this run of {watcher.run[0]!r} any more")
            else:
                self._take(watcher, metrics)

    def _take(self, watcher: Watcher, metrics: JobMetrics) -> None:
        try:
            watcher.take(metrics)
        except Exception:  # a defect in one must not leave all the others without news
            log.exception("what shows %s is not kept up to date any more", watcher.run[0])
            self.remove(watcher)

    def _lose(self, watcher: Watcher, why: str) -> None:
        try:
            watcher.lose(why)
        except Exception:  # as above
            log.exception("what shows %s does not show that there are no news any more", watcher.run[0])
            self.remove(watcher)


def _by_client(watchers: Iterable[Watcher]) -> list[tuple[ClusterClient, list[Watcher]]]:
    groups: dict[int, tuple[ClusterClient, list[Watcher]]] = {}
    for one in watchers:
        groups.setdefault(id(one.client), (one.client, []))[1].append(one)
    return list(groups.values())


publisher = Publisher()
"""The one of this process."""
