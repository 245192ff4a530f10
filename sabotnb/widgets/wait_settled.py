"""Waiting for a moment that looks the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sabotnb.errors import SabotnbError

if TYPE_CHECKING:  # names in annotations alone: a widget without a cluster needs no Dask
    from sabotnb.cluster import ClusterClient

STEP_SECONDS = 1.0


def wait_settled(client: ClusterClient, run: tuple[str, int]) -> None:
    """Return when the run is over, or runs and does not end by itself, or nobody answers. Can be interrupted."""
    try:
        metrics = client.metrics(*run)
        if metrics.bounded:
            client.wait(*run)
        while not metrics.bounded and metrics.state != "RUNNING" and not metrics.terminal:
            found = client.watch([run], STEP_SECONDS)[0]
            if found is None:
                return
            metrics = found
    except SabotnbError:
        return  # what is shown says it
