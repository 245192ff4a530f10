import sys
from threading import Thread

import pytest
from exchanges import keys, rows

from sabotnb.errors import ProtocolError
from sabotnb.exchange.channel import ChannelKey
from sabotnb.exchange.gate import InputGate
from sabotnb.protocol import Queue
from sabotnb.protocol.elements import End, Status, Watermark
from sabotnb.protocol.ids import RunId

BUDGET = 40


def gate_of(channels, ports=1):
    gate = InputGate((up % ports, ChannelKey(RunId("job", 1), 1, 0, up, 0)) for up in range(channels))
    refunds = [[] for _ in range(channels)]
    for channel, refund in zip(gate.all_channels(), refunds, strict=True):
        channel.attach(refund.append, BUDGET)
    return gate, gate.all_channels(), refunds


def test_polls_the_elements_of_a_channel_in_order():
    gate, (channel,), refunds = gate_of(1)
    for element, charge in [(rows(0, 2), 10), (Watermark(7), 0), (rows(2, 3), 5), (End(), 0)]:
        channel.put(element, charge)
    first, mark, second, end = (gate.poll(0)[2] for _ in range(4))
    assert [keys(first), mark, keys(second), end] == [[0, 1], Watermark(7), [2], End()]
    assert gate.poll(0) is None
    assert refunds == [[10, 5]]


def test_polls_channels_in_turn():
    gate, channels, _ = gate_of(3)
    for channel in channels:
        for us in (1, 2):
            channel.put(Status(idle=bool(us)), 0)
            channel.put(Watermark(us), 0)
    assert [gate.poll(0)[1] for _ in range(12)] == [0, 1, 2] * 4


def test_identifies_channels_by_port_and_sending_task():
    gate, channels, _ = gate_of(4, ports=2)
    assert [gate.channels(0), gate.channels(1), gate.channels(2)] == [[0, 2], [1, 3], []]
    channels[3].put(End(), 0)
    assert gate.poll(0) == (1, 3, End())


def test_adjacent_watermarks_merge():
    gate, (channel,), _ = gate_of(1)
    for element in [Watermark(1), Watermark(2), Status(idle=True), Watermark(3), Watermark(4)]:
        channel.put(element, 0)
    assert [gate.poll(0)[2] for _ in range(3)] == [Watermark(2), Status(idle=True), Watermark(4)]


def test_wake_ends_a_poll_once():
    gate, (channel,), _ = gate_of(1)
    gate.wake()
    assert gate.poll(60) is None
    channel.put(End(), 0)
    assert gate.poll(60) == (0, 0, End())


@pytest.mark.parametrize("call", ["wake", "put"])
def test_other_threads_end_a_waiting_poll(call):
    gate, (channel,), _ = gate_of(1)
    polled = []
    waiter = Thread(target=lambda: polled.append(gate.poll(60)))
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
    gate.block(0, 0)
    left.put(Status(idle=True), 0)
    right.put(Watermark(5), 0)
    assert [gate.poll(0), gate.poll(0)] == [(0, 1, Watermark(5)), None]
    gate.resume(0, 0)
    gate.resume(0, 0)
    assert [gate.poll(0), gate.poll(0), gate.poll(0)] == [(0, 0, Watermark(1)), (0, 0, Status(idle=True)), None]


def test_close_refunds_unread_and_later_elements():
    gate, (channel,), (refunds,) = gate_of(1)
    channel.put(rows(0, 1), 10)
    channel.put(rows(1, 2), 20)
    assert (gate.statistics().held, gate.statistics().ready) == (30, 1)
    gate.close()
    channel.put(rows(2, 3), 40)
    assert refunds == [30, 40]
    assert gate.statistics().held == 0


def test_a_closed_channel_is_not_polled_again():
    gate, (closed, other), (refunds, _) = gate_of(2)
    closed.put(rows(0, 1), 10)
    other.put(Watermark(7), 0)
    closed.close()
    assert refunds == [10]
    assert [gate.poll(0), gate.poll(0)] == [(0, 1, Watermark(7)), None]


def test_an_added_channel_takes_its_turn():
    gate, (first,), _ = gate_of(1)
    first.put(Watermark(1), 0)
    added = gate.add(0, ChannelKey(RunId("job", 1), 1, 0, 7, 0))
    added.put(Watermark(2), 0)
    assert gate.channels(0) == [0, 7]
    assert [gate.poll(0), gate.poll(0)] == [(0, 0, Watermark(1)), (0, 7, Watermark(2))]
    gate.block(0, 7)
    added.put(End(), 0)
    assert gate.poll(0) is None
    with pytest.raises(ProtocolError, match="7->0 is already in its gate"):
        gate.add(0, ChannelKey(RunId("job", 1), 1, 0, 7, 0))


def test_a_waiting_poll_returns_an_element_of_a_channel_added_meanwhile():
    gate, polled = InputGate([]), []
    waiter = Thread(target=lambda: polled.append(gate.poll(60)))
    waiter.start()
    gate.add(2, ChannelKey(RunId("job", 1), 1, 0, 0, 0)).put(End(), 0)
    waiter.join(30)
    assert polled == [(2, 0, End())]


def test_a_channel_added_to_a_closed_gate_drops_its_elements():
    gate, _, _ = gate_of(1)
    gate.close()
    added, refunds = gate.add(0, ChannelKey(RunId("job", 1), 1, 0, 1, 0)), []
    added.attach(refunds.append, BUDGET)
    added.put(rows(0, 1), 10)
    assert refunds == [10]
    assert gate.poll(0) is None


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
        returned = call(0, ChannelKey(RunId("job", 1), 1, 0, 1, 0))
    finally:
        sys.settrace(None)
    return returned, left[0] <= 0


def test_a_channel_that_is_added_while_its_gate_closes_drops_its_elements():
    for nth in range(1, 100):
        gate, _, _ = gate_of(1)

        def close(gate=gate):
            if not gate._changed.acquire(blocking=False):  # another thread would close when the lock is free
                return
            gate._changed.release()
            gate.close()

        added, ran = between_lines(nth, gate.add, close)
        if not ran:
            break
        gate.poll(0)
        refunds = []
        added.attach(refunds.append, BUDGET)
        added.put(rows(0, 1), 10)
        if gate._closed:
            assert refunds == [10], nth
    assert nth > 4


def test_queues_are_the_channels_that_hold_elements():
    gate, channels, _ = gate_of(4)
    for channel, charge in zip(channels, (10, 0, 35, 0), strict=True):
        channel.put(rows(0, 1) if charge else Watermark(1), charge)
    channels[2].put(rows(1, 2), 7)  # the last batch may go beyond the budget
    assert gate.queues() == (Queue(edge=0, sender=0, held=10, credit=30), Queue(0, 2, held=42, credit=0))
    gate.poll(0)
    assert gate.queues() == (Queue(0, 2, 42, 0),)


def test_a_gate_without_channels_sleeps_until_woken():
    gate = InputGate([])
    gate.wake()
    assert gate.poll(60) is None
    assert gate.poll(0) is None
