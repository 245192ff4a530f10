"""What the state of an operator means, as plain data that a checkpoint keeps: its keys, window, aggregates, order.

A name says which operator's state is meant, and types say only whether rows can be loaded. State that was made with
other keys, of other windows, or by another aggregate has the same types and gives wrong results. So a run that begins
from saved state compares these first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sabotnb.expr import duration_text

NONE = "none"
"""The words for a part that an operator does not have."""


@dataclass(frozen=True, slots=True)
class MeaningPart:
    """A part of a meaning in the ``words`` of ``explain()``; equal parts have equal ``digest``."""

    words: str
    digest: str


@dataclass(frozen=True, slots=True)
class StateMeaning:
    """What the state of an operator of this ``kind`` depends on; ``parts`` by name, such as ``window``.

    ``lateness`` (microseconds) may shrink and not grow: windows that have ended are gone, and a row that is late for
    them would begin them again.
    """

    kind: str
    parts: Mapping[str, MeaningPart] = field(default_factory=dict)
    lateness: int = 0


def changed_meaning(saved: StateMeaning, now: StateMeaning) -> str:
    """Return what keeps an operator that means ``now`` from going on with ``saved`` state; empty if nothing does.

    It follows the name of the operator: ``has changed its window from 'tumbling 1m' to 'tumbling 2m'``.
    """
    if saved.kind != now.kind:
        return f"was of kind {saved.kind!r}, and is of kind {now.kind!r} now"
    changes = []
    for name in dict.fromkeys((*saved.parts, *now.parts)):
        old, new = saved.parts.get(name), now.parts.get(name)
        if old is None or new is None or old.digest != new.digest:
            changes.append(_change(name, old.words if old else NONE, new.words if new else NONE))
    if now.lateness > saved.lateness:
        words = [duration_text(meaning.lateness) if meaning.lateness else NONE for meaning in (saved, now)]
        changes.append(f"{_change('lateness', *words)} (windows that had ended are gone)")
    return f"has changed {' and '.join(changes)}" if changes else ""


def _change(name: str, saved: str, now: str) -> str:
    return f"its {name} from {saved!r} to {now!r}" if saved != now else f"details of its {name} {saved!r}"
