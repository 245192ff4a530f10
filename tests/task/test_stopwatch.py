from sabotnb.metrics import TaskCounters
from sabotnb.task.stopwatch import Activity, Stopwatch
from sabotnb.testing import ManualClock


def test_every_moment_belongs_to_one_activity():
    clock = ManualClock(100.0)
    stopwatch = Stopwatch(TaskCounters(), clock)
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
    counters = stopwatch.snapshot()
    assert (counters.busy, counters.idle, counters.backpressured) == (17, 4, 8)


def test_a_snapshot_includes_the_current_activity_and_has_no_effect():
    clock = ManualClock()
    counters = TaskCounters(rows_in=3)
    stopwatch = Stopwatch(counters, clock)
    assert stopwatch.snapshot() == TaskCounters(rows_in=3)
    stopwatch.start()
    clock.advance(5)
    assert stopwatch.snapshot() == TaskCounters(rows_in=3, busy=5)
    assert counters.busy == 0


def test_a_switch_during_a_snapshot_neither_loses_nor_duplicates_time():
    now, meanwhile = [0.0], []

    def clock():
        for act in meanwhile:
            meanwhile.remove(act)
            act()
        return now[0]

    stopwatch = Stopwatch(TaskCounters(), clock)
    stopwatch.start()
    snapshots = []
    for seconds, activity in enumerate((Activity.IDLE, Activity.BUSY, Activity.BACKPRESSURED), 1):
        now[0] = float(seconds)
        meanwhile.append(lambda activity=activity: stopwatch.switch(activity))
        snapshots.append(stopwatch.snapshot())
    assert [(c.busy, c.idle, c.backpressured) for c in snapshots] == [(1, 0, 0), (1, 1, 0), (2, 1, 0)]
