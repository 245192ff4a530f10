import pytest

from sabotnb.exchange.rate_limiter import BURST, SMALL_BATCHES_PER_SECOND, RateLimiter


class Setup:
    def __init__(self):
        self.now = 50.0
        self.rate_limiter = RateLimiter(lambda: self.now)


def test_few_small_batches_never_wait():
    setup = Setup()
    for _ in range(1000):
        setup.now += 10 / SMALL_BATCHES_PER_SECOND
        assert setup.rate_limiter.wait(8) == 0


def test_large_batches_are_not_limited():
    setup = Setup()
    assert [setup.rate_limiter.wait(BURST * 10), setup.rate_limiter.wait(0)] == [0, 0]


def test_an_output_with_many_channels_gets_a_turn_and_others_wait_for_its_debt():
    setup = Setup()
    assert setup.rate_limiter.wait(BURST + SMALL_BATCHES_PER_SECOND) == 0
    assert setup.rate_limiter.wait(1) == pytest.approx(1.0)
    setup.now += 0.5
    assert setup.rate_limiter.wait(1) == pytest.approx(0.5)
    setup.now += 0.501
    assert setup.rate_limiter.wait(1000) == 0


def test_an_idle_agent_saves_no_more_than_a_burst():
    setup = Setup()
    setup.now += 3600
    setup.rate_limiter.wait(BURST)
    assert setup.rate_limiter.wait(1) > 0
