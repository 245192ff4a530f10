"""Job stores that other processes hold: a job that was taken over, and a store that is locked."""

from contextlib import ExitStack
from dataclasses import replace

from sqlalchemy import create_engine, update

from sabotnb.job_store import JobStore, Owned
from sabotnb.job_store.location import location
from sabotnb.job_store.owner import new_owner
from sabotnb.job_store.schema import LEASES


def set_renewed(url, ago):
    """Let all leases look as if they were renewed ``ago`` seconds before now; a negative number: in the future."""
    engine = create_engine(location(url))
    with engine.begin() as connection:
        connection.execute(update(LEASES).values(renewed=LEASES.c.renewed - ago))
    engine.dispose()


def seize(url, job):
    """Return a store of another machine that owns ``job``, as if its owner had slept for longer than the lease."""
    set_renewed(url, 60)
    store = JobStore.open(url, replace(new_owner(), machine="other"))
    assert isinstance(store.claim(job, store.claim(job)), Owned)
    return store


def locked_store(url):
    """Lock the store against writers until the result is closed, as a process that hangs in a transaction does."""
    lock = ExitStack()
    store = JobStore.open(url)
    lock.callback(store.close)
    lock.enter_context(store._writing())
    return lock
