"""The tables of the job store, in SQLite and PostgreSQL alike.

Times are Unix seconds. Their names begin with ``sabotnb_``, because a database on a server may hold other tables.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION = 1
"""Of the tables below; ``opening`` refuses a store with a greater one."""

METADATA = MetaData()

VERSIONS = Table("sabotnb_version", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))
"""One row: the version of the tables."""

LEASES = Table(
    "sabotnb_leases",
    METADATA,
    Column("job", String, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("renewed", Float, nullable=False),
    Column("owner", String),
    Column("host", String, nullable=False),
    Column("machine", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_start", String, nullable=False),
    Column("since", Float, nullable=False),
)
"""Who owns a job: see ``job_leases``. ``owner`` is null once it was released; the token stays, and only grows."""

RUNS = Table(
    "sabotnb_runs",
    METADATA,
    Column("job", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("session", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("state", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("owner", String, nullable=False),
    Column("resumable", Boolean, nullable=False),
    Column("submitted", Float, nullable=False),
    Column("changed", Float, nullable=False),
    Column("ended", Float),
    Column("failure", Text, nullable=False),
)
"""Every run: its last recorded state, and the owner that last ran it.

``resumable``: its request is stored too. That happens with its first cut, because a request may hold large tables.
"""

RUN_KEY = ("job", "number")


def _of_a_run() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(RUN_KEY, [RUNS.c.job, RUNS.c.number], ondelete="CASCADE")


EPOCHS = Table(
    "sabotnb_epochs",
    METADATA,
    Column("job", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("owner", String, nullable=False),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("began", Float, nullable=False),
    _of_a_run(),
)
"""When each epoch of a run began, and in which process."""

EVENTS = Table(
    "sabotnb_events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("job", String, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("event", String, nullable=False),
    Column("detail", Text, nullable=False),
    _of_a_run(),
    Index("sabotnb_events_of_run", "job", "number"),
)
"""What happened to a run: its states, and that it was taken over."""

REQUESTS = Table(
    "sabotnb_requests",
    METADATA,
    Column("job", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("request", Text, nullable=False),
    _of_a_run(),
)
"""The request of a run as JSON (``request_codec``), from which the run is resumed."""

BLOBS = Table(
    "sabotnb_blobs",
    METADATA,
    Column("job", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", String, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    _of_a_run(),
)
"""The functions and tables of a request. They stay opaque bytes here."""

CUTS = Table(
    "sabotnb_cuts",
    METADATA,
    Column("job", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("cut", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("nbytes", BigInteger, nullable=False),
    Column("storage", Text, nullable=False),
    Column("path", Text, nullable=False),
    _of_a_run(),
)
"""The stored cuts: a checkpoint exists when its row is here. Its files are in ``storage``.

``path`` is that of the file which describes it.
"""
