"""What an operator learns from the memos of the tasks that it continues (``Operator.restored``).

With another parallelism a task continues a part of each task of the cut. It may rely only on what holds for all of
them: the smallest watermark, and the ports that have ended in each. Of two such tasks none has dropped rows that the
other still needs, as rows belong to key groups. The end of a port is told again after a restore; a second one must
therefore change nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sabotnb.protocol import MIN_WATERMARK, EndReason

Memos = Sequence[Mapping[str, Any]]


def times_and_ends(watermark: int, ended: Mapping[int, EndReason]) -> dict[str, Any]:
    """The memo of an operator that knows the event time of its input and which ports have ended, and why."""
    return {"watermark": watermark, "ended": ended_memo(ended)}


def ended_memo(ended: Mapping[int, EndReason]) -> list[list[Any]]:
    """JSON-able pairs of a port and the reason of its end."""
    return [[port, reason.value] for port, reason in sorted(ended.items())]


def watermark_of(memos: Memos) -> int:
    """The event time that all tasks had reached."""
    return min((memo["watermark"] for memo in memos), default=MIN_WATERMARK)


def ended_in(memos: Memos) -> dict[int, EndReason]:
    """The ports that had ended in every task; one that was stopped in any of them was stopped."""
    known = [{port: EndReason(reason) for port, reason in memo["ended"]} for memo in memos]
    ports: Collection[int] = set.intersection(*map(set, known)) if known else ()
    return {port: _together([ends[port] for ends in known]) for port in ports}


def _together(reasons: Sequence[EndReason]) -> EndReason:
    return EndReason.STOPPED if EndReason.STOPPED in reasons else EndReason.EXHAUSTED
