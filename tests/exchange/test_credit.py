"""The credit of channels: the rule, what a gate measures, and what it lets senders have outstanding."""

import pytest
from exchanges import channel_key, rows
from hypothesis import given
from hypothesis import strategies as st

from sabotnb.exchange.channel import Account
from sabotnb.exchange.credit import MEASURE_SECONDS, QUEUE_SECONDS, GateCredit, channel_credit
from sabotnb.exchange.gate import InputGate
from sabotnb.protocol.elements import Batch, Leave, Watermark

MB = 1 << 20


@pytest.mark.parametrize(
    ("rate", "budget", "batch", "credit"),
    [
        (None, 16 * MB, 0, 16 * MB),  # not measured yet
        (1000 * MB, 16 * MB, 2 * MB, 16 * MB),  # a fast task is bounded by memory
        (10 * MB, 16 * MB, MB / 4, 2 * MB),  # a slow one by time
        (1 * MB, 16 * MB, 2 * MB, 2 * MB),  # every channel owns one batch
        (1 * MB, MB // 4, 2 * MB, MB // 4),  # as far as there is memory
        (1e-9, 16 * MB, 0, 1),  # and takes a batch of any size when it holds nothing
        (None, 0, 0, 1),
        (1e9, 0, 1e9, 1),
    ],
)
def test_credit_is_200_ms_of_consumption_between_one_batch_and_the_budget(rate, budget, batch, credit):
    assert channel_credit(rate, budget, batch) == credit


@given(st.floats(1e-3, 1e12), st.integers(0, 1 << 40), st.floats(0, 1e9), st.floats(1, 1000))
def test_credit_grows_with_the_rate(rate, budget, batch, factor):
    less, more = channel_credit(rate, budget, batch), channel_credit(rate * factor, budget, batch)
    assert 1 <= less <= more <= max(1, budget)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def consumed(credit, clock, *steps, ready=0):
    """Poll once per step (channel, bytes, seconds of work)."""
    for channel, nbytes, seconds in steps:
        credit.begin_poll(ready)
        credit.consume(channel, nbytes)
        clock.now += seconds
    credit.begin_poll(ready)


@pytest.fixture
def clock():
    return Clock()


def test_the_rate_is_that_of_working_time(clock):
    credit = GateCredit(16 * MB, 1, clock)
    credit.begin_poll(0)
    clock.now += 100
    credit.end_wait()  # it has waited for input
    consumed(credit, clock, (1, MB, 0.1))
    assert credit.rate == pytest.approx(10 * MB)
    assert credit.per_channel == pytest.approx(2 * MB, abs=1)
    assert credit.seconds(5 * MB) == pytest.approx(0.5)


def test_nothing_is_measured_before_there_was_enough_work(clock):
    credit = GateCredit(16 * MB, 1, clock)
    consumed(credit, clock, (1, MB, MEASURE_SECONDS / 2))
    assert (credit.rate, credit.per_channel, credit.seconds(1)) == (None, 16 * MB, None)
    consumed(credit, clock, (1, MB, MEASURE_SECONDS / 2))
    assert credit.rate == pytest.approx(2 * MB / MEASURE_SECONDS)


def test_work_without_rows_is_measured_with_the_next_rows(clock):
    credit = GateCredit(16 * MB, 1, clock)
    credit.begin_poll(0)
    clock.now += 0.9  # it opens, or fires windows
    credit.begin_poll(0)
    assert credit.rate is None
    consumed(credit, clock, (1, MB, 0.1))
    assert credit.rate == pytest.approx(MB)


def test_the_rate_rises_at_once_and_falls_by_half(clock):
    credit = GateCredit(16 * MB, 1, clock)
    rates = []
    for rate in (10, 1, 1, 30, 30):
        consumed(credit, clock, (1, rate * MB, 1.0))
        rates.append(credit.rate / MB)
    assert rates == pytest.approx([10, 5.5, 3.25, 30, 30])


def test_channels_in_use_share_the_rate(clock):
    credit = GateCredit(64 * MB, 4, clock)
    consumed(credit, clock, (1, 10 * MB, 1.0))
    assert credit.per_channel == pytest.approx(10 * MB, abs=1)  # its batch
    consumed(credit, clock, *((channel, MB, 0.02) for channel in (1, 2, 1, 2)))
    assert credit.per_channel == pytest.approx(50 * MB * QUEUE_SECONDS / 2, abs=1)
    consumed(credit, clock, *((1, MB, 0.02) for _ in range(4)), ready=4)  # four channels wait
    assert credit.per_channel == pytest.approx(50 * MB * QUEUE_SECONDS / 4, abs=1)


def test_the_budget_is_shared_by_the_channels_that_there_are(clock):
    credit = GateCredit(16 * MB, 4, clock)
    assert credit.per_channel == 4 * MB
    credit.resize(2)
    assert credit.per_channel == 8 * MB
    consumed(credit, clock, (1, 1000 * MB, 0.1))
    assert credit.per_channel == 8 * MB
    credit.resize(16)
    assert credit.per_channel == MB


class Sending:
    """A gate with ``channels``, each with a sender that sends as long as it has credit."""

    def __init__(self, channels, nbytes, batch, clock=None):
        self.batch, self.charge = Batch(rows(0, 1).data, batch), batch
        self.gate = InputGate([(0, channel_key(up)) for up in range(channels)], nbytes=nbytes, clock=clock or Clock())
        self.accounts = {}
        for channel in self.gate.all_channels():
            self.attach(channel, nbytes // channels)

    def attach(self, channel, budget):
        account = self.accounts[channel] = Account(budget, lambda: None)
        channel.attach(account.refund, budget)

    def send(self, *channels):
        """Send on ``channels`` (all by default) until they have no credit."""
        for channel in channels or self.accounts:
            while self.accounts[channel].credit() > 0:
                self.accounts[channel].charge(self.charge)
                channel.put(self.batch, self.charge)

    def outstanding(self):
        return [channel.held for channel in self.accounts]


def test_what_waits_for_a_slow_task_is_bounded_by_time_and_one_batch():
    clock, rate, batch = Clock(), 10 * MB, MB // 4
    sending = Sending(1, 32 * MB, batch, clock)
    sending.send()
    assert sending.outstanding() == [32 * MB]  # nothing is known yet
    held = []
    for _ in range(1000):
        sending.gate.poll(0)
        clock.now += batch / rate
        sending.send()
        held += sending.outstanding()
    drained = held[32 * MB // batch :]
    assert max(drained) <= rate * QUEUE_SECONDS + batch
    assert min(drained) >= rate * QUEUE_SECONDS - batch  # and the task never has to wait for rows
    assert [queue.seconds for queue in sending.gate.queues()] == pytest.approx([QUEUE_SECONDS], rel=0.2)


def test_what_waits_in_many_channels_of_a_slow_task_is_bounded_together():
    clock, rate, batch, channels = Clock(), 10 * MB, MB // 64, 8
    sending = Sending(channels, 32 * MB, batch, clock)
    for _ in range(2 * 32 * MB // batch):
        sending.send()
        sending.gate.poll(0)
        clock.now += batch / rate
    assert sum(sending.outstanding()) <= rate * QUEUE_SECONDS + channels * batch


def test_a_task_that_becomes_fast_gets_its_credit_back():
    clock, batch = Clock(), MB // 4
    sending = Sending(1, 32 * MB, batch, clock)
    for rate, polls in ((MB, 300), (1000 * MB, 300)):
        for _ in range(polls):
            sending.send()
            sending.gate.poll(0)
            clock.now += batch / rate
    sending.send()
    assert sending.outstanding() == [32 * MB]


def test_a_channel_that_is_left_gives_its_credit_to_the_others():
    sending = Sending(4, 8 * MB, MB)
    channels = sending.gate.all_channels()
    sending.send()
    assert sending.outstanding() == [2 * MB] * 4
    for channel in channels[2:]:
        channel.put(Leave(), 0)
    while sending.gate.statistics().channels > 2:
        sending.gate.poll(0)
    for _ in range(4):  # what is polled from a channel tells its sender
        sending.send(*channels[:2])
        sending.gate.poll(0)
    sending.send(*channels[:2])
    assert sending.outstanding() == [4 * MB, 4 * MB, 0, 0]
    sending.attach(sending.gate.add(0, channel_key(7)), 2 * MB)
    sending.attach(sending.gate.add(0, channel_key(8)), 2 * MB)
    joined = sending.gate.all_channels()
    for _ in range(20):
        sending.send(*joined)
        sending.gate.poll(0)
    sending.send(*joined)
    assert [channel.held for channel in joined] == [2 * MB] * 4


def test_control_elements_change_no_credit():
    sending = Sending(1, 8 * MB, MB)
    (channel,) = sending.gate.all_channels()
    channel.put(Watermark(1), 0)
    sending.gate.add(0, channel_key(7))
    sending.gate.poll(0)
    assert sending.accounts[channel].credit() == 8 * MB


def test_every_channel_takes_an_oversize_batch():
    sending = Sending(1000, 1 * MB, 64 * MB)
    sending.send()
    assert sending.outstanding() == [64 * MB] * 1000
    for _ in range(1000):
        sending.gate.poll(0)
    sending.send()
    assert sending.outstanding() == [64 * MB] * 1000


class Drawn(Sending):
    """Takes drawn steps; a sender that has left sends no more."""

    def __init__(self):
        self.clock = Clock()
        super().__init__(2, 4000, 100, self.clock)
        self.left = set()

    def take(self, step, number):
        alive = [channel for channel in self.accounts if channel not in self.left]
        match step:
            case "send":
                channel = alive[number % len(alive)]
                if self.accounts[channel].credit() > 0:
                    self.accounts[channel].charge(100)
                    channel.put(self.batch, 100)
            case "poll":
                for _ in range(number):
                    self.gate.poll(0)
            case "work":
                self.clock.now += number / 100
            case "add":
                self.attach(self.gate.add(0, channel_key(len(self.accounts))), 4000 // (1 + len(alive)))
            case "leave" if len(alive) > 1:
                self.left.add(alive[0])
                alive[0].put(Leave(), 0)


STEPS = st.tuples(st.sampled_from(["send", "poll", "work", "add", "leave"]), st.integers(1, 40))


@given(st.lists(STEPS, max_size=60))
def test_no_credit_is_lost_or_made(steps):
    """What a sender has left and has outstanding is what the gate believes that it has."""
    sending = Drawn()
    for step in steps:
        sending.take(*step)
        assert [account.credit() + channel.held for channel, account in sending.accounts.items()] == [
            channel.granted for channel in sending.accounts
        ]
    while sending.gate.poll(0) is not None:
        pass
    assert all(account.credit() == channel.granted >= 1 for channel, account in sending.accounts.items())
