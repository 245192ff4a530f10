"""Shows a progress bar for a bounded job."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sabotnb import text_limits
from sabotnb.display import operator_labels
from sabotnb.ipython import shell
from sabotnb.metrics import JobMetrics, stopped_early
from sabotnb.protocol import RunId

if TYPE_CHECKING:  # names in annotations alone: a bar without a cluster needs no Dask
    from sabotnb.cluster import ClusterClient

SECONDS = 0.25
COLUMNS = 90
FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"


def follow(client: ClusterClient, run: RunId) -> None:
    """Block until the run is over; the bar then shows 100 %, or how the run ended instead. Can be interrupted."""
    from tqdm import tqdm  # the text bar: the widget bar is empty in a saved notebook

    name = text_limits.cut(run.job, text_limits.BAR_JOB)
    file = sys.stdout if shell.mode() == "widget" else sys.stderr  # notebooks show stderr in red
    with tqdm(total=100, desc=name, bar_format=FORMAT, file=file, ncols=COLUMNS) as bar:
        while True:
            metrics = client.watch([run], SECONDS)[0]
            if metrics is None:
                bar.set_description_str(f"{name} is no longer known")
                return
            bar.n = _percent(metrics)
            bar.set_postfix_str(operator_labels.count(metrics.rows_in.rows), refresh=False)
            if metrics.terminal:
                ended = "stopped" if stopped_early(metrics) else metrics.state
                bar.set_description_str(name if ended == "FINISHED" else f"{name} {ended}")
                return
            bar.refresh()


def _percent(metrics: JobMetrics) -> float:
    if metrics.state == "FINISHED" and not stopped_early(metrics):
        return 100.0
    return min(99.0, 100 * (metrics.progress or 0.0))
