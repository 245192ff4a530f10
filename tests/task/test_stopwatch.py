from sabotnb.metrics import TaskCounters
from sabotnb.task.stopwatch import Activity, Stopwatch
from sabotnb.testing import ManualClock


def test_every_moment_belongs_to_one_activity():
    clock = ManualClock(100.0)
    counters = TaskCounters()
    stopwatch = Stopwatch(counters, clock)
    clock.advance(7)
    stopwatch.start()
    clock.advance(1)
    stopwatch.switch(Activity.IDLE)
    clock.advance(2)
    stopwatch.switch(Activity.IDLE)
    clock.advance(2)
    stopwatch.switch(Activity.BACKPRESSURED)
    clock.advance(8)
    stopwatch.switch(Activity.BUSY)
    clock.advance(16)
    stopwatch.stop()
    clock.advance(32)
    stopwatch.switch(Activity.IDLE)
    assert (counters.busy, counters.idle, counters.backpressured) == (17, 4, 8)


def test_a_snapshot_has_the_unfinished_activity_and_changes_nothing():
    clock = ManualClock()
    counters = TaskCounters(rows_in=3)
    stopwatch = Stopwatch(counters, clock)
    assert stopwatch.snapshot() == TaskCounters(rows_in=3)
    stopwatch.start()
    clock.advance(5)
    assert stopwatch.snapshot() == TaskCounters(rows_in=3, busy=5)
    assert counters.busy == 0
