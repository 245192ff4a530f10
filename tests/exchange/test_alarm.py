from queue import SimpleQueue
from threading import enumerate as threads

from sabotnb.exchange.alarm import Alarm


def test_calls_in_the_order_of_their_times():
    alarm, rung = Alarm(), SimpleQueue()
    for name, seconds in [("third", 0.03), ("first", 0.0), ("second", 0.015)]:
        alarm.set(seconds, lambda name=name: rung.put(name))
    assert [rung.get(timeout=30) for _ in range(3)] == ["first", "second", "third"]
    alarm.stop()


def test_has_no_thread_before_it_is_set():
    before = set(threads())
    alarm = Alarm()
    assert set(threads()) == before
    alarm.stop()


def test_stop_drops_what_is_not_due():
    alarm, rung = Alarm(), SimpleQueue()
    alarm.set(3600, lambda: rung.put("late"))
    alarm.stop()
    alarm.set(0, lambda: rung.put("after"))
    assert rung.empty()
