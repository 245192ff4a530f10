"""How canceled tasks come to an end, also those that do not listen."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sabotnb.task.task import TaskExecution

INTERRUPT_SECONDS = 0.25
"""A canceled task that is still in a call after this many seconds is interrupted there, and again after as long."""

GRACE_SECONDS = 0.75
"""After this many seconds a canceled task is reported CANCELED although its thread lives, so that its job can end."""


def await_canceled(tasks: Iterable[TaskExecution], grace: float = GRACE_SECONDS) -> list[TaskExecution]:
    """Wait until canceled tasks have ended, for ``grace`` seconds at most; gives those that hang, which are given up.

    A task answers a cancel between two batches. One that is inside a call is interrupted there, which ends a loop in
    Python; only a C call that does not return (``time.sleep``, a socket without timeout) keeps a thread.
    """
    deadline = time.monotonic() + grace
    alive = list(tasks)
    while alive and time.monotonic() < deadline:
        patience = time.monotonic() + INTERRUPT_SECONDS
        alive = [task for task in alive if not task.join(max(0.0, patience - time.monotonic()))]
        for task in alive:
            task.interrupt()
    return [task for task in alive if task.give_up(grace) is not None]
