"""Event time of a source task: which watermark follows the rows of its open splits, and whether it is idle.

The watermark is the smallest of those of the open splits that are not idle, and of the lower bounds of the splits that
are still to be opened, by this task or another. It never goes back, and is sent every ``WATERMARK_SECONDS`` at most.

A split is idle if it was asked for rows for ``EventTime.idle`` and had none. The time counts from poll to poll, so it
stands still while the source is paused and while the task waits for credit. A split that has rows again continues at
the watermark there is: other splits have advanced event time while it had none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sabotnb.graph import EventTime
from sabotnb.metrics import WatermarkHolder
from sabotnb.protocol import MAX_WATERMARK, MIN_WATERMARK, Memo, Position, Reader, Split, Status, Watermark

WATERMARK_SECONDS = 0.05

POLL_SECONDS = 1.5
"""Longest time between two polls that counts as time without rows; a task without rows asks once a second or more."""


@dataclass(slots=True, eq=False)
class OpenSplit:
    """A split that is read, and the ``position`` behind the rows that were polled of it.

    ``quiet`` are the seconds that it was asked for rows since it had some.
    """

    split: Split
    reader: Reader
    position: Position
    quiet: float = 0.0
    polled_at: float | None = None
    idle: bool = False


class SourceProgress:
    """The watermarks and statuses of one source task.

    ``held`` returns the seconds that the task has waited for credit, ``now`` seconds on any clock.
    """

    def __init__(
        self, event_time: EventTime, held: Callable[[], float], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_delay = event_time.max_delay
        self._idle_seconds = event_time.idle / 1_000_000
        self._held = held
        self._clock = now
        self._sent = MIN_WATERMARK
        self._pending = MIN_WATERMARK
        self._sent_at = float("-inf")
        self._idle = False

    def memo(self) -> Memo:
        """What was sent, for a task that continues from a cut."""
        return {"sent": self._sent, "idle": self._idle}

    def restored(self, memos: Sequence[Memo]) -> list[Status]:
        """Continue where one or more tasks were at a cut; returns the status that downstream tasks do not expect."""
        self._sent = self._pending = min((memo["sent"] for memo in memos), default=MIN_WATERMARK)
        self._idle = bool(memos) and all(memo["idle"] for memo in memos)
        return [Status(idle=True)] if self._idle else []

    def opened(self, split: OpenSplit) -> None:
        """Let a split that lies behind the watermark begin at the watermark: its earlier rows are delayed."""
        if self._below(split.split.lower_bound) < self._sent:
            split.reader.raise_floor(self._sent)

    def before_poll(self, polled: OpenSplit) -> None:
        """Let a split that is idle continue at the watermark there is, if it has rows now."""
        if polled.idle and self._sent > MIN_WATERMARK:
            polled.reader.raise_floor(self._sent)

    def after_poll(self, polled: OpenSplit, *, rows: bool) -> None:
        """Note that a split had rows or none."""
        now = self._now()
        if rows:
            polled.quiet, polled.idle = 0.0, False
        else:
            asked = 0.0 if polled.polled_at is None else now - polled.polled_at
            polled.quiet += min(asked, POLL_SECONDS)
            polled.idle = polled.quiet >= self._idle_seconds
        polled.polled_at = now

    def before_rows(self) -> list[Status]:
        """The status to send before rows: the task is active again if it was idle."""
        was_idle, self._idle = self._idle, False
        return [Status(idle=False)] if was_idle else []

    def elements(self, splits: Collection[OpenSplit], bound: int, *, at_once: bool = False) -> list[Watermark | Status]:
        """What to send behind the rows that were read so far.

        ``bound`` is the smallest lower bound of the splits that are not open. A watermark waits until
        ``WATERMARK_SECONDS`` have passed since the last, unless it is sent ``at_once``.
        """
        active = [split.reader.watermark() for split in splits if not split.idle]
        if active or not splits:
            self._pending = max(self._pending, min([*active, self._below(bound)]))
        idle = bool(splits) and not active
        elements: list[Watermark | Status] = []
        if self._sent < self._pending < MAX_WATERMARK and (at_once or idle or self.seconds_left() == 0):
            self._sent, self._sent_at = self._pending, self._now()
            self._idle = False  # as downstream tasks take it
            elements.append(Watermark(self._sent))
        if idle and not self._idle:
            self._idle = True
            elements.append(Status(idle=True))
        return elements

    def holder(self, splits: Collection[OpenSplit], bound: int, following: str) -> WatermarkHolder | None:
        """The split with the smallest watermark: one that is open and not idle, or ``following``, the next to open."""
        held = [(opened.reader.watermark(), opened.split.id, opened.quiet) for opened in splits if not opened.idle]
        held.append((self._below(bound), following, 0.0))
        us, split, quiet = min(held, default=(MAX_WATERMARK, "", 0.0))
        if us >= MAX_WATERMARK:
            return None
        return WatermarkHolder(split=split, us=None if us == MIN_WATERMARK else us, quiet=quiet)

    def seconds_left(self) -> float | None:
        """Seconds until a watermark may be sent; None if there is none to send."""
        if not self._sent < self._pending < MAX_WATERMARK:
            return None
        return max(0.0, self._sent_at + WATERMARK_SECONDS - self._now())

    def _now(self) -> float:
        return self._clock() - self._held()

    def _below(self, bound: int) -> int:
        return bound if bound in (MIN_WATERMARK, MAX_WATERMARK) else max(bound - self._max_delay, MIN_WATERMARK)
