"""A serial queue runs work in order, in its own thread."""

import queue

from sabotnb.widgets.serial_queue import SerialQueue


def test_an_exception_is_logged_and_the_next_work_runs(caplog):
    caplog.set_level("WARNING")  # Dask silences every handler that it finds while there is a local cluster
    done = queue.Queue()
    lane = SerialQueue("clicks")

    def fails():
        raise ValueError("not this one")

    for work in (lambda: done.put(1), fails, lambda: done.put(2)):
        lane.add(work)
    assert [done.get(timeout=30), done.get(timeout=30)] == [1, 2]
    assert "clicks: <" in caplog.text
