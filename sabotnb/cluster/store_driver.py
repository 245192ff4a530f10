"""Keeps the runs of this scheduler in the job store, and tells the machine what became of them there.

Theory of operation
-------------------
**Threads.** The store blocks on a disk or a server, and the files of cuts on storage. So each has a thread of its own,
and the scheduler's loop only hands over and is called back. The thread of the store does nothing else
(``StoreThread``): a slow storage must not delay the renewal of leases.

**A cut.** ``write_cut``, then the request of the run if this is its first cut, then the fenced row, then ``Stored``.
A cut that is not stored is abandoned by the machine; the files that it left are removed with those of older cuts, or
when the run ends.

**Ownership.** A job is claimed before its submit reaches the machine, and released when the last run of it here has
ended. A lease that another process has claimed is noticed at the next renewal, or the next write: the runs of that job
end here and leave all files alone, since they are the other's now.

**An epoch** of a run that another process could resume begins after the store has granted it to this one. A run whose
request is not in the store cannot be resumed, and waits for nothing.

**Without a store.** If no store was asked for, and that of the user's data folder cannot be opened, jobs run as well;
their cuts last as long as this process. ``problem`` says why. A store that was asked for is needed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sabotnb.cluster.blob_store import Blobs, plain_blobs
from sabotnb.cluster.calls_thread import CallsThread
from sabotnb.cluster.resumable_runs import Chosen, Resumable, find_resumable
from sabotnb.cluster.store_thread import StoreThread
from sabotnb.cluster.unneeded_output import goes_on_from, remove_unneeded_output
from sabotnb.config import Config
from sabotnb.errors import JobNameTaken, JobTakenOver, SabotnbError, StoreError
from sabotnb.execution import Overview, is_dropped, kept_cuts
from sabotnb.protocol import (
    EpochGranted,
    Event,
    Failure,
    JobState,
    RunId,
    RunTakenOver,
    Stored,
    StoredCut,
    StoredRunSummary,
)
from sabotnb.storage import remove_cuts, remove_incomplete_cuts, remove_run, write_cut

if TYPE_CHECKING:  # the store's thread imports it: a database library takes half a second to load
    from sabotnb.job_store import JobStore, RunRecord

logger = logging.getLogger("sabotnb.job_store")

CLOSE_SECONDS = 3.0
"""How long the end of the scheduler waits for the last writes; Dask ends it after four."""

ASK_AGAIN_SECONDS = 1.0
"""How long a store that did not grant an epoch is left alone."""

DAY = 86_400.0


@dataclass(slots=True)
class Recorded:
    """A run that this scheduler has recorded, with what was recorded last."""

    state: JobState = JobState.PENDING
    epoch: int = 1
    request_kept: bool = False
    cuts: list[StoredCut] = field(default_factory=list)
    """Those to which it can go back."""


class StoreDriver:
    """The job store of one scheduler. All methods belong to the scheduler's loop."""

    def __init__(self, config: Config, feed: Callable[[Event], None], overview: Overview) -> None:
        self._config = config
        self._feed = feed
        self._overview = overview
        self._loop = asyncio.get_running_loop()
        self._rows = StoreThread(config.store, self._lost)
        self._files = CallsThread("sabot-store-files")
        self._runs: dict[RunId, Recorded] = {}
        self._blobs: dict[RunId, Blobs] = {}
        """Of runs whose request is not kept yet."""
        self._submitting: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._start(self._collect_garbage())
        self._start(self._renew())

    async def close(self) -> None:
        """Record what was handed over, release all jobs, and close the store."""
        for task in self._tasks:
            task.cancel()
        self._files.end()
        await self._rows.close(CLOSE_SECONDS)

    async def location(self) -> str:
        """Where the store is, without a password; StoreError if it cannot be opened."""
        return await self._rows.location()

    async def problem(self) -> str:
        """Why runs are not recorded; empty if they are."""
        try:
            await self.location()
        except SabotnbError as error:
            return str(error)
        return ""

    # Ownership

    @asynccontextmanager
    async def owning(self, job: str) -> AsyncIterator[None]:
        """Own ``job``: while inside, and from then on until the last run of it here has ended.

        Raises:
            JobNameTaken: another process has it.
            StoreError: the store that was asked for does not answer.
        """
        self._submitting[job] += 1
        try:
            if self._config.store or not await self.problem():
                await self._claim(job)
            yield
        finally:
            self._submitting[job] -= 1
            self._release_unused(job)

    async def _claim(self, job: str) -> None:
        from sabotnb.job_store import WATCH_SECONDS, Expired, Owned, held_by

        claimed = await self._rows.call(lambda store: store.claim(job), job)
        if isinstance(claimed, Expired):
            watched = claimed
            await asyncio.sleep(WATCH_SECONDS)
            claimed = await self._rows.call(lambda store: store.claim(job, watched))
        if not isinstance(claimed, Owned):
            raise JobNameTaken(
                f"job {job!r} {held_by(claimed)}. Run this job under another name: .run({f'{job}_2'!r}), or stop that "
                f"one in a session of its cluster: sb.attach({job!r}).stop()"
            )

    def _release_unused(self, job: str) -> None:
        """Release ``job`` unless a run of it goes on here, or is about to begin."""
        if not self._submitting[job] and not any(run.job == job for run in self._runs):
            del self._submitting[job]
            self._rows.write(job, lambda store: store.release(job))

    async def _renew(self) -> None:
        from sabotnb.job_store import RENEW_SECONDS

        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                for job in await self._rows.call(lambda store: store.renew()):
                    self._lost(job)
            except SabotnbError as error:  # it may be renewed later, if no one else has claimed it
                logger.warning("the leases of jobs were not renewed: %s", error)

    def _lost(self, job: str) -> None:
        """Another process has claimed ``job``: its runs end here."""
        failure = Failure(
            JobTakenOver.__name__,
            f"another process has resumed job {job!r} and runs it now: sb.attach({job!r}) in a session of that cluster",
        )
        for run in [run for run in self._runs if run.job == job]:
            del self._runs[run]
            self._blobs.pop(run, None)
            self._feed(RunTakenOver(run, failure))

    # Runs

    def begin(self, run: RunId, blobs: Blobs) -> None:
        """Record a new run, whose functions and tables are ``blobs``."""
        job = self._overview.run(run)
        assert job is not None
        request = job.request
        if request.start_from is not None:  # it can be resumed from there before it has a cut of its own
            self._runs[run] = Recorded(request_kept=True)
            self._rows.write(run.job, lambda store: store.begin(run, request, plain_blobs(blobs)))
        else:
            self._runs[run] = Recorded()
            self._blobs[run] = blobs
            self._rows.write(run.job, lambda store: store.begin(run, request))

    def resume(self, resumable: Resumable) -> None:
        """Record that a run of the store, which is owned, goes on here."""
        record = resumable.stored.record
        known = Recorded(epoch=record.next_epoch, request_kept=True)
        known.cuts = list(resumable.cuts)
        self._runs[record.run] = known
        job = record.run.job
        self._rows.write(
            job, lambda store: store.record(record.run, JobState.PENDING, record.next_epoch, event="RESUMED")
        )
        if resumable.later:  # what they stand for is replaced from now on
            self._rows.write(job, lambda store: store.drop_cuts(record.run, resumable.later))
        if resumable.replanned:
            self._rows.write(job, lambda store: store.replace_request(record.run, resumable.stored.request))

    def changed(self, job: str) -> None:
        """Record the states of the runs of ``job`` that have changed."""
        for run, known in [(run, known) for run, known in self._runs.items() if run.job == job]:
            now = self._overview.run(run)
            if now is None or (now.state, now.epoch) == (known.state, known.epoch):
                continue
            known.state, known.epoch = now.state, now.epoch
            failure = now.failure or now.survived
            message = failure.message if failure is not None else ""
            self._rows.write(job, partial(_record, run=run, state=now.state, epoch=now.epoch, failure=message))
            if now.state.terminal:
                del self._runs[run]
                self._blobs.pop(run, None)
                self._release_unused(job)
                if now.request.checkpoint is not None:  # a worker that was killed may have been writing a cut
                    self._files.submit(remove_incomplete_cuts, now.request.checkpoint.storage, run)

    async def records(self) -> list[RunRecord]:
        """The newest run of each job in the store."""
        return await self._rows.call(lambda store: store.runs())

    async def find(self, job: str, chosen: Chosen, parallelism: int | None) -> Resumable:
        """Read the newest run of ``job``, which is owned, and its cuts to go on from; its next epoch is granted.

        Raises what ``find_resumable`` and ``Resumable.replan`` raise.
        """
        run = await self._rows.call(partial(find_resumable, job=job, chosen=chosen))
        if parallelism is not None:
            run = await self._files.call(run.replan, parallelism)
        record = run.stored.record
        await self._rows.call(lambda store: store.grant(record.run, record.next_epoch), job)
        return run

    def grant(self, run: RunId, epoch: int) -> None:
        """Record that ``epoch`` begins, and feed ``EpochGranted``."""
        known = self._runs.get(run)
        if known is None:  # another process has it: the machine is told, or was
            return
        if known.request_kept:
            self._start(self._grant(run, epoch))
        else:
            self._rows.write(run.job, lambda store: store.grant(run, epoch))
            self._loop.call_soon(self._feed, EpochGranted(run, epoch))

    async def _grant(self, run: RunId, epoch: int) -> None:
        """Ask the store until it grants the epoch, or the run does not start again any more."""
        while self._restarts(run):
            try:
                await self._rows.call(lambda store: store.grant(run, epoch), run.job)
            except JobTakenOver:  # the run ends by that
                return
            except Exception as error:
                if not isinstance(error, SabotnbError):
                    logger.exception("epoch %s of %s cannot be granted", epoch, run)
                self._feed(EpochGranted(run, epoch, Failure(type(error).__name__, str(error))))
                await asyncio.sleep(ASK_AGAIN_SECONDS)
            else:
                self._feed(EpochGranted(run, epoch))
                return

    def _restarts(self, run: RunId) -> bool:
        job = self._overview.run(run)
        return job is not None and job.state is JobState.RESTARTING

    # Cuts

    def store(self, stored: StoredCut) -> None:
        """Write ``stored``, and feed ``Stored`` when it is there or has failed."""
        self._start(self._store_cut(replace(stored, at=time.time())))

    async def _store_cut(self, stored: StoredCut) -> None:
        failure: Failure | None = None
        try:
            await self._write_cut(stored)
        except SabotnbError as error:
            failure = Failure(type(error).__name__, str(error))
        except Exception as defect:
            logger.exception("cut %s of %s cannot be stored", stored.cut, stored.run)
            failure = Failure(
                StoreError.__name__, f"cut {stored.cut} was not stored: {type(defect).__name__}: {defect}"
            )
        self._feed(Stored(stored.run, stored.epoch, stored.cut, failure))
        if failure is None:
            await self._drop_old_cuts(stored)

    async def _write_cut(self, stored: StoredCut) -> None:
        run = stored.run
        known, job = self._runs.get(run), self._overview.run(run)
        if job is None or job.request.checkpoint is None:
            raise StoreError(f"cut {stored.cut} of {run} belongs to no run")
        storage = job.request.checkpoint.storage
        path = await self._files.call(write_cut, storage, stored)
        if known is None or await self._works_without():
            return
        if not known.request_kept:
            request, blobs = job.request, self._blobs.get(run, {})
            await self._rows.call(lambda store: store.keep_request(run, request, plain_blobs(blobs)), run.job)
            known.request_kept = True
            self._blobs.pop(run, None)
        await self._rows.call(partial(_insert_cut, stored=stored, storage=storage, path=path), run.job)
        known.cuts = kept_cuts([*known.cuts, stored])

    async def _drop_old_cuts(self, stored: StoredCut) -> None:
        """Remove the rows of checkpoints that are not kept, and then their files."""
        known = self._runs.get(stored.run)
        job = self._overview.run(stored.run)
        if known is None or not known.cuts or job is None or job.request.checkpoint is None:
            return
        kept = known.cuts
        try:
            if await self._rows.call(partial(_drop_old_rows, run=stored.run, kept=kept), stored.run.job):
                remove = partial(remove_cuts, job.request.checkpoint.storage, stored.run, kept)
                await self._files.call(remove)
        except SabotnbError as error:  # the next cut tries again
            logger.warning("old checkpoints of %s were not removed: %s", stored.run, error)

    async def _collect_garbage(self) -> None:
        """Remove runs that ended long ago, and their files."""
        try:
            dropped = await self._rows.call(lambda store: store.drop_ended(DAY * self._config.kept_days))
        except SabotnbError:  # that the store cannot be opened is said to those who need it
            return
        for job in {cut.run.job for cut in dropped}:
            paths = [cut.path for cut in dropped if cut.run.job == job]
            try:
                left = await self._rows.call(partial(_cuts_left, job=job))
                await self._files.call(remove_unneeded_output, paths, *left)
            except SabotnbError as error:  # the next run of the job that commits removes it
                logger.warning("output that job %r has prepared was not removed: %s", job, error)
        for storage, run in {(cut.storage, cut.run) for cut in dropped}:
            await self._files.call(remove_run, storage, run)

    async def _works_without(self) -> bool:
        """True if there is no store, and none was asked for."""
        return not self._config.store and bool(await self.problem())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def stored_summary(record: RunRecord) -> StoredRunSummary:
    """The run as clients list it."""
    holder = record.holder
    return StoredRunSummary(
        run=record.run,
        owner=record.session,
        state=record.state,
        resumable=record.resumable,
        holder="" if holder is None else str(holder.owner),
    )


def _record(store: JobStore, run: RunId, state: JobState, epoch: int, failure: str) -> None:
    store.record(run, state, epoch, failure)


def _insert_cut(store: JobStore, stored: StoredCut, storage: str, path: str) -> None:
    from sabotnb.job_store import CutRecord

    store.store_cut(
        CutRecord(
            run=stored.run,
            epoch=stored.epoch,
            cut=stored.cut,
            kind=stored.kind.value,
            storage=storage,
            path=path,
            name=stored.name,
            at=stored.at,
            seconds=stored.seconds,
            nbytes=stored.nbytes,
        )
    )


def _cuts_left(store: JobStore, job: str) -> tuple[list[str], list[StoredCut]]:
    """The paths of the stored cuts of ``job`` and of jobs that went on from it, and the cuts that runs began from."""
    starts = store.starts()
    jobs = goes_on_from(job, [(name, cut.run.job) for name, cut in starts])
    return [cut.path for name in sorted(jobs) for cut in store.cuts_of_job(name)], [cut for _, cut in starts]


def _drop_old_rows(store: JobStore, run: RunId, kept: list[StoredCut]) -> bool:
    """Remove the rows of checkpoints that are not kept; returns False if there are none."""
    old = [cut.cut for cut in store.cuts(run) if is_dropped(cut, kept)]
    if old:
        store.drop_cuts(run, old)
    return bool(old)
