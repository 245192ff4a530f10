"""Opens a job store: connects, and creates its tables or checks their version.

Theory of operation
-------------------
**SQLite.** In WAL mode readers and the one writer do not block each other; a second writer waits up to
``BUSY_SECONDS``. Every transaction that writes takes the lock when it begins, since one that began as a reader cannot
wait for it. With ``synchronous=FULL`` a committed row survives the loss of power: a checkpoint whose row was lost after
its output became visible would be written twice. ``NORMAL`` would save the one ``fdatasync`` that a change costs, and
keep rows only if nothing but the process dies. A change is three short statements beside it.

**Locks.** POSIX drops all locks that a process has on a file when it closes any descriptor of it. So nothing but SQLite
may open a database that exists: another process would take a store in use for a closed one, and remove its
WAL.

**Two processes at once.** Tables are created in one transaction, under the write lock of SQLite, or an advisory lock of
PostgreSQL. The second process finds them complete.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, SQLAlchemyError

from sabotnb.errors import StoreError, StoreUnavailable
from sabotnb.job_store.location import ADVICE, check_file_system, shown
from sabotnb.job_store.schema import METADATA, SCHEMA_VERSION, VERSIONS

BUSY_SECONDS = 10.0

SERVER_SECONDS = 10
"""How long a PostgreSQL server may take to accept a connection, to run a statement or to acknowledge a packet."""

_ADVISORY_LOCK = 0x5AB07
"""Under which one process at a time creates the tables."""

READING = {"sabot_reading": True}
"""Execution option of transactions that write nothing."""


def opened_engine(url: URL) -> Engine:
    """Return an engine for the store at ``url``, whose tables are there and of this version.

    Raises:
        StoreError: it cannot be reached, read or written, is of another version, or is on a network file system.
    """
    engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
    try:
        with explained(url):
            _create_or_check(engine, url)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn errors of the database into a StoreError that names the store and says what to do.

    StoreUnavailable if the reason lies in the world around the database, and not in what was asked of it.
    """
    try:
        yield
    except (OperationalError, InterfaceError, OSError) as error:
        raise StoreUnavailable(_explanation(url, error)) from error
    except SQLAlchemyError as error:
        raise StoreError(_explanation(url, error)) from error


def _explanation(url: URL, error: Exception) -> str:
    cause = error.orig if isinstance(error, DatabaseError) and error.orig is not None else error
    reason = " ".join(str(cause).split())
    where = url.database if url.get_backend_name() == "sqlite" else shown(url)
    if "not a database" in reason or "malformed" in reason:
        return f"the job store {where} is damaged ({reason}). Move the file away: a new one is created"
    if "readonly" in reason or "unable to open" in reason or isinstance(cause, PermissionError):
        return (
            f"the job store {where} is not writable ({reason}). Set SABOTNB_DATA to a folder of your own, or {ADVICE}"
        )
    if "is full" in reason:
        return f"the job store {where} cannot be written ({reason}). Free disk space there"
    if "locked" in reason:
        return (
            f"the job store {where} has been locked by another process for {BUSY_SECONDS:g} s. `fuser {where}` finds it"
        )
    return f"the job store {where} does not answer ({type(cause).__name__}: {reason}). Check that its database runs"


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    check_file_system(path)
    with explained(url):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create_private(path)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=1, max_overflow=0)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the listener below begins transactions, not the driver
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("sabot_reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _create_private(path: Path) -> None:
    """Create the file, which SQLite would let others read, unless it exists; OSError if it cannot be used."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "it is a link, which another user could have made", str(path)) from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None
    else:
        os.close(handle)


def _postgresql(url: URL) -> Engine:
    milliseconds = 1000 * SERVER_SECONDS
    options = {
        "connect_timeout": SERVER_SECONDS,
        "tcp_user_timeout": milliseconds,
        "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} -c client_min_messages=warning",
    }
    return create_engine(url, connect_args=options, pool_size=1, max_overflow=0, pool_pre_ping=True)


def _create_or_check(engine: Engine, url: URL) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        if not inspect(connection).has_table(VERSIONS.name):
            METADATA.create_all(connection)
            connection.execute(insert(VERSIONS).values(version=SCHEMA_VERSION))
            return
        version = connection.execute(select(VERSIONS.c.version)).scalar_one()
    if version != SCHEMA_VERSION:
        has = f"the job store {shown(url)} has version {version}, and this sabotnb reads version {SCHEMA_VERSION}"
        if version > SCHEMA_VERSION:
            raise StoreError(f"{has}. Upgrade it: pip install --upgrade sabotnb")
        raise StoreError(
            f"{has}. Keep it for the sabotnb that wrote it, and use another: sb.local(store='jobs.sqlite')"
        )
