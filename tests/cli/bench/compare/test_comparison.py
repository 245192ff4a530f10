import time

import pytest

from sabotnb.cli.bench.compare.comparison import TimeBudget
from sabotnb.cli.bench.compare.suite import QueryCase

SHORT, LONG = QueryCase("short", "", ()), QueryCase("long", "", (), weight=3)


def test_cases_share_the_time_by_their_weights():
    budget = TimeBudget(time.monotonic() + 1000, SHORT.weight + LONG.weight)
    assert budget.share(SHORT) == pytest.approx(250, rel=0.1)
    assert budget.share(LONG) == pytest.approx(1000, rel=0.1)


def test_after_the_deadline_there_is_no_time():
    assert TimeBudget(time.monotonic() - 1, 1).share(SHORT) == 0
