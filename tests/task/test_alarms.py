import pytest

from sabotnb.task.alarms import TICK_SECONDS, Alarms


class Clocked:
    """Alarms with a clock that a test sets, in ticks."""

    def __init__(self):
        self.ticks = 1000.0
        self.alarms = Alarms(lambda: self.ticks * TICK_SECONDS)

    def set(self, *ticks, operator="a"):
        for after in ticks:
            self.alarms.add(operator, after * TICK_SECONDS)

    def due_after(self, *ticks):
        due = []
        for after in ticks:
            self.ticks += after
            due.append("".join(sorted(self.alarms.take_due())))
        return due

    def wait(self, limit):
        return round(self.alarms.wait(limit * TICK_SECONDS) / TICK_SECONDS, 3)


def test_an_alarm_goes_off_once_and_not_before_its_time():
    clocked = Clocked()
    clocked.set(2.5)
    assert clocked.due_after(0, 2, 0.4, 1, 0) == ["", "", "", "a", ""]


def test_each_of_several_alarms_goes_off():
    clocked = Clocked()
    clocked.set(9.5, 2.5, 5.5)
    assert clocked.due_after(2, 1, 2, 1, 3, 1, 1) == ["", "a", "", "a", "", "a", ""]


def test_alarms_of_the_same_tick_and_those_that_were_missed_go_off_together():
    clocked = Clocked()
    clocked.set(1.1, 1.2, 1.3, 4)
    assert clocked.due_after(2, 1) == ["a", ""]
    clocked.set(1, 2)
    assert clocked.due_after(50, 1) == ["a", ""]


def test_each_operator_has_alarms_of_its_own():
    clocked = Clocked()
    clocked.set(2.5, 7.5, operator="a")
    clocked.set(2.1, 5.5, operator="b")
    assert clocked.due_after(3, 1, 2, 1, 1) == ["ab", "", "b", "", "a"]


@pytest.mark.parametrize("seconds", [0, -1])
def test_an_alarm_without_delay_goes_off_at_the_next_tick(seconds):
    clocked = Clocked()
    clocked.set(seconds)
    assert clocked.due_after(0, 1.01) == ["", "a"]


def test_the_next_alarm_limits_a_wait():
    clocked = Clocked()
    assert clocked.wait(100) == 100
    clocked.set(50.5, 7.5)
    assert (clocked.wait(100), clocked.wait(5)) == (8, 5)
    clocked.ticks += 8
    assert clocked.wait(100) == 0
    assert clocked.due_after(1, 0) == ["a", ""]
    assert clocked.wait(100) == 42
