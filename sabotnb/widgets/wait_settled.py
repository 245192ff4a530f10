"""Waits until a job's display is deterministic, so that a notebook that is run again saves the same output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sabotnb.errors import SabotnbError
from sabotnb.protocol import RunId

if TYPE_CHECKING:  # names in annotations alone: a widget without a cluster needs no Dask
    from sabotnb.cluster import ClusterClient

STEP_SECONDS = 1.0


def wait_settled(client: ClusterClient, run: RunId) -> None:
    """Block until the run is over, or is unbounded and runs, or the cluster does not answer. Can be interrupted."""
    try:
        metrics = client.metrics(run)
        if metrics.bounded:
            client.wait(run)
        while not metrics.bounded and metrics.state != "RUNNING" and not metrics.terminal:
            latest = client.watch([run], STEP_SECONDS)[0]
            if latest is None:
                return
            metrics = latest
    except SabotnbError:
        return  # the card shows the error
