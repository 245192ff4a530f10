"""What a task takes its work from: a gate, or the splits of a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeAlias

from sabotnb.protocol import End, Leave, Marker, Status, Watermark
from sabotnb.task.chain import Emission

Work: TypeAlias = Iterator[Emission | Watermark | Status | Marker]
"""What a task hands to its outputs, made as far as it is pulled."""


class TaskInput(Protocol):
    """Only the task's thread touches it."""

    @property
    def ended(self) -> bool:
        """True once the work of the end has been pulled to its end."""
        ...

    @property
    def farewell(self) -> End | Leave:
        """What the tasks below are to be told behind the last row."""
        ...

    def wait(self, timeout: float) -> None:
        """Sleep until there may be something to take, somebody wakes the task, or ``timeout`` seconds are over."""
        ...

    def take(self) -> Work | None:
        """The next piece of work, once the one before is done; None if there is nothing yet. Does not wait."""
        ...

    def start(self) -> None:
        """Every task of the job is running."""
        ...

    def stop(self) -> None:
        """The job is to end: bring no new rows."""
        ...

    def pause(self) -> None:
        """Bring no new rows until ``resume``, ``stop`` or the end."""
        ...

    def resume(self) -> None:
        """Go on from where ``pause`` came."""
        ...

    def close(self) -> None:
        """Release what is open, also after a failure or a cancel."""
        ...
