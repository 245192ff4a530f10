import sys
from collections import deque
from threading import Condition, Thread

import pytest
from exchanges import channel_key, keys, rows

from sabotnb.errors import ProtocolError
from sabotnb.exchange.channel import Channel
from sabotnb.exchange.gate import InputGate
from sabotnb.protocol import Queue
from sabotnb.protocol.elements import End, Leave, Status, Watermark

BUDGET = 40


def gate_of(channels, ports=1):
    gate = InputGate((up % ports, channel_key(up)) for up in range(channels))
    refunds = [[] for _ in range(channels)]
    for channel, refund in zip(gate.all_channels(), refunds, strict=True):
        channel.attach(refund.append, BUDGET)
    return gate, gate.all_channels(), refunds


def poll(gate, timeout=0):
    """Poll ``gate``; the sending task is named by its index."""
    polled = gate.poll(timeout)
    return polled and (polled[0], polled[1].task, polled[2])


def test_polls_the_elements_of_a_channel_in_order():
    gate, (channel,), refunds = gate_of(1)
    for element, charge in [(rows(0, 2), 10), (Watermark(7), 0), (rows(2, 3), 5), (End(), 0)]:
        channel.put(element, charge)
    first, mark, second, end = (poll(gate)[2] for _ in range(4))
    assert [keys(first), mark, keys(second), end] == [[0, 1], Watermark(7), [2], End()]
    assert poll(gate) is None
    assert refunds == [[10, 5]]


def test_polls_channels_in_turn():
    gate, channels, _ = gate_of(3)
    for channel in channels:
        for us in (1, 2):
            channel.put(Status(idle=bool(us)), 0)
            channel.put(Watermark(us), 0)
    assert [poll(gate)[1] for _ in range(12)] == [0, 1, 2] * 4


def test_identifies_channels_by_port_and_sending_task():
    gate, channels, _ = gate_of(4, ports=2)
    assert [[up.task for up in gate.channels(port)] for port in range(3)] == [[0, 2], [1, 3], []]
    channels[3].put(End(), 0)
    assert poll(gate) == (1, 3, End())


def test_adjacent_watermarks_merge():
    gate, (channel,), _ = gate_of(1)
    for element in [Watermark(1), Watermark(2), Status(idle=True), Watermark(3), Watermark(4)]:
        channel.put(element, 0)
    assert [poll(gate)[2] for _ in range(3)] == [Watermark(2), Status(idle=True), Watermark(4)]


def test_wake_ends_a_poll_once():
    gate, (channel,), _ = gate_of(1)
    gate.wake()
    assert poll(gate, 60) is None
    channel.put(End(), 0)
    assert poll(gate, 60) == (0, 0, End())


@pytest.mark.parametrize("call", ["wake", "put"])
def test_other_threads_end_a_waiting_poll(call):
    gate, (channel,), _ = gate_of(1)
    polled = []
    waiter = Thread(target=lambda: polled.append(poll(gate, 60)))
    waiter.start()
    if call == "wake":
        gate.wake()
    else:
        channel.put(End(), 0)
    waiter.join(30)
    assert polled == [None if call == "wake" else (0, 0, End())]


def test_a_blocked_channel_waits_while_others_are_polled():
    gate, (left, right), _ = gate_of(2)
    left.put(Watermark(1), 0)
    gate.block(0, left.key.up)
    left.put(Status(idle=True), 0)
    right.put(Watermark(5), 0)
    assert [poll(gate), poll(gate)] == [(0, 1, Watermark(5)), None]
    gate.resume(0, left.key.up)
    gate.resume(0, left.key.up)
    assert [poll(gate), poll(gate), poll(gate)] == [(0, 0, Watermark(1)), (0, 0, Status(idle=True)), None]


class Visited(deque):
    """Counts the channels that are visited."""

    visits = 0

    def __getitem__(self, index):
        self.visits += 1
        return super().__getitem__(index)

    def remove(self, channel):
        self.visits += 1 + self.index(channel)
        super().remove(channel)


def test_blocking_a_channel_that_was_just_polled_visits_no_others():
    ready, changed = Visited(), Condition()
    channels = [Channel(channel_key(up), 0, changed, ready) for up in range(1000)]
    for channel in channels:
        channel.put(Status(idle=True), 0)
        channel.put(Status(idle=False), 0)
    for channel in channels:
        assert ready.popleft() is channel
        channel.take(None)
        ready.append(channel)
        channel.block(blocked=True)
    assert (len(ready), ready.visits) == (0, 1000)


@pytest.mark.parametrize(("end", "refunded", "queued"), [("close", [30], False), ("discard", [30, 40], True)])
def test_a_gate_that_ends_refunds_unread_elements_and_refuses_or_drops_later_ones(end, refunded, queued):
    gate, (channel,), (refunds,) = gate_of(1)
    channel.put(rows(0, 1), 10)
    channel.put(rows(1, 2), 20)
    assert (gate.statistics().held, gate.statistics().ready) == (30, 1)
    getattr(gate, end)()
    assert channel.put(rows(2, 3), 40) is queued
    assert channel.put(Watermark(1), 0) is queued
    assert refunds == refunded
    assert gate.statistics().held == 0


def test_a_discarded_gate_can_be_closed():
    gate, (channel,), _ = gate_of(1)
    gate.discard()
    gate.close()
    assert not channel.put(End(), 0)
    assert not gate.add(0, channel_key(1)).put(End(), 0)


@pytest.mark.parametrize("last", [Leave(), End()])
def test_a_channel_is_forgotten_when_its_sender_has_ended_or_left(last):
    forgotten = []
    gate = InputGate([(0, channel_key(up)) for up in range(2)], forgotten.append)
    left, _ = gate.all_channels()
    for element in (Watermark(1), last):
        left.put(element, 0)
    assert poll(gate) == (0, 0, Watermark(1))
    assert (forgotten, gate.statistics().channels) == ([], 2)
    assert poll(gate) == (0, 0, last)
    assert (forgotten, gate.statistics().channels) == ([channel_key(0)], 1)
    assert gate.channels(0) == [channel_key(1).up]
    assert not left.put(Watermark(2), 0)
    assert poll(gate) is None
    assert gate.knows(0, channel_key(0).up)
    with pytest.raises(ProtocolError, match="or has left it"):
        gate.add(0, channel_key(0))
    gate.close()
    assert forgotten == [channel_key(0), channel_key(1)]


@pytest.mark.parametrize("joins", ["before", "after"])
def test_a_new_attempt_at_a_task_joins_before_or_after_the_old_one_has_left(joins):
    gate, (old,), _ = gate_of(1)
    key = channel_key(0, attempts=(7, 0))
    if joins == "before":
        new = gate.add(0, key)
        new.put(Watermark(2), 0)
        old.put(Leave(), 0)
        assert [gate.poll(0), gate.poll(0)] == [(0, (0, 7), Watermark(2)), (0, (0, 0), Leave())]
    else:
        old.put(Leave(), 0)
        assert gate.poll(0) == (0, (0, 0), Leave())
        new = gate.add(0, key)
    new.put(End(), 0)
    assert gate.poll(0) == (0, (0, 7), End())
    assert gate.channels(0) == []


def test_a_closed_channel_is_not_polled_again():
    gate, (closed, other), (refunds, _) = gate_of(2)
    closed.put(rows(0, 1), 10)
    other.put(Watermark(7), 0)
    closed.close()
    assert refunds == [10]
    assert [poll(gate), poll(gate)] == [(0, 1, Watermark(7)), None]


def test_an_added_channel_takes_its_turn():
    gate, (first,), _ = gate_of(1)
    first.put(Watermark(1), 0)
    added = gate.add(0, channel_key(7))
    added.put(Watermark(2), 0)
    assert [up.task for up in gate.channels(0)] == [0, 7]
    assert [poll(gate), poll(gate)] == [(0, 0, Watermark(1)), (0, 7, Watermark(2))]
    gate.block(0, added.key.up)
    added.put(End(), 0)
    assert poll(gate) is None
    with pytest.raises(ProtocolError, match="7#0->0#0 is already in its gate"):
        gate.add(0, channel_key(7))


def test_a_waiting_poll_returns_an_element_of_a_channel_added_meanwhile():
    gate, polled = InputGate([]), []
    waiter = Thread(target=lambda: polled.append(poll(gate, 60)))
    waiter.start()
    gate.add(2, channel_key(0)).put(End(), 0)
    waiter.join(30)
    assert polled == [(2, 0, End())]


@pytest.mark.parametrize(("end", "refunded"), [("close", []), ("discard", [10])])
def test_a_channel_added_to_a_gate_that_has_ended_ends_the_same_way(end, refunded):
    gate, _, _ = gate_of(1)
    getattr(gate, end)()
    added, refunds = gate.add(0, channel_key(1)), []
    added.attach(refunds.append, BUDGET)
    assert added.put(rows(0, 1), 10) is bool(refunded)
    assert refunds == refunded
    assert poll(gate) is None


def between_lines(nth, call, act):
    """Run ``call``, and ``act`` before its ``nth`` line; returns what ``call`` returns and whether ``act`` ran."""
    left = [nth]

    def line(frame, event, argument):
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                act()
        return line

    def entered(frame, event, argument):
        return line if frame.f_code is call.__func__.__code__ else None

    sys.settrace(entered)
    try:
        returned = call(0, channel_key(1))
    finally:
        sys.settrace(None)
    return returned, left[0] <= 0


@pytest.mark.parametrize("end", ["close", "discard"])
def test_a_channel_that_is_added_while_its_gate_ends_takes_no_elements(end):
    for nth in range(1, 100):
        gate, _, _ = gate_of(1)

        def stop(gate=gate):
            if not gate._changed.acquire(blocking=False):  # another thread would close when the lock is free
                return
            gate._changed.release()
            getattr(gate, end)()

        added, ran = between_lines(nth, gate.add, stop)
        if not ran:
            break
        poll(gate)
        refunds = []
        added.attach(refunds.append, BUDGET)
        queued = added.put(rows(0, 1), 10)
        if gate._discarded:
            assert (queued, refunds) == ((True, [10]) if end == "discard" else (False, [])), nth
    assert nth > 4


def test_queues_are_the_channels_that_hold_elements():
    gate, channels, _ = gate_of(4)
    for channel, charge in zip(channels, (10, 0, 35, 0), strict=True):
        channel.put(rows(0, 1) if charge else Watermark(1), charge)
    channels[2].put(rows(1, 2), 7)  # the last batch may go beyond the budget
    assert gate.queues() == (Queue(edge=0, sender=0, held=10, credit=30), Queue(0, 2, held=42, credit=0))
    poll(gate)
    assert gate.queues() == (Queue(0, 2, 42, 0),)


def test_a_gate_without_channels_sleeps_until_woken():
    gate = InputGate([])
    gate.wake()
    assert poll(gate, 60) is None
    assert poll(gate) is None
