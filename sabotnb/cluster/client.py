"""The synchronous client of a cluster, used by the API and the command line.

It can be used from scripts, notebooks and any thread: calls run on the Dask client's own event loop while the caller
waits. An interrupt ends the wait, never the job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import uuid4

import distributed
import pyarrow as pa
from distributed.comm.core import CommClosedError
from distributed.protocol.serialize import to_serialize
from distributed.utils import sync

from sabotnb.cluster import control_codec
from sabotnb.cluster.probe_requests import Probed, aim, combined, operator_of
from sabotnb.cluster.result_reader import Read, ResultBatch, ResultReader
from sabotnb.cluster.sampled_rows import SampledRows
from sabotnb.errors import ClusterLost, ClusterTimeout, EnvError, JobError, StoreError, UserFunctionError
from sabotnb.execution import metrics_summary
from sabotnb.metrics import JobMetrics
from sabotnb.plan import JobLevels, load_levels
from sabotnb.protocol import (
    Cancel,
    CommandResult,
    DropResults,
    Fail,
    JobRequest,
    JobState,
    Pause,
    Reply,
    Resume,
    RunCommand,
    RunId,
    RunRef,
    RunStatus,
    RunSummary,
    Stop,
    StoredCut,
    StoredRunSummary,
    Submitted,
    TakeSavepoint,
    Unsent,
    Until,
    ViewKind,
    Watch,
    Watched,
    job_of,
)
from sabotnb.task import error_of, failure_of

T = TypeVar("T")

ANSWER_SECONDS = 30.0
"""A scheduler that does not answer within this time is considered lost."""

SAVEPOINT_SECONDS = 3600.0
"""A savepoint that takes longer fails: it may begin after another checkpoint, and each has its own timeout."""

RESUME_SECONDS = 60.0
"""A lease that looks expired is watched, and the description of a checkpoint read from storage, before a resume."""

WAIT_SECONDS = 5.0
"""Length of one request of a longer wait: short enough to notice that the cluster is lost."""

ADVICE = "sb.local() starts another, sb.connect(address) finds one"


class ClusterClient:
    """Submits and watches jobs and fetches their results. Thread-safe; raises ClusterLost if the cluster is gone."""

    def __init__(self, client: distributed.Client, owner: str) -> None:
        self.client = client
        self.owner = owner
        """The session that submitted jobs belong to."""
        scheduler: Any = client.scheduler
        self.address = str(scheduler.address)
        """Where the scheduler listens, or listened when the session is closed."""

    # Jobs

    def submit_stream_job(self, request: JobRequest, blobs: Mapping[str, bytes]) -> Submitted:
        """Start a job, all of it or nothing.

        ``how`` of the result: started; attached, to the running job; replaced, if a run of another graph is canceled
        for it; queued, if it begins when a run that is ending has ended.

        Raises:
            JobNameTaken: another session that is connected runs a job of this name.
            InsufficientSlots: the cluster has too few slots, even when nothing else runs.
        """
        sent = self._sent(request, blobs)
        submitted = _value(self._ask(lambda scheduler: scheduler.sabot_submit(**sent)))
        assert isinstance(submitted, Submitted)
        return submitted

    def check_name(self, job: str) -> None:
        """Raise JobNameTaken if another session that is connected runs a job of this name."""
        _value(self._ask(lambda scheduler: scheduler.sabot_hold(job=job, owner=self.owner)))

    def edit_stream_job(self, request: JobRequest, blobs: Mapping[str, bytes]) -> Submitted:
        """Start a job that goes on from the state of the running one of its name, if that takes checkpoints.

        ``how`` of the result is continued then, and the run is RUNNING, or waits for slots.

        Raises:
            CheckpointError: the savepoint failed, and the running job goes on; or its state does not fit.
            SabotnbError: as ``submit_stream_job``, or why the new run did not begin; the running job goes on.
        """
        sent = self._sent(request, blobs)
        submitted = _value(self.run(lambda: self._scheduler.sabot_edit(**sent), SAVEPOINT_SECONDS))
        assert isinstance(submitted, Submitted)
        return submitted

    def _sent(self, request: JobRequest, blobs: Mapping[str, bytes]) -> dict[str, Any]:
        return {
            "request": control_codec.dumps(request),
            # as separate frames, which the scheduler passes on without reading them
            "blobs": {sha256: to_serialize(data) for sha256, data in blobs.items()},
            "client": self.client.id,
        }

    def resume_stored(
        self, job: str, start_from: StoredCut | str | int | None = None, parallelism: int | None = None
    ) -> Submitted:
        """Go on here with the newest run of ``job`` in the job store, from a checkpoint, by default its last one.

        ``start_from`` is the checkpoint, or its name or number. ``parallelism`` replaces that of the run.

        Raises:
            JobError: there is no such run, it has ended, or it has no checkpoint.
            CheckpointError: the run has no such checkpoint, or it cannot be read.
            GraphError: it cannot run with that parallelism.
            JobNameTaken: another process runs it.
            StoreError: there is no job store.
        """
        options: dict[str, Any] = {"chosen": control_codec.dumps(start_from), "parallelism": parallelism}
        options |= {"owner": self.owner, "client": self.client.id}
        resumed = _value(self.run(lambda: self._scheduler.sabot_resume(job=job, **options), RESUME_SECONDS))
        assert isinstance(resumed, Submitted)
        return resumed

    def stored_runs(self) -> list[StoredRunSummary]:
        """The newest run of each job in the job store, in order of submission; none if there is no store."""
        rows: list[StoredRunSummary] = control_codec.loads(self._ask(lambda scheduler: scheduler.sabot_stored_runs()))
        return rows

    def store(self) -> str:
        """Where the job store is, without a password; StoreError if there is none."""
        location, problem = self._ask(lambda scheduler: scheduler.sabot_store())
        if problem:
            raise StoreError(problem)
        return str(location)

    def cancel(self, run: RunRef) -> str:
        """End a run at once; its output is removed. Returns before that is done; JobError if there is none.

        Returns a sentence: what happens now, or why nothing does.
        """
        return self._command(Cancel(uuid4().hex, run))

    def stop(self, run: RunRef) -> str:
        """End the job's sources; rows already read are processed and committed. Returns a sentence, like ``cancel``."""
        return self._command(Stop(uuid4().hex, run))

    def savepoint(self, run: RunId, name: str = "", *, stop: bool = False) -> StoredCut:
        """Take a savepoint and return it when it is stored; with ``stop`` the run ends there, and emits nothing more.

        Raises:
            CheckpointError: the savepoint failed, and the run goes on, or the run ended before.
        """
        self._status_once(Until.BEGUN, run, ANSWER_SECONDS)
        command = Stop(uuid4().hex, run, name) if stop else TakeSavepoint(uuid4().hex, run, name)
        packed = control_codec.dumps(command)
        stored = _value(self.run(lambda: self._scheduler.sabot_command(command=packed), SAVEPOINT_SECONDS))
        assert isinstance(stored, StoredCut)
        return stored

    def pause(self, run: RunRef) -> str:
        """Let the job's sources read nothing until ``resume``. Returns a sentence, as ``cancel`` does."""
        return self._command(Pause(uuid4().hex, run))

    def resume(self, run: RunRef) -> str:
        """Let a paused job's sources continue. Returns a sentence, as ``cancel`` does."""
        return self._command(Resume(uuid4().hex, run))

    def fail(self, run: RunId, error: UserFunctionError) -> str:
        """End a run as FAILED, because a user function raised in this client with rows of the job."""
        failure = replace(failure_of(error, "the client"), message=str(error))
        return self._command(Fail(uuid4().hex, run, failure))

    def drop_results(self, run: RunRef) -> None:
        """Let agents drop the results of a run that has ended."""
        self._command(DropResults(uuid4().hex, run))

    def status(self, run: RunRef) -> RunStatus:
        """The status of the run; JobError if it is not known."""
        status: RunStatus = self._view(ViewKind.STATUS, run)
        return status

    def status_now(self, run: RunRef) -> tuple[RunStatus, float]:
        """The status of the run, and the time at which it was read, by the clock of the times in it."""
        answer = self._watch(Watch(ViewKind.STATUS, (run,)))
        if answer.views[0] is None:
            raise self._unknown(run)
        return answer.views[0], answer.at

    def operator(self, run: RunId, name: str) -> tuple[RunStatus, str]:
        """The status of the run, and the id of the operator ``name``, which may be the beginning of it.

        Raises:
            JobError: there is no such operator, the message lists those there are.
        """
        status = self.status(run)
        return status, operator_of(status, name)

    def knows(self, run: RunId) -> bool:
        """True if this cluster still knows that run."""
        try:
            self.status(run)
        except JobError:
            return False
        return True

    def levels(self, run: RunRef) -> JobLevels | None:
        """The levels of that run, to be shown; None if nothing was kept of it. JobError if the run is not known."""
        levels, execution, interval = self._view(ViewKind.LEVELS, run)
        return load_levels(levels, execution, interval) if levels else None

    def wait(self, run: RunId, timeout: float | None = None) -> RunStatus | None:
        """Wait until that run is over; returns its status, or None if it is not over after ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = WAIT_SECONDS if deadline is None else min(WAIT_SECONDS, max(0.0, deadline - time.monotonic()))
            status = self._status_once(Until.OVER, run, left)
            if status is not None or (deadline is not None and time.monotonic() >= deadline):
                return status

    def jobs(self) -> list[RunSummary]:
        """The current run of each job, in order of submission."""
        rows: list[RunSummary] = self._watch(Watch(ViewKind.RUNS)).views[0]
        return rows

    def slots(self) -> list[dict[str, Any]]:
        """One row per agent: id, address, host, pid, slots, free, tags."""
        rows: list[dict[str, Any]] = self._watch(Watch(ViewKind.AGENTS)).views[0]
        return rows

    def wait_agents(self, count: int, timeout: float) -> None:
        """Return when exactly ``count`` agents are registered; EnvError after ``timeout`` seconds."""
        registered = len(self._watch(Watch(ViewKind.AGENTS, seconds=timeout, agents=count)).views[0])
        if registered != count:
            raise EnvError(
                f"{registered} instead of {count} agents are registered after {timeout:g} s; see env.check()"
            )

    def let_go(self, count: int) -> tuple[int, list[Any]]:
        """Close ``count`` idle agents to new tasks; returns how many are idle, and the chosen Dask names."""
        idle, names = self._ask(lambda scheduler: scheduler.sabot_let_go(count=count))
        return idle, list(names)

    def take_away(self, agent: str, reason: str) -> None:
        """Close an agent to new tasks before it is ended on purpose; jobs that lose tasks say the ``reason``."""
        self._ask(lambda scheduler: scheduler.sabot_take_away(agent=agent, reason=reason))

    def metrics(self, run: RunRef) -> JobMetrics:
        """The metrics of that run; JobError if it is not known, or was dropped long after its end."""
        metrics: JobMetrics = self._view(ViewKind.METRICS, run)
        return metrics

    def metric_rows(self, run: RunRef, view: ViewKind) -> list[dict[str, Any]]:
        """A row per channel (``CHANNELS``) or per second and vertex (``HISTORY``), from ``status.job_series``."""
        rows: list[dict[str, Any]] = self._view(view, run)
        return rows

    def watch(
        self, runs: Sequence[RunId], seconds: float, known: Mapping[RunId, JobMetrics] | None = None
    ) -> list[JobMetrics | None]:
        """Return the metrics of ``runs`` when the state of one changes, or after ``seconds``.

        None for a run that is not known. Metrics include tasks only if the run is over. Metrics in ``known`` that are
        still current are returned as they are and are not sent again. ClusterTimeout if no answer comes although the
        session is open.
        """
        before = [(known or {}).get(run) for run in runs]
        stamps = tuple(None if metrics is None else (metrics.version, metrics.at) for metrics in before)
        try:
            answer = self._watch(Watch(ViewKind.LIVE, tuple(runs), Until.CHANGED, seconds, stamps))
        except ClusterLost as gone:
            if self.client.status == "running":
                raise ClusterTimeout(str(gone).removesuffix(f": {ADVICE}")) from gone.__cause__
            raise
        return [old if new is Unsent.UNCHANGED else new for old, new in zip(before, answer.views, strict=True)]

    def get_metrics_summary(self, job: str | None = None) -> dict[str, Any]:
        """Jobs and tasks by state, total rows and bytes, uptime in seconds: of ``job``, or of all jobs."""
        answer = self._watch(Watch(ViewKind.RUNS))
        return metrics_summary([run for run in answer.views[0] if job in (None, run.job)], answer.at)

    def probe(self, run: RunId, target: str, rows: int = 50, wait: float = 2.0) -> Probed:
        """The last ``rows`` rows that left ``target``: an operator, an edge ("a->b"), or the beginning of an id.

        Sampling starts now and lasts while a client asks every few seconds; waits until every task has had
        some, at most ``wait`` seconds, and as long for a job that is about to begin.

        Raises:
            JobError: there is no such operator, the message lists those there are; or the job does not run.
        """
        status = self._begun(run, wait)
        aimed = aim(status, target)
        if status.state is not JobState.RUNNING:
            raise JobError(f"{run.job} is {status.state.value}: no rows pass {aimed.operator}")
        request: dict[str, Any] = {"run": str(run), "vertex": aimed.vertex, "operator": aimed.operator}
        request |= {"keys": list(aimed.keys), "rows": rows, "wait": wait}
        answer = self.run(lambda: self._scheduler.sabot_probe(**request), wait + ANSWER_SECONDS)
        notes = ["the job is paused"] if status.paused else []
        notes += [f"{agent} did not answer" for agent in answer["silent"]]
        return combined(aimed, answer["tasks"], rows, "; ".join(notes))

    def samples(self, run: RunId, operator: str | None = None) -> list[SampledRows]:
        """The last late and failing rows of ``operator``, an id or a unique prefix of it; of the run if it is None.

        Raises:
            JobError: there is no such operator, the message lists those there are.
        """
        status = self.status(run)
        named = None if operator is None else operator_of(status, operator)
        answers = self.run(lambda: self._scheduler.sabot_samples(run=str(run)), ANSWER_SECONDS)
        return [SampledRows.of(answer) for answer in answers if named in (None, answer["operator"])]

    # Results

    def results(self, run: RunId, vertex: str, operator: str, *, one_by_one: bool = False) -> Iterator[Read]:
        """The rows of a collecting operator of ``vertex`` as they come, in order within a task; ends with the job.

        ``one_by_one``: rows are acknowledged only after they were used, so the job does not end before that. If the run
        starts again from a checkpoint, a ``Rewind`` takes back what came after it.

        Raises:
            JobFailed, JobCanceled: before the rows are complete.
            JobError: the job has finished, but some of its rows were already dropped.
            ClusterLost: the scheduler does not answer.
        """
        return self._results(ResultReader(self.client, run, vertex, operator, one_by_one=one_by_one))

    def batches(self, run: RunId, vertex: str, operator: str) -> Iterator[pa.RecordBatch]:
        """The rows of a run that does not start again; raises as ``results`` does."""
        for read in self._results(ResultReader(self.client, run, vertex, operator, until_over=False)):
            assert isinstance(read, ResultBatch)
            yield read.data

    def _results(self, reader: ResultReader) -> Iterator[Read]:
        try:
            yield from reader.batches()
        except (OSError, TimeoutError, RuntimeError) as error:  # RuntimeError: another thread has closed the client
            raise self._gone(error) from error

    # Calls

    def _command(self, command: RunCommand) -> str:
        packed = control_codec.dumps(command)
        result = _value(self._ask(lambda scheduler: scheduler.sabot_command(command=packed)))
        assert isinstance(result, CommandResult)
        return result.sentence

    def _status_once(self, until: Until, run: RunId, seconds: float) -> RunStatus | None:
        """The status once ``until`` holds for the run; None if it does not after ``seconds``."""
        view = self._view(ViewKind.STATUS, run, until, seconds)
        return view if isinstance(view, RunStatus) else None

    def _begun(self, run: RunId, seconds: float) -> RunStatus:
        """The status when the job runs or is over, or after ``seconds`` whatever it is then."""
        return self._status_once(Until.BEGUN, run, seconds) or self.status(run)

    def _view(self, kind: ViewKind, run: RunRef, until: Until = Until.NOW, seconds: float = 0.0) -> Any:
        """A view of the run; JobError if the run is not known."""
        (view,) = self._watch(Watch(kind, (run,), until, seconds)).views
        if view is None:
            raise self._unknown(run)
        return view

    def _watch(self, watch: Watch) -> Watched:
        question = control_codec.dumps(watch)
        answer = self.run(lambda: self._scheduler.sabot_watch(question=question), watch.seconds + ANSWER_SECONDS)
        watched: Watched = control_codec.loads(answer)
        return watched

    def _unknown(self, run: RunRef) -> JobError:
        job, known = job_of(run), [summary.job for summary in self.jobs()]
        if job in known:
            return JobError(f"this run of job {job!r} ended so long ago that the cluster has forgotten it")
        names = ", ".join(map(repr, known)) or "none"
        return JobError(f"no job {job!r} on this cluster; there are: {names}. sb.jobs() lists them")

    @property
    def _scheduler(self) -> Any:
        return self.client.scheduler

    def _ask(self, call: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        return self.run(lambda: call(self._scheduler))

    def run(self, call: Callable[[], Coroutine[Any, Any, T]], timeout: float = ANSWER_SECONDS) -> T:
        """Run what ``call`` returns on the Dask client's loop and wait for it, at most ``timeout`` seconds."""
        loop = self.client.loop
        if loop is None or self.client.status != "running":
            raise ClusterLost(f"the session was closed, or its cluster went away: {ADVICE}")
        try:
            answer: T = sync(loop, call, callback_timeout=timeout)
        except (OSError, TimeoutError) as error:
            raise self._gone(error) from error
        return answer

    def _gone(self, error: Exception) -> ClusterLost:
        lost = isinstance(error, CommClosedError)
        why = "the connection was closed" if lost else f"{type(error).__name__}: {error}".removesuffix(": ")
        return ClusterLost(f"the cluster at {self.address} does not answer ({why}): {ADVICE}")


def _value(answer: bytes) -> Submitted | CommandResult | StoredCut | None:
    reply: Reply = control_codec.loads(answer)
    if reply.failure is not None:
        raise error_of(reply.failure)
    return reply.value
