from queue import SimpleQueue
from threading import Event, current_thread
from threading import enumerate as threads

import pytest

from sabotnb.exchange.timer import Timer


class Held:
    """An alarm whose thread is in a callback until ``go`` is set; ``rung`` are the names of the calls behind it."""

    def __init__(self):
        self.alarm, self.rung, self.go = Timer(), SimpleQueue(), Event()
        began = SimpleQueue()
        self.alarm.set(0, lambda: (began.put(current_thread()), self.go.wait()))
        self.thread = began.get(timeout=30)

    def set(self, name, seconds):
        self.alarm.set(seconds, lambda: self.rung.put(name))


@pytest.fixture
def held():
    held = Held()
    yield held
    held.go.set()
    held.alarm.stop()


def test_calls_in_the_order_of_their_times(held):
    for name, ago in [("third", 0), ("first", 20), ("second", 10)]:
        held.set(name, -ago)
    held.go.set()
    assert [held.rung.get(timeout=30) for _ in range(3)] == ["first", "second", "third"]


def test_what_is_due_overtakes_what_is_not(held):
    held.set("late", 3600)
    held.go.set()
    held.set("soon", 0.01)
    assert held.rung.get(timeout=30) == "soon"
    assert held.rung.empty()


def test_has_no_thread_before_it_is_set():
    before = set(threads())
    alarm = Timer()
    assert set(threads()) == before
    alarm.stop()


def test_stop_drops_what_has_not_been_called(held):
    held.set("due", 0)
    held.set("late", 3600)
    held.alarm.stop()
    held.set("after", 0)
    held.go.set()
    held.thread.join(30)
    assert not held.thread.is_alive()
    assert held.rung.empty()
