"""Waits for canceled tasks to end, and interrupts those that do not respond."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sabotnb.task.task import TaskExecution

INTERRUPT_SECONDS = 0.25
"""Seconds until a canceled task that is still in a call is interrupted, and between further interrupts."""

GRACE_SECONDS = 0.75
"""Seconds until a canceled task whose thread still runs is reported CANCELED, so that its job can end."""


def await_canceled(tasks: Iterable[TaskExecution], grace: float = GRACE_SECONDS) -> list[TaskExecution]:
    """Wait until canceled tasks have ended, ``grace`` seconds at most; returns those that hang, reported as CANCELED.

    A task reads a cancel between two batches. A task inside a call is interrupted, which ends a loop in Python code; a
    C call that does not return (``time.sleep``, a socket without timeout) keeps its thread.
    """
    deadline = time.monotonic() + grace
    alive = list(tasks)
    while alive and time.monotonic() < deadline:
        interrupt_at = time.monotonic() + INTERRUPT_SECONDS
        alive = [task for task in alive if not task.join(max(0.0, interrupt_at - time.monotonic()))]
        for task in alive:
            task.interrupt()
    return [task for task in alive if task.report_hanging(grace) is not None]
