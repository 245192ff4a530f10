"""Reads and writes the rows of runs, with their epochs, events, requests and blobs, inside a transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, func, insert, select, update
from sqlalchemy.sql import ColumnElement

from sabotnb.errors import StoreError
from sabotnb.job_store import job_leases as leases
from sabotnb.job_store.job_leases import Expired, Held
from sabotnb.job_store.owner import Owner
from sabotnb.job_store.records import CutRecord, RunRecord, StoredRun
from sabotnb.job_store.request_codec import read_request, written_request
from sabotnb.job_store.schema import BLOBS, CUTS, EPOCHS, EVENTS, REQUESTS, RUNS
from sabotnb.protocol import FIRST_EPOCH, CutKind, JobRequest, JobState, RunId


def of_run(table: Table, run: RunId) -> ColumnElement[bool]:
    """The condition for the rows of ``run`` in ``table``."""
    return and_(table.c.job == run.job, table.c.number == run.number)


def key_of(run: RunId) -> dict[str, Any]:
    """The columns by which rows belong to ``run``."""
    return {"job": run.job, "number": run.number}


def insert_run(connection: Connection, owner: Owner, run: RunId, request: JobRequest) -> None:
    """Insert a new run, which is PENDING."""
    now = time.time()
    row = {
        **key_of(run),
        "session": request.owner,
        "fingerprint": request.fingerprint,
        "state": JobState.PENDING.value,
        "epoch": FIRST_EPOCH,
        "owner": owner.id,
        "resumable": False,
        "submitted": now,
        "changed": now,
        "failure": "",
    }
    connection.execute(insert(RUNS).values(row))
    _begin_epoch(connection, owner, run, FIRST_EPOCH, now)
    _add_event(connection, run, FIRST_EPOCH, now, JobState.PENDING.value)


def insert_request(connection: Connection, run: RunId, request: JobRequest, blobs: Mapping[str, bytes]) -> None:
    """Insert what the run can be resumed with; it may be there already, if the answer to that was lost."""
    for table in (REQUESTS, BLOBS):
        connection.execute(delete(table).where(of_run(table, run)))
    connection.execute(update(RUNS).where(of_run(RUNS, run)).values(resumable=True))
    connection.execute(insert(REQUESTS).values(**key_of(run), request=written_request(request)))
    contents = [{**key_of(run), "sha256": sha256, "content": content} for sha256, content in blobs.items()]
    if contents:
        connection.execute(insert(BLOBS), contents)


def update_request(connection: Connection, run: RunId, request: JobRequest) -> None:
    """Replace the request of a run."""
    values = {"request": written_request(request)}
    connection.execute(update(REQUESTS).where(of_run(REQUESTS, run)).values(values))


def update_run(
    connection: Connection, owner: Owner, run: RunId, state: JobState, epoch: int, failure: str, event: str
) -> None:
    """Record that ``run`` is in ``state``, and add an ``event`` of ``epoch``; StoreError if there is no such run."""
    now = time.time()
    changed = {"state": state.value, "owner": owner.id, "changed": now, "failure": failure}
    values = {**changed, "ended": now if state.terminal else None}
    if not connection.execute(update(RUNS).where(of_run(RUNS, run)).values(values)).rowcount:
        raise _no_run(run)
    _add_event(connection, run, epoch, now, event, failure)


def grant_epoch(connection: Connection, owner: Owner, run: RunId, epoch: int) -> None:
    """Record that ``owner`` begins ``epoch``. Nothing changes if it is recorded: only its owner can have done that."""
    before = connection.execute(select(RUNS.c.epoch).where(of_run(RUNS, run))).scalar_one_or_none()
    if before is None:
        raise _no_run(run)
    if before < epoch:
        connection.execute(update(RUNS).where(of_run(RUNS, run)).values(epoch=epoch))
        _begin_epoch(connection, owner, run, epoch, time.time())


def _no_run(run: RunId) -> StoreError:
    return StoreError(f"the job store has no run {run}. Run the job again: .run({run.job!r})")


def newest_runs(connection: Connection) -> list[RunRecord]:
    """The newest run of each job, in order of submission."""
    newest = {row.job: row for row in connection.execute(select(RUNS).order_by(RUNS.c.number))}
    holders = leases.holders(connection)
    records = [_record(row, holders.get(job)) for job, row in newest.items()]
    return sorted(records, key=lambda record: record.submitted)


def last_run(connection: Connection, job: str) -> RunRecord | None:
    """The newest run of ``job``; None if there is none."""
    newest = select(RUNS).where(RUNS.c.job == job).order_by(RUNS.c.number.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else _record(row, leases.holder(connection, job))


def stored_run(connection: Connection, record: RunRecord) -> StoredRun:
    """What the run is resumed with; StoreError if its request is not here, or not readable."""
    stored = select(REQUESTS.c.request).where(of_run(REQUESTS, record.run))
    text = connection.execute(stored).scalar_one_or_none()
    if text is None:
        raise StoreError(f"the job store has no request of {record.run}. Run the job again: .run({record.run.job!r})")
    rows = connection.execute(select(BLOBS.c.sha256, BLOBS.c.content).where(of_run(BLOBS, record.run)))
    deployed = select(func.count()).where(of_run(EVENTS, record.run), EVENTS.c.event == JobState.DEPLOYING.value)
    starts = connection.execute(deployed).scalar_one()
    return StoredRun(record, read_request(text), {row.sha256: row.content for row in rows}, starts)


def run_events(connection: Connection, run: RunId) -> list[dict[str, Any]]:
    """A row for each event of the run, in order: at, epoch, event, detail."""
    columns = (EVENTS.c.at, EVENTS.c.epoch, EVENTS.c.event, EVENTS.c.detail)
    rows = connection.execute(select(*columns).where(of_run(EVENTS, run)).order_by(EVENTS.c.id))
    return [dict(row) for row in rows.mappings()]


def insert_cut(connection: Connection, owner: Owner, token: int, cut: CutRecord) -> bool:
    """Insert the row of a cut if ``owner`` has the job under ``token``, in one statement; returns False if not."""
    row = {
        **key_of(cut.run),
        "cut": cut.cut,
        "epoch": cut.epoch,
        "kind": cut.kind,
        "name": cut.name,
        "at": cut.at,
        "seconds": cut.seconds,
        "nbytes": cut.nbytes,
        "storage": cut.storage,
        "path": cut.path,
    }
    fence = leases.fenced(cut.run.job, owner, token, {CUTS.c[name]: value for name, value in row.items()})
    stored = insert(CUTS).from_select(list(row), fence).returning(CUTS.c.cut)
    return connection.execute(stored).scalar_one_or_none() is not None


def run_cuts(connection: Connection, run: RunId) -> list[CutRecord]:
    """The stored cuts of ``run``, oldest first."""
    rows = connection.execute(select(CUTS).where(of_run(CUTS, run)).order_by(CUTS.c.cut))
    return [_cut(row) for row in rows]


def job_cuts(connection: Connection, job: str) -> list[CutRecord]:
    """The stored cuts of all runs of ``job``."""
    return [_cut(row) for row in connection.execute(select(CUTS).where(CUTS.c.job == job))]


def requests(connection: Connection) -> list[JobRequest]:
    """The stored requests of all runs of all jobs; StoreError if one is not readable."""
    return [read_request(text) for text in connection.execute(select(REQUESTS.c.request)).scalars()]


def delete_ended(connection: Connection, before: float) -> list[CutRecord]:
    """Delete runs that ended before a time; returns their cuts. A run with a savepoint is kept."""
    same_run = and_(CUTS.c.job == RUNS.c.job, CUTS.c.number == RUNS.c.number)
    savepoint = select(CUTS.c.cut).where(same_run, CUTS.c.kind == CutKind.SAVEPOINT.value).correlate(RUNS).exists()
    old = and_(RUNS.c.ended < before, ~savepoint)
    cuts = [_cut(row) for row in connection.execute(select(CUTS).join(RUNS, same_run).where(old))]
    connection.execute(delete(RUNS).where(old))
    return cuts


def _begin_epoch(connection: Connection, owner: Owner, run: RunId, epoch: int, now: float) -> None:
    row = {**key_of(run), "epoch": epoch, "owner": owner.id, "host": owner.host, "pid": owner.pid, "began": now}
    connection.execute(insert(EPOCHS).values(row))


def _add_event(connection: Connection, run: RunId, epoch: int, now: float, event: str, detail: str = "") -> None:
    connection.execute(insert(EVENTS).values(**key_of(run), at=now, epoch=epoch, event=event, detail=detail))


def _record(row: Row[Any], holder: Held | Expired | None) -> RunRecord:
    return RunRecord(
        run=RunId(row.job, row.number),
        session=row.session,
        state=JobState(row.state),
        epoch=row.epoch,
        submitted=row.submitted,
        changed=row.changed,
        failure=row.failure,
        resumable=row.resumable,
        holder=holder,
    )


def _cut(row: Row[Any]) -> CutRecord:
    return CutRecord(
        run=RunId(row.job, row.number),
        epoch=row.epoch,
        cut=row.cut,
        kind=row.kind,
        storage=row.storage,
        path=row.path,
        name=row.name,
        at=row.at,
        seconds=row.seconds,
        nbytes=row.nbytes,
    )
