"""Refuses runs that would append, from their beginning, to what an earlier run of the job has committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sabotnb.errors import CheckpointError
from sabotnb.graph import JobGraph, Sink, Source
from sabotnb.protocol import CheckpointPolicy, JobState
from sabotnb.storage import list_cuts

if TYPE_CHECKING:  # only for annotations: runs in this process need no Dask
    from sabotnb.cluster import ClusterClient


def refuse_rows_twice(client: ClusterClient, job: str, graph: JobGraph, checkpoint: CheckpointPolicy | None) -> None:
    """Raise a CheckpointError if the last run of ``job`` failed or was lost, its state is kept, and this one appends.

    What the user has ended, with ``stop`` or ``cancel``, may be appended to. Asks the scheduler if the job appends.
    """
    sinks = [sink.spec for sink in graph.get_sinks() if isinstance(sink.spec, Sink)]
    bounded = all(source.spec.bounded for source in graph.get_sources() if isinstance(source.spec, Source))
    if bounded or not any(sink.options.get("mode") == "append" for sink in sinks):
        return
    left = [stored for stored in client.stored_runs() if stored.run.job == job and stored.resumable]
    if not left or not (left[0].lost or left[0].state is JobState.FAILED):
        return
    ways = f"append from the beginning: .run({job!r}, fresh=True)"
    if left[0].lost:
        ways = f"go on with it: sb.resume({job!r}); or {ways}"
    elif checkpoint is not None and (cuts := list_cuts(checkpoint.storage, job)):
        ways = f"go on from its state: .run({job!r}, start_from={cuts[-1].cut}); or {ways}"
    raise CheckpointError(
        f"job {job!r} {'is lost' if left[0].lost else 'has FAILED'}, and this run would append the rows again that its "
        f"checkpoints have committed. Choose: {ways}"
    )
