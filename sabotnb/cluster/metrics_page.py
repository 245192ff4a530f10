"""Serves metrics for Prometheus on the scheduler's HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from distributed import Scheduler
from tornado.web import RequestHandler

from sabotnb.metrics import JobMetrics, prometheus_text

PATH = "/sabotnb/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Jobs = Callable[[], Sequence[JobMetrics]]


class MetricsPage(RequestHandler):
    """Answers a scrape. The text is written in a thread: a thousand tasks make ten thousand lines."""

    def initialize(self, jobs: Jobs) -> None:
        """Store the function that returns the metrics; tornado calls this for each request."""
        self._jobs = jobs

    async def get(self) -> None:
        """Send the current metrics."""
        text = await asyncio.get_running_loop().run_in_executor(None, prometheus_text, self._jobs())
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(text)


def serve_metrics(scheduler: Scheduler, jobs: Jobs) -> None:
    """Add the page to the server that Dask has opened for its dashboard and its own metrics."""
    application: Any = scheduler.http_application
    application.add_handlers(".*$", [(PATH, MetricsPage, {"jobs": jobs})])
