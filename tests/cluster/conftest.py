"""One cluster of two worker processes for the whole session; tests that break one start their own."""

import pytest

from sabotnb.cluster import local_cluster


@pytest.fixture(scope="session")
def shared_cluster():
    started = local_cluster(workers=2, slots=4)
    yield started
    started.close()


@pytest.fixture
def cluster(shared_cluster):
    """The shared cluster; what a test leaves running is canceled, so that the next one has all slots."""
    yield shared_cluster
    jobs = shared_cluster.jobs
    for row in [row for row in jobs.jobs() if not row.state.terminal]:
        jobs.cancel(row.job)
        jobs.wait(row.run, 10)


@pytest.fixture
def impatient(monkeypatch):
    """Let stores that are opened from now on wait for a lock for a moment only."""
    monkeypatch.setattr("sabotnb.job_store.opening.BUSY_SECONDS", 0.05)
