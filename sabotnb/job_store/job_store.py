"""The durable record of jobs: runs, epochs, events and cuts, and who owns each job.

Theory of operation
-------------------
Each method is one transaction. Whatever is written about a run is written under the token of its job
(``job_leases.fenced``), or not at all: ``JobTakenOver`` then.

A ``JobStore`` belongs to one thread. Its calls block on the disk or the network, so a scheduler calls it from a thread
of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import Connection, Engine, delete
from sqlalchemy.engine import URL

from sabotnb.errors import JobTakenOver
from sabotnb.job_store import job_leases as leases
from sabotnb.job_store import run_rows
from sabotnb.job_store.job_leases import Expired, Held, Owned
from sabotnb.job_store.location import location, shown
from sabotnb.job_store.opening import READING, explained, opened_engine
from sabotnb.job_store.owner import Owner, new_owner
from sabotnb.job_store.records import CutRecord, RunRecord, StoredRun, held_by
from sabotnb.job_store.schema import CUTS, LEASES
from sabotnb.protocol import JobRequest, JobState, RunId, StoredCut


class JobStore:
    """An open store, in which ``owner`` owns jobs."""

    def __init__(self, url: URL, engine: Engine, owner: Owner) -> None:
        self._url = url
        self._engine = engine
        self.owner = owner
        self._tokens: dict[str, int] = {}

    @classmethod
    def open(cls, store: str = "", owner: Owner | None = None) -> Self:
        """Open the store at a URL, by default that in the user's data folder; a new owner unless one is given.

        Raises:
            StoreError: that is not possible; the message says what to do.
        """
        url = location(store)
        return cls(url, opened_engine(url), owner or new_owner())

    def close(self) -> None:
        """Release all jobs, and disconnect."""
        try:
            for job in list(self._tokens):
                self.release(job)
        finally:
            self.owner.end()
            self._engine.dispose()

    def __str__(self) -> str:
        return str(self._url.database) if self._url.get_backend_name() == "sqlite" else shown(self._url)

    # Ownership

    def claim(self, job: str, seen: Expired | None = None) -> Owned | Held | Expired:
        """Own ``job`` if no one else does; ``seen`` was watched for as long as ``job_leases`` says.

        Raises:
            JobTakenOver: this process had it, and another one has claimed it since.
        """
        if job in self._tokens:
            with self._owning(job):
                return Owned(self._tokens[job])
        with self._writing() as connection:
            claimed = leases.claim(connection, job, self.owner, seen)
        if isinstance(claimed, Owned):
            self._tokens[job] = claimed.token
        return claimed

    def renew(self) -> list[str]:
        """Renew the leases of all owned jobs; returns the jobs that another owner has claimed meanwhile."""
        if not self._tokens:
            return []
        with self._writing() as connection:
            kept = leases.renew(connection, self.owner)
        lost = [job for job, token in self._tokens.items() if kept.get(job) != token]
        for job in lost:
            del self._tokens[job]
        return lost

    def release(self, job: str) -> None:
        """Let others own ``job``; does nothing if it is not ours."""
        if job in self._tokens:
            with self._writing() as connection:
                leases.release(connection, job, self.owner)
            del self._tokens[job]

    def holder(self, job: str) -> Held | Expired | None:
        """Return who owns ``job``; None if no process does."""
        with self._reading() as connection:
            return leases.holder(connection, job)

    # Runs

    def begin(self, run: RunId, request: JobRequest, blobs: Mapping[str, bytes] | None = None) -> None:
        """Record a new run; with ``blobs`` also what it can be resumed with, as ``keep_request`` does."""
        with self._owning(run.job) as connection:
            run_rows.insert_run(connection, self.owner, run, request)
            if blobs is not None:
                run_rows.insert_request(connection, run, request, blobs)

    def keep_request(self, run: RunId, request: JobRequest, blobs: Mapping[str, bytes]) -> None:
        """Record what the run can be resumed with: its request, and its functions and tables by sha256."""
        with self._owning(run.job) as connection:
            run_rows.insert_request(connection, run, request, blobs)

    def replace_request(self, run: RunId, request: JobRequest) -> None:
        """Record another request of the same functions and tables, with which the run goes on."""
        with self._owning(run.job) as connection:
            run_rows.update_request(connection, run, request)

    def grant(self, run: RunId, epoch: int) -> None:
        """Record that this process alone begins ``epoch`` of ``run``, which is greater than those that it had.

        Raises:
            JobTakenOver: another process has the job, and may have begun that epoch.
        """
        with self._owning(run.job) as connection:
            run_rows.grant_epoch(connection, self.owner, run, epoch)

    def record(self, run: RunId, state: JobState, epoch: int, failure: str = "", event: str = "") -> None:
        """Record the state of a run that has begun, and an ``event``, which is the state unless another is given."""
        with self._owning(run.job) as connection:
            run_rows.update_run(connection, self.owner, run, state, epoch, failure, event or state.value)

    def runs(self) -> list[RunRecord]:
        """Return the newest run of each job, in order of submission."""
        with self._reading() as connection:
            return run_rows.newest_runs(connection)

    def last_run(self, job: str) -> RunRecord | None:
        """Return the newest run of ``job``; None if there is none."""
        with self._reading() as connection:
            return run_rows.last_run(connection, job)

    def stored_run(self, record: RunRecord) -> StoredRun:
        """Return what a run is resumed with; StoreError if its request is not here, or not readable."""
        with self._reading() as connection:
            return run_rows.stored_run(connection, record)

    def events(self, run: RunId) -> list[dict[str, Any]]:
        """Return a row for each event of the run, in order: at, epoch, event, detail."""
        with self._reading() as connection:
            return run_rows.run_events(connection, run)

    def drop_ended(self, seconds: float) -> list[CutRecord]:
        """Remove runs that ended more than ``seconds`` ago; returns their cuts, whose files are not needed any more."""
        with self._writing() as connection:
            return run_rows.delete_ended(connection, time.time() - seconds)

    # Cuts

    def store_cut(self, cut: CutRecord) -> None:
        """Record a cut whose files are written: from now on, the checkpoint exists.

        Raises:
            JobTakenOver: another process has the job, and the cut does not exist.
        """
        with self._writing() as connection:
            if not run_rows.insert_cut(connection, self.owner, self._token(cut.run.job), cut):
                raise self._taken_over(connection, cut.run.job)

    def cuts(self, run: RunId) -> list[CutRecord]:
        """Return the stored cuts of ``run``, oldest first."""
        with self._reading() as connection:
            return run_rows.run_cuts(connection, run)

    def cuts_of_job(self, job: str) -> list[CutRecord]:
        """Return the stored cuts of all runs of ``job``."""
        with self._reading() as connection:
            return run_rows.job_cuts(connection, job)

    def starts(self) -> list[tuple[str, StoredCut]]:
        """Return the cuts that runs began from, each with the job that did; StoreError if a request is unreadable."""
        with self._reading() as connection:
            requests = run_rows.requests(connection)
        return [(request.name, request.start_from) for request in requests if request.start_from is not None]

    def drop_cuts(self, run: RunId, numbers: Sequence[int]) -> None:
        """Remove the rows of cuts of ``run``; only after that may their files be removed."""
        with self._owning(run.job) as connection:
            connection.execute(delete(CUTS).where(run_rows.of_run(CUTS, run), CUTS.c.cut.in_(numbers)))

    # Transactions

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with explained(self._url), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained(self._url), self._engine.connect().execution_options(**READING) as connection:
            yield connection

    @contextmanager
    def _owning(self, job: str) -> Iterator[Connection]:
        """A transaction to whose end ``job`` stays ours; JobTakenOver if it is not."""
        with self._writing() as connection:
            fence = leases.fenced(job, self.owner, self._token(job), {LEASES.c.token: 0})
            if connection.execute(fence).one_or_none() is None:
                raise self._taken_over(connection, job)
            yield connection

    def _token(self, job: str) -> int:
        return self._tokens.get(job, 0)  # which no lease has

    def _taken_over(self, connection: Connection, job: str) -> JobTakenOver:
        self._tokens.pop(job, None)
        return JobTakenOver(f"job {job!r} {held_by(leases.holder(connection, job))}. sb.jobs() shows who runs it")
