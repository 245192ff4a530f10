"""Sessions on clusters: ``sb.local``, ``sb.connect``, and the ``Env`` that they return.

Open envs are kept in order, and jobs go to the newest one. An env whose cluster is gone stays until another is opened:
running a job on it raises ClusterLost, where silently running in this process would hide the loss.
"""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sabotnb.api.boundary import boundary, folding
from sabotnb.api.handles.job import Job
from sabotnb.api.running import submission
from sabotnb.api.running.checkpointing import ALWAYS, Checkpointing
from sabotnb.api.verbs.verb_options import Duration
from sabotnb.config import Config
from sabotnb.errors import ClusterLost, EnvError, JobError, SabotnbError
from sabotnb.expr import whole
from sabotnb.foreign import Hinted
from sabotnb.graph import JobGraph
from sabotnb.protocol import JobState, RunId, RunSummary
from sabotnb.widgets.publisher import CLOSED, publisher

if TYPE_CHECKING:  # only for annotations: describing and previewing a stream loads neither pandas nor Dask
    import pandas as pd

    from sabotnb.cluster import Cluster, Task, TaskJob


AGENT_COLUMNS = ["agent", "address", "host", "pid", "slots", "free", "tags"]
_USERS_LINE = 5
"""Frames from ``warn`` to the line that called ``close``, past the two wrappers of a public method."""

MOST_HANDLES = 100
"""Handles that an env keeps, and with them the rows of live sinks: the cluster remembers as many runs."""


@boundary
class Env(Hinted):
    """A session on a cluster. As a context manager, it waits for the bounded jobs that it started, then closes."""

    def __init__(self, cluster: Cluster, arguments: Mapping[str, object]) -> None:
        self.cluster = cluster
        self.arguments = dict(arguments)
        self._jobs: dict[RunId, Job] = {}

    @property
    def client(self) -> Any:
        """The ``distributed.Client`` of the cluster."""
        return self.cluster.client

    @property
    def dashboard_link(self) -> str:
        """Link to Dask's dashboard. It contains the token: everyone who has the link can see the cluster."""
        return self.cluster.dashboard_link

    @property
    def dashboard_token(self) -> str:
        """The bearer token of the HTTP pages, for Prometheus; empty on clusters that sabotnb did not start."""
        return self.cluster.http_token

    @property
    def workers(self) -> int:
        """Current number of agents."""
        return len(self.cluster.slots())

    def slots(self) -> pd.DataFrame:
        """Return a row per agent: id, address, host, pid, slots, free, tags."""
        import pandas as pd

        return pd.DataFrame(self.cluster.slots(), columns=AGENT_COLUMNS)

    def scale(self, workers: int) -> None:
        """Scale the cluster to ``workers`` agents and wait for them; only idle agents are removed."""
        self.cluster.scale(workers)

    def upload(self, path: str | Path) -> None:
        """Send a module (``.py``, ``.egg`` or ``.zip``) to every agent, including agents that join later."""
        self.cluster.upload(path)

    def check(self) -> list[Any]:
        """Return what is wrong with the cluster or will be slow, each with what to do; empty if all is well."""
        return list(self.cluster.check())

    def kill_worker(self, worker: int | str) -> str:
        """Send SIGKILL to a worker process, as a test: its agent's id, or its row in ``slots()``; returns the id."""
        return self.cluster.kill_worker(worker)

    def submit_job(self, name: str, tasks: Sequence[Task], parallelism: int | None = None) -> TaskJob:
        """Run simple tasks on the agents, in turn; results are in the order of ``tasks``."""
        from sabotnb.cluster import submit_job

        return submit_job(self.cluster.jobs, name, tasks, parallelism)

    def submit_stream_job(
        self,
        graph: JobGraph,
        name: str | None = None,
        *,
        parallelism: int | None = None,
        placement: str = submission.ROUND_ROBIN,
        optimize: bool = True,
        checkpoint: Checkpointing | Duration | None = ALWAYS,
        drop_state: Sequence[str] = (),
        fresh: bool = False,
    ) -> Job:
        """Start a job from a job graph, such as one that ``JobGraph.from_dict`` has read; returns at once.

        Names, options and errors are those of ``Sink.run``. Live sinks keep their rows for the job's handle; a callback
        is a function of the session that wrote it, so a graph that has one is refused (GraphError).
        """
        options = submission.RunOptions(
            parallelism, placement, optimize, checkpoint, drop_state=tuple(drop_state), fresh=fresh
        )
        return submission.run_graph(self, name, graph, options)

    def close(self) -> None:
        """Leave the cluster, and end it, with its jobs, if this session started it."""
        if self in _open:
            _open.remove(self)
        try:
            self._warn_of_uncommitted()
        finally:  # users may turn warnings into errors
            self._leave()

    def _leave(self) -> None:
        if not self.cluster.closed and not self.cluster.gone:
            publisher.leave(self.cluster.jobs, CLOSED)
        self.cluster.close()

    def _warn_of_uncommitted(self) -> None:
        """Warn of each job that ends with the cluster of this session, with its rows unless it has a checkpoint."""
        if not self.cluster.ends_jobs or self.cluster.closed or self.cluster.gone:
            return
        with suppress(SabotnbError):  # a cluster that does not answer cannot list its jobs, and must not stop close()
            resumable = {stored.run for stored in self.cluster.jobs.stored_runs() if stored.resumable}
            for run in (run for run in self.cluster.jobs.jobs() if run.uncommitted):
                warnings.warn(_closed_early(run, resumable=run.run in resumable), stacklevel=_USERS_LINE)

    def known(self, run: RunId) -> Job | None:
        """Return the handle of a run that this session started; None if it did not."""
        return self._jobs.get(run)

    def remember(self, job: Job) -> Job:
        """Keep the handle of ``job`` for ``attach`` and for the end of the ``with`` block.

        Handles of previous runs of its name are dropped. If there are many, so are the oldest of jobs that have ended.
        """
        self._jobs = {run: kept for run, kept in self._jobs.items() if kept.name != job.name}
        self._jobs[job.run_id] = job
        if len(self._jobs) > MOST_HANDLES:
            self._drop_oldest()
        return job

    def _drop_oldest(self) -> None:
        unfinished = {run.job for run in self.cluster.jobs.jobs() if not run.state.terminal}
        oldest = list(self._jobs.items())[: -MOST_HANDLES // 2]  # half: asking for states each time is slow
        for run, kept in oldest:
            if kept.name not in unfinished:
                del self._jobs[run]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._hear_all()
        finally:
            self.close()

    def _hear_all(self) -> None:
        """Wait for every bounded job, then raise the first failure: raising earlier would end the other jobs."""
        first: JobError | None = None
        for job in list(self._jobs.values()):
            try:
                _hear(job)
            except JobError as failure:
                first = first or failure
        if first is not None:
            raise first

    def __repr__(self) -> str:
        if self.cluster.closed:
            return "Env (closed)"
        try:
            agents = self.cluster.slots()
        except ClusterLost as gone:
            return f"Env: {gone}"
        free = sum(agent["free"] for agent in agents)
        total = sum(agent["slots"] for agent in agents)
        return f"Env at {self.cluster.address}: {len(agents)} workers, {free} of {total} slots free"


def _closed_early(run: RunSummary, *, resumable: bool) -> str:
    when = f"job {run.job!r} was {run.state.value} when its cluster was closed"
    if resumable:
        return f"{when}. sb.resume({run.job!r}) on another cluster goes on from its last checkpoint"
    return (
        f"{when}, so its {run.rows_out:,} rows were not committed. To keep them, call job.stop() and job.wait() before "
        "env.close()"
    )


def _hear(job: Job) -> None:
    """Wait for a bounded job that has not been waited for, and raise its failure, but not that it was canceled."""
    if job.heard or not job.bounded:
        return
    try:
        state = job.status.state
    except JobError:  # it ended so long ago that the cluster has dropped its record
        return
    if state != JobState.CANCELED:
        job.wait()


_open: list[Env] = []
"""Open sessions, the newest last: that one gets the jobs."""


@folding
def local(
    workers: int | None = None,
    slots: int | None = None,
    detached: bool = False,
    *,
    processes: bool = True,
    store: str | os.PathLike[str] | None = None,
) -> Env:
    """Start worker processes on this machine: by default one per core, with 4 slots each.

    Calling it again with the same arguments returns the same env. ``detached=True`` starts scheduler and workers as
    processes that outlive this one and end after 10 idle minutes; ``processes=False`` runs the agents in this process.
    ``store`` keeps the record of jobs, from which ``sb.resume`` goes on with them: the URL of a PostgreSQL database, or
    the path of an SQLite file; by default a file in your data folder.

    Raises:
        StoreError: ``store`` cannot be opened.
        EnvError: an env with other arguments is open, or a script has no ``__main__`` guard.
    """
    from sabotnb import cluster as clusters

    for what, number in (("workers", workers), ("slots", slots)):
        if number is not None:
            wrong = EnvError(f"sb.local({what}={number!r}): give a number of {what}, at least 1, or leave it out")
            whole(number, wrong, 1)
    arguments: dict[str, object] = {"workers": workers, "slots": slots, "detached": detached, "processes": processes}
    config = _config(store)
    if config.store:
        arguments["store"] = config.store

    def start() -> Cluster:
        if detached:
            return clusters.detached_cluster(workers, slots, config=config)
        return clusters.local_cluster(workers, slots, processes=processes, config=config)

    return _opened("local", arguments, start)


@folding
def connect(client_or_address: Any, security: Any = None, *, store: str | os.PathLike[str] | None = None) -> Env:
    """Use a running Dask cluster, by a synchronous ``distributed.Client`` or the scheduler's address.

    ``tls://`` addresses need ``security``, a ``distributed.Security``, except those of your own ``sb.local()``.
    ``store`` is as in ``sb.local``, but the scheduler opens it: a path is on its machine.
    """
    from sabotnb import cluster as clusters

    arguments = {"to": client_or_address, "security": security}
    config = _config(store)
    if config.store:
        arguments["store"] = config.store
    return _opened("connect", arguments, lambda: clusters.connect(client_or_address, security, config))


def _config(store: str | os.PathLike[str] | None) -> Config:
    config = Config.from_environment()
    chosen = config.store if store is None else store
    if not chosen:
        return config
    from sabotnb.job_store import written_location

    return replace(config, store=written_location(chosen))


def current() -> Env | None:
    """The newest env that was not closed. Its cluster may be gone: running a job then raises, and says so."""
    return _open[-1] if _open else None


def needed(env: Env | None) -> Env:
    """Return ``env``, or the newest env; EnvError if there is none."""
    session = env or current()
    if session is None:
        raise EnvError("no cluster is open; open one first: env = sb.local()")
    if session.cluster.closed:
        raise EnvError("this env is closed; open another: env = sb.local()")
    return session


def _opened(how: str, arguments: Mapping[str, object], start: Callable[[], Cluster]) -> Env:
    """Return the open env with these arguments, or a new one; EnvError if a local env with others is open."""
    _open[:] = [env for env in _open if not env.cluster.gone]
    wanted = {"how": how, **arguments}
    for env in _open:
        if env.arguments == wanted:
            _open.remove(env)
            _open.append(env)
            return env
        if how == "local" and env.arguments["how"] == "local":
            raise EnvError(
                f"sb.local({_written(env.arguments)}) is already open with other arguments: "
                "env.scale(n) changes its workers, env.close() ends it"
            )
    env = Env(start(), wanted)
    _open.append(env)
    atexit.unregister(_close_all)
    atexit.register(_close_all)  # last registered runs first: before Dask's, which ends the workers
    return env


def _written(arguments: Mapping[str, object]) -> str:
    usual = {"workers": None, "slots": None, "detached": False, "processes": True}
    given = {name: value for name, value in arguments.items() if name in usual and value != usual[name]}
    return ", ".join(f"{name}={value!r}" for name, value in given.items())


def _close_all() -> None:
    for env in reversed(list(_open)):
        env.close()
