from queue import SimpleQueue
from threading import Event, current_thread
from threading import enumerate as threads

import pytest

from sabotnb.exchange.timer import Timer


class Held:
    """A timer whose thread is in a callback until ``go`` is set; ``called`` has the names of the later callbacks."""

    def __init__(self):
        self.timer, self.called, self.go = Timer(), SimpleQueue(), Event()
        began = SimpleQueue()
        self.timer.set(0, lambda: (began.put(current_thread()), self.go.wait()))
        self.thread = began.get(timeout=30)

    def set(self, name, seconds):
        self.timer.set(seconds, lambda: self.called.put(name))


@pytest.fixture
def held():
    held = Held()
    yield held
    held.go.set()
    held.timer.stop()


def test_callbacks_are_called_in_the_order_of_their_times(held):
    for name, ago in [("third", 0), ("first", 20), ("second", 10)]:
        held.set(name, -ago)
    held.go.set()
    assert [held.called.get(timeout=30) for _ in range(3)] == ["first", "second", "third"]


def test_an_earlier_callback_overtakes_a_later_one(held):
    held.set("late", 3600)
    held.go.set()
    held.set("soon", 0.01)
    assert held.called.get(timeout=30) == "soon"
    assert held.called.empty()


def test_the_thread_starts_with_the_first_callback():
    before = set(threads())
    timer = Timer()
    assert set(threads()) == before
    timer.stop()


def test_stop_drops_pending_callbacks(held):
    held.set("due", 0)
    held.set("late", 3600)
    held.timer.stop()
    held.set("after", 0)
    held.go.set()
    held.thread.join(30)
    assert not held.thread.is_alive()
    assert held.called.empty()
