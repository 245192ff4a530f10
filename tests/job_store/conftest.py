"""Stores of both kinds: a new SQLite file for each test, and a schema of its own on one PostgreSQL server."""

import os

import pytest
from postgres_server import binaries, postgres_server
from sqlalchemy import create_engine, text

from sabotnb.job_store.location import location


@pytest.fixture(scope="session")
def postgres():
    """The URL of a server for the whole session."""
    programs = binaries()
    if programs is None:
        assert not os.environ.get("CI"), "PostgreSQL is not installed, which CI must have: apt-get install postgresql"
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgres_server(programs) as url:
        yield url


@pytest.fixture
def postgres_url(postgres, request):
    """An empty database of the server."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    engine = create_engine(location(postgres), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    """The URL of an empty store, of each kind."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
