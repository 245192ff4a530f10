"""What a widget and its kernel say to each other; ``widgets/src/messages.ts`` is generated from this file.

State travels one way, from the kernel: the traits ``graph`` (a ``Graph``, once) and ``live`` (a ``Live``, whole every
time, about two a second), so that every view and every page that comes later sees the same. Clicks travel the other
way as messages: a ``Command`` with an id that the page makes up, answered by an ``Answer`` with that id. A command may
be sent again as long as there is no answer; it is carried out once. A page that draws a view says ``Hello``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sabotnb.display import JobPicture
from sabotnb.metrics import JobMetrics, TaskMetrics

Kind = Literal["pause", "resume", "stop", "cancel", "probe", "tasks"]
"""``probe`` has the arguments ``target``, an operator's id or an edge, and ``rows``, how many are wanted.

``tasks`` has ``vertices``, the ids of those whose tasks are wanted; none for all.
"""


@dataclass(frozen=True, slots=True)
class Graph:
    """The trait ``graph``: what does not change while the run goes on."""

    job: str
    epoch: int
    bounded: bool
    note: str
    """What the header says of how this run began: ``replaced the former run``, ``attached``; else empty."""
    picture: JobPicture


@dataclass(frozen=True, slots=True)
class Live:
    """The trait ``live``. ``gone`` says why there are no news any more (the cluster went away); else empty.

    ``trouble`` says why there are none at the moment; else empty. The metrics have no tasks, so that the message is as
    small for ten thousand of them as for ten: a page asks for those that it shows.
    """

    seq: int
    metrics: JobMetrics | None
    gone: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Command:
    """A click. ``epoch`` is that of the page's graph: a stale page acts on no later run."""

    type: Literal["command"]
    id: str
    kind: Kind
    epoch: int
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hello:
    """A page has drawn a view. The kernel cannot replace outputs of pages that were loaded later."""

    type: Literal["hello"]


@dataclass(frozen=True, slots=True)
class ColumnMessage:
    """One column of a sample: ``numeric`` ones are aligned to the right."""

    name: str
    type: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class HotKey:
    """A key, written as text, and its part of the sampled rows."""

    key: str
    share: float


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """What a probe has seen. Values are text as a table shows them; None is null. ``seen`` rows in ``seconds``."""

    operator: str
    columns: tuple[ColumnMessage, ...]
    rows: tuple[tuple[str | None, ...], ...]
    seen: int
    seconds: float
    keys: tuple[str, ...]
    hot: tuple[HotKey, ...]
    watermark: int | None
    note: str
    """Why there is nothing to show: ``no rows left filter_0 in 2 s``; else empty."""


@dataclass(frozen=True, slots=True)
class Answer:
    """To the ``Command`` with this id. ``text`` is for people: what happened, or why nothing did."""

    type: Literal["answer"]
    id: str
    ok: bool
    text: str
    sample: SampleMessage | None = None
    """To ``probe``."""
    tasks: tuple[TaskMetrics, ...] | None = None
    """To ``tasks``: those that failed and the busiest first; of very many only these."""


@dataclass(frozen=True, slots=True)
class TableMessage:
    """The trait ``table`` of a live table: its last rows, newest last."""

    seq: int
    title: str
    columns: tuple[ColumnMessage, ...]
    rows: tuple[tuple[str | None, ...], ...]
    total: int
    """Rows that have come so far."""
    ended: bool
    note: str
    """Why there is nothing to see, or why there is nothing new; else empty."""


MESSAGES = (Graph, Live, Hello, Command, Answer, TableMessage)
"""All of them; ``typescript`` finds what these are made of."""
