import pytest

from sabotnb.exchange.rate_limiter import BURST, CRUMBS_PER_SECOND, RateLimiter


class Setup:
    def __init__(self):
        self.now = 50.0
        self.pace = RateLimiter(lambda: self.now)


def test_few_crumbs_never_wait():
    setup = Setup()
    for _ in range(1000):
        setup.now += 10 / CRUMBS_PER_SECOND
        assert setup.pace.wait(8) == 0


def test_large_batches_are_no_matter_of_pace():
    setup = Setup()
    assert [setup.pace.wait(BURST * 10), setup.pace.wait(0)] == [0, 0]


def test_a_large_fan_gets_its_turn_and_everybody_waits_for_its_debt():
    setup = Setup()
    assert setup.pace.wait(BURST + CRUMBS_PER_SECOND) == 0
    assert setup.pace.wait(1) == pytest.approx(1.0)
    setup.now += 0.5
    assert setup.pace.wait(1) == pytest.approx(0.5)
    setup.now += 0.501
    assert setup.pace.wait(1000) == 0


def test_rest_saves_up_no_more_than_a_burst():
    setup = Setup()
    setup.now += 3600
    setup.pace.wait(BURST)
    assert setup.pace.wait(1) > 0
