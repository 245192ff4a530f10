"""Measure for how long a cut keeps a task from processing rows."""

from __future__ import annotations

import time
from collections.abc import Callable

from sabotnb.metrics import TaskCounters
from sabotnb.task.task_input import Work


def timed_cut(work: Work, counters: TaskCounters, clock: Callable[[], float] = time.perf_counter) -> Work:
    """Yield the items of ``work``, which takes a cut, and count its time in ``cut_pause``.

    The time between two items is that of the outputs, or of waiting for their credit: it does not count.
    """
    paused, began = 0.0, clock()
    for item in work:
        paused += clock() - began
        yield item
        began = clock()
    counters.cut_pause = max(counters.cut_pause, paused + clock() - began)
