from functools import partial

import pytest
from job_graphs import make_job

from sabotnb.plan import PlannedJobGraph


@pytest.fixture
def job():
    return partial(make_job, kind=PlannedJobGraph)
