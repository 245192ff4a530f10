"""What calls of the methods of a process function have in common, whether for rows or for batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sabotnb.graph import Process
from sabotnb.operators.process.contexts import TimerSink
from sabotnb.operators.process.keyed_process import KeyedProcess
from sabotnb.operators.process.process_times import TimeZoneOfRows
from sabotnb.state import ProcessState


@dataclass(frozen=True, slots=True)
class CalledProcess:
    """An instance of the user's class with its state; ``clock`` returns the processing time in microseconds."""

    spec: Process
    process: KeyedProcess
    state: ProcessState
    zone: TimeZoneOfRows
    clock: Callable[[], int]
    operator: str

    def timers(self) -> TimerSink:
        """Return a new collector of the timers that the instance sets."""
        return TimerSink(
            name=self.spec.function.name,
            has_event_time=self.spec.time is not None,
            fires=type(self.process).on_timer is not None,
        )
