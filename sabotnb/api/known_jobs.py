"""Jobs by their names: those of the newest env, and the unfinished ones of its job store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sabotnb.api.boundary import folding
from sabotnb.api.env import needed
from sabotnb.api.handles.job import Job
from sabotnb.api.handles.savepoints import StartFrom, chosen_checkpoint
from sabotnb.errors import GraphError, JobError
from sabotnb.expr import whole

if TYPE_CHECKING:  # only for annotations: describing and previewing a stream loads neither pandas nor Dask
    import pandas as pd

JOB_COLUMNS = ["job", "run", "owner", "state", "tasks", "rows_in", "rows_out", "late"]


@folding
def jobs() -> pd.DataFrame:
    """Return a row per job of the newest env, in order of submission, after other jobs of its job store.

    ``rows_in`` counts rows that sources read, ``rows_out`` rows that sinks took. The state of a job that this cluster
    does not run says which process runs it, or that it is lost: ``sb.resume(name)`` goes on with it.
    """
    import pandas as pd

    client = needed(None).cluster.jobs
    here = client.jobs()
    names = {run.job for run in here}
    rows: list[tuple[object, ...]] = [
        (stored.run.job, stored.run.number, stored.owner, stored.sentence, {}, None, None, None)
        for stored in client.stored_runs()
        if stored.run.job not in names and not stored.state.terminal
    ]
    rows += [
        (run.job, run.run.number, run.owner, run.state.value, run.counts, run.rows_in, run.rows_out, run.late)
        for run in here
    ]
    return pd.DataFrame(rows, columns=JOB_COLUMNS)


@folding
def attach(name: str) -> Job:
    """Return the handle of a job that runs or has run on the newest env; JobError lists the known jobs."""
    env = needed(None)
    try:
        status = env.cluster.jobs.status(name)
    except JobError as unknown:
        for stored in env.cluster.jobs.stored_runs():
            if stored.run.job == name:
                raise JobError(f"job {name!r} does not run on this cluster; {stored.sentence}") from unknown
        raise
    known = env.known(status.run)
    return known or Job(env.cluster.jobs, status.run, bounded=status.topology.bounded)


@folding
def resume(name: str, start_from: StartFrom = None, parallelism: int | None = None) -> Job:
    """Go on with a job whose cluster is gone, on the newest env: from its last checkpoint, into the same output.

    ``start_from`` is an older checkpoint of the same run, or a savepoint: itself, its number, name or path. What the
    job has committed since then is replaced. ``parallelism`` is the number of tasks of each operator without one of its
    own; default: as before.

    Raises:
        JobError: the job store has no such job, or it has ended, or it has no checkpoint.
        CheckpointError: the run has no such checkpoint, or it cannot be read.
        GraphError: it cannot run with that parallelism.
        InsufficientSlots: the cluster has too few slots for it.
        JobNameTaken: another process runs it; the message says which, and since when.
        StoreError: there is no job store.
    """
    env = needed(None)
    if parallelism is not None:
        wrong = GraphError(f"sb.resume(parallelism={parallelism!r}): give a number of tasks, at least 1")
        whole(parallelism, wrong, 1)
    run = env.cluster.jobs.resume_stored(name, chosen_checkpoint(start_from), parallelism).run
    return env.remember(Job(env.cluster.jobs, run, bounded=env.cluster.jobs.status(run).topology.bounded))
