"""Answers what clients read on the scheduler: runs and the cluster, at once or when the state of a run changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from sabotnb.cluster import control_codec
from sabotnb.cluster.change_notifier import AGENTS, ChangeNotifier
from sabotnb.execution import Overview
from sabotnb.protocol import RunRef, Stamp, Unsent, Until, ViewKind, Watch, Watched, job_of


class WatchServer:
    """Answers every ``Watch``. Belongs to the scheduler's event loop.

    A question that waits holds no reply back: it is answered in the turn of the loop in which the state has changed.
    What it reads is read after the wait, because anything may have happened in the meantime.
    """

    def __init__(self, overview: Overview, changes: ChangeNotifier) -> None:
        self._overview = overview
        self._changes = changes
        self._loop = asyncio.get_running_loop()

    async def sabot_watch(self, question: bytes) -> bytes:
        """Return the ``Watched`` that answers a ``Watch``."""
        watch: Watch = control_codec.loads(question)
        if watch.agents is not None:
            await self._wait_agents(watch.agents, watch.seconds)
        elif watch.until is Until.CHANGED:
            await self._changes.wait_changed([job_of(run) for run in watch.runs], watch.seconds)
        elif watch.until is not Until.NOW:
            await self._wait_until(watch)
        return control_codec.dumps(Watched(self._loop.time(), tuple(self._views(watch))))

    async def _wait_agents(self, count: int, seconds: float) -> None:
        deadline = self._loop.time() + seconds
        while len(self._overview.slots()) != count and (left := deadline - self._loop.time()) > 0:
            await self._changes.wait_changed((AGENTS,), left)

    async def _wait_until(self, watch: Watch) -> None:
        deadline = self._loop.time() + watch.seconds
        while not any(self._has_come(run, watch) for run in watch.runs):
            left = deadline - self._loop.time()
            if left <= 0:
                return
            await self._changes.wait_changed([job_of(run) for run in watch.runs], left)

    def _views(self, watch: Watch) -> Iterator[Any]:
        if watch.view in (ViewKind.AGENTS, ViewKind.RUNS):
            yield self._overview.cluster_view(watch.view)
        for run, known in zip(watch.runs, watch.known or (None,) * len(watch.runs), strict=True):
            yield self._view(watch, run, known) if self._has_come(run, watch) else Unsent.NOT_YET

    def _view(self, watch: Watch, run: RunRef, known: Stamp | None) -> Any:
        view = self._overview.view(watch.view, run, self._loop.time(), time.time())
        if view is not None and known is not None and (view.version, view.at) == known:
            return Unsent.UNCHANGED
        return view

    def _has_come(self, run: RunRef, watch: Watch) -> bool:
        """True if the run has come as far as ``watch`` asks, or is not known."""
        state, epoch = self._overview.progress(run)
        if state is None:
            return True
        return watch.until.holds(state) and (epoch > watch.beyond or state.terminal)
