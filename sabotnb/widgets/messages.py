"""The messages between a widget and its kernel; ``widgets/src/messages.ts`` is generated from this file.

State goes from the kernel to pages, in traits: ``graph`` (a ``Graph``, once), ``live`` (a complete ``Live``, about two
a second), ``table``. A trait has the whole state, so that a page that is loaded later shows the same. Commands go from
a page to the kernel: a ``Command`` with an id that the page creates, answered by an ``Answer`` with that id. A page may
repeat a command until it is answered; the kernel carries it out once. A page that draws a view sends ``Hello``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sabotnb.display import JobPicture
from sabotnb.metrics import JobMetrics, TaskMetrics

Kind = Literal["pause", "resume", "stop", "cancel", "probe", "tasks", "samples"]
"""``probe`` has the arguments ``target``, an operator's id or an edge, and ``rows``, the maximum number of rows.

``tasks`` has ``vertices``, the ids of the vertices whose tasks to return; empty for all. ``samples`` has ``operators``,
the ids of the operators whose late and failing rows to return.
"""


@dataclass(frozen=True, slots=True)
class Graph:
    """The trait ``graph``: the part of a run that does not change."""

    job: str
    run: int
    bounded: bool
    note: str
    """How this run started, for the header: ``replaced the previous run``, ``attached``; else empty."""
    picture: JobPicture


@dataclass(frozen=True, slots=True)
class Live:
    """The trait ``live``. ``gone`` is the reason why metrics are no longer updated (the cluster is lost); else empty.

    ``trouble`` is the reason why they are not updated at the moment; else empty. The metrics have no tasks, so that the
    message is as small for ten thousand tasks as for ten: a page requests the tasks that it shows.
    """

    seq: int
    metrics: JobMetrics | None
    gone: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Command:
    """A click. ``run`` is the number of the run on the page, so that a stale page cannot change a later run."""

    type: Literal["command"]
    id: str
    kind: Kind
    run: int
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hello:
    """A page has drawn a view. The kernel cannot replace the outputs of pages that were loaded later."""

    type: Literal["hello"]


@dataclass(frozen=True, slots=True)
class ColumnMessage:
    """A column of a sample; if ``numeric``, it is right-aligned."""

    name: str
    type: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class HotKey:
    """A key as text, and its share of the sampled rows."""

    key: str
    share: float


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """The rows of a probe: ``seen`` rows in ``seconds``. Values are text, cut for a table; None is null."""

    operator: str
    columns: tuple[ColumnMessage, ...]
    rows: tuple[tuple[str | None, ...], ...]
    seen: int
    seconds: float
    keys: tuple[str, ...]
    hot: tuple[HotKey, ...]
    watermark: int | None
    note: str
    """The reason why there are no rows: ``no rows left filter_0 in 2 s``; else empty."""


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """The last rows of ``operator`` that were late or failed, the newest last. Values are text, cut for a table.

    ``kind``: ``late``, ``errors`` (of ``on_error="side"``), or ``failed``, the row that ended the job. The first two
    columns are the time and the reason.
    """

    operator: str
    kind: str
    columns: tuple[ColumnMessage, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to the ``Command`` with this id. ``text`` is for people: the effect, or why there was none."""

    type: Literal["answer"]
    id: str
    ok: bool
    text: str
    sample: SampleMessage | None = None
    """For ``probe``."""
    tasks: tuple[TaskMetrics, ...] | None = None
    """For ``tasks``: failed tasks first, then the busiest; cut if there are very many."""
    rejected: tuple[RejectedMessage, ...] | None = None
    """For ``samples``."""


@dataclass(frozen=True, slots=True)
class TableMessage:
    """The trait ``table`` of a live table: its last rows, newest last."""

    seq: int
    title: str
    columns: tuple[ColumnMessage, ...]
    rows: tuple[tuple[str | None, ...], ...]
    total: int
    """The number of rows so far."""
    ended: bool
    note: str
    """The reason why there are no rows, or no new ones; else empty."""


MESSAGES = (Graph, Live, Hello, Command, Answer, TableMessage)
"""Every message; ``typescript`` finds the types in their fields."""
