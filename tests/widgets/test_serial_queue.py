"""Work in a thread of its own, one after the other."""

import queue

from sabotnb.widgets.serial_queue import SerialQueue


def test_what_raises_is_logged_and_the_next_one_runs(caplog):
    caplog.set_level("WARNING")  # Dask silences every handler that it finds, as long as a local cluster lives
    done = queue.Queue()
    lane = SerialQueue("clicks")

    def fails():
        raise ValueError("not this one")

    for work in (lambda: done.put(1), fails, lambda: done.put(2)):
        lane.add(work)
    assert [done.get(timeout=30), done.get(timeout=30)] == [1, 2]
    assert "clicks: <" in caplog.text
