"""Who may run a job: one owner per name, by a lease with a fencing token.

Theory of operation
-------------------
A row per job names its owner. ``claim`` is one statement, so of many contenders one wins. Each claim increments the
``token``, which never decreases, and whatever the owner writes later is written only where its own token still stands
(``fenced``): an owner that slept, and woke up after another one had claimed its job, writes nothing.

An owner *renews* its rows every ``RENEW_SECONDS``, which increments their ``beat``. It may renew a lease however old it
is, if no one else has claimed it: a laptop may sleep.

**Clocks.** A lease does not expire at a time of day. Clocks of hosts differ, and jump: a lease with an expiry would be
lost when the clock goes forward, and would outlive its owner by hours when it goes back. Instead:

- An owner whose process on this machine is gone has no lease, whatever its age.
- A lease that was renewed less than ``LEASE_SECONDS`` ago, by the clock of the database, is *held*: to refuse a claim
  is always safe.
- Any other lease looks expired. Its contender watches it for ``WATCH_SECONDS`` of a clock that cannot jump, longer than
  an owner takes to renew it, and claims it only if the beat is still the one that it saw.

The watching is up to the caller, which must not block here: ``claim`` returns ``Expired``, and takes it as ``seen``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, false, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sabotnb.job_store.database_clock import DatabaseNow
from sabotnb.job_store.owner import Owner
from sabotnb.job_store.schema import LEASES

RENEW_SECONDS = 6.0
LEASE_SECONDS = 20.0
WATCH_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Owned:
    """The job is ours under ``token``."""

    token: int


@dataclass(frozen=True, slots=True)
class Held:
    """Another owner has the job ``since`` (Unix time), and is alive as far as is known."""

    owner: Owner
    since: float


@dataclass(frozen=True, slots=True)
class Expired:
    """The owner of the job has not renewed its lease in time. It is gone if ``beat`` stays what it is."""

    owner: Owner
    since: float
    token: int
    beat: int


def claim(connection: Connection, job: str, owner: Owner, seen: Expired | None = None) -> Owned | Held | Expired:
    """Make ``owner`` the owner of ``job`` if no one else is; ``seen`` was watched, and allows to claim that lease."""
    known = None if seen is None else (seen.token, seen.beat)
    while (token := _claimed(connection, job, owner, known)) is None:
        row = _row(connection, job)
        if (other := _holder(row)) is not None:
            return other
        known = (row.token, row.beat)  # its process is gone
    return Owned(token)


def holder(connection: Connection, job: str) -> Held | Expired | None:
    """Return who has ``job``, without claiming it; None if it is free."""
    row = _row(connection, job)
    return None if row is None else _holder(row)


def holders(connection: Connection) -> dict[str, Held | Expired]:
    """Return who has each job that is not free."""
    found = {row.job: _holder(row) for row in connection.execute(_rows())}
    return {job: holder for job, holder in found.items() if holder is not None}


def renew(connection: Connection, owner: Owner) -> dict[str, int]:
    """Renew all leases of ``owner``; returns the token of each job that it still owns."""
    renewed = (
        update(LEASES)
        .where(LEASES.c.owner == owner.id)
        .values(beat=LEASES.c.beat + 1, renewed=DatabaseNow())
        .returning(LEASES.c.job, LEASES.c.token)
    )
    return {row.job: row.token for row in connection.execute(renewed)}


def release(connection: Connection, job: str, owner: Owner) -> None:
    """Let others have ``job``; does nothing if ``owner`` has lost it already."""
    connection.execute(update(LEASES).where(LEASES.c.job == job, LEASES.c.owner == owner.id).values(owner=None))


def fenced(job: str, owner: Owner, token: int, row: Mapping[ColumnElement[Any], Any]) -> Select[Any]:
    """Select ``row``, values by column, once if ``owner`` has ``job`` under ``token``, else no row.

    The row of the lease stays locked until the end of the transaction. So a claim by another owner happens either
    before, and nothing is selected, or after what this transaction writes, and sees it.
    """
    values = [literal(value, column.type).label(column.key) for column, value in row.items()]
    mine = (LEASES.c.job == job, LEASES.c.owner == owner.id, LEASES.c.token == token)
    return select(*values).select_from(LEASES).where(*mine).with_for_update(read=True)


def _claimed(connection: Connection, job: str, owner: Owner, known: tuple[int, int] | None) -> int | None:
    """Return the new token if the lease is free, is that owner's, or has still the token and beat that are known."""
    mine = {
        "owner": owner.id,
        "host": owner.host,
        "machine": owner.machine,
        "pid": owner.pid,
        "process_start": owner.process_start,
        "beat": 0,
        "since": DatabaseNow(),
        "renewed": DatabaseNow(),
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    unchanged = (LEASES.c.token == known[0]) & (LEASES.c.beat == known[1]) if known else false()
    claimed = (
        insert(LEASES)
        .values(job=job, token=1, **mine)
        .on_conflict_do_update(
            index_elements=[LEASES.c.job],
            set_={**mine, "token": LEASES.c.token + 1},
            where=or_(LEASES.c.owner.is_(None), LEASES.c.owner == owner.id, unchanged),
        )
        .returning(LEASES.c.token)
    )
    token: int | None = connection.execute(claimed).scalar_one_or_none()
    return token


def _row(connection: Connection, job: str) -> Any:
    """Return the row of the job's lease; None if there is none."""
    return connection.execute(_rows().where(LEASES.c.job == job)).one_or_none()


def _rows() -> Select[Any]:
    """Select rows of leases with their ``age`` in seconds."""
    return select(LEASES, (DatabaseNow() - LEASES.c.renewed).label("age"))


def _holder(row: Any) -> Held | Expired | None:
    """Return who has a lease; None if it was released, or its process is gone."""
    if row.owner is None:
        return None
    owner = Owner(row.owner, row.host, row.machine, row.pid, row.process_start)
    if owner.gone:
        return None
    if 0 <= row.age < LEASE_SECONDS:
        return Held(owner, row.since)
    return Expired(owner, row.since, row.token, row.beat)
