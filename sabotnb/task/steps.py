"""Runs calls that may fail or not return: into operators, readers, sinks and the user's functions in them."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from sabotnb.graph import Operator as Node

T = TypeVar("T")


class TaskCanceled(BaseException):
    """Unwinds the thread of a canceled task; a BaseException, as users' code may catch every Exception."""


class StepFailed(Exception):  # noqa: N818 - never reaches the user, who gets a Failure
    """A step has raised ``__cause__``; ``batch`` are the rows that it was called with."""

    def __init__(self, node: Node, step: str, batch: pa.RecordBatch | None) -> None:
        super().__init__(f"{step} of {node.id} failed")
        self.node = node
        self.step = step
        self.batch = batch


class Steps:
    """Runs each call as a named step, to report its failure, measure its time and interrupt it.

    Steps do not nest. ``clock`` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._current: tuple[Node, str] | None = None
        self._since = 0.0
        self._seconds: dict[str, float] = {}
        self._thread = 0
        self._whole = False

    def run(
        self, node: Node, step: str, call: Callable[[], T], batch: pa.RecordBatch | None = None, *, whole: bool = False
    ) -> T:
        """Return ``call()``; StepFailed from any exception that it raises, except TaskCanceled.

        A ``whole`` step is not interrupted: it would leave half done what nothing else finishes.
        """
        with self._lock:
            self._thread, self._whole = threading.get_ident(), whole
            self._current, self._since = (node, step), self._clock()
        try:
            return call()
        except TaskCanceled:
            raise
        except BaseException as error:  # a user's sys.exit() must fail the task, not end its thread silently
            raise StepFailed(node, step, batch) from error
        finally:
            with self._lock:
                self._current = None
                self._seconds[node.id] = self._seconds.get(node.id, 0.0) + self._clock() - self._since

    def seconds(self) -> dict[str, float]:
        """Return the seconds that the steps of each operator have taken, the running step included; from any thread."""
        with self._lock:
            seconds = dict(self._seconds)
            if self._current is not None:
                operator = self._current[0].id
                seconds[operator] = seconds.get(operator, 0.0) + self._clock() - self._since
            return seconds

    def spent(self, operator: str) -> float:
        """Return the seconds that the steps of an operator have taken; from the task's thread, while none runs."""
        return self._seconds.get(operator, 0.0)

    def current(self) -> tuple[Node, str] | None:
        """Return the operator and name of the running step; from any thread."""
        return self._current

    def interrupt(self) -> bool:
        """Raise TaskCanceled inside the running step; False if none runs, or one that is to run as a whole.

        Python code gets the exception at its next instruction, a blocking C call when it returns. The lock keeps the
        thread from ending the step meanwhile, so that the exception is not raised in code between two steps.
        """
        with self._lock:
            if self._current is None or self._whole:
                return False
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(TaskCanceled))
            return True
