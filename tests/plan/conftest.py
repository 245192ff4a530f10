import pytest
from job_graphs import make_job


@pytest.fixture
def job():
    return make_job
