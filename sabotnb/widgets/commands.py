"""Carries out the commands of pages: each once, however often it arrives, and each is answered.

Theory of operation. A page repeats a command, with the same id, until it gets an answer. ``_known`` therefore keeps the
answer, or None while the command is carried out: a repeated id gets the stored answer, or nothing yet. Only answers to
reads are dropped, the oldest first: pages ask for them every second, they are large, and to read twice is harmless. A
command that changes the run is a click; it is known as long as its run, as a late copy must not act again. Commands
that change the run go through one queue, in order. Each kind of read has its own queue, because a probe waits for
rows and must delay neither a Stop nor the task table. Every failure becomes an answer with ``ok=False``,
since a page cannot see the kernel's exceptions.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args

from sabotnb import text_limits
from sabotnb.errors import SabotnbError
from sabotnb.metrics import TaskMetrics
from sabotnb.protocol import RunId
from sabotnb.widgets import samples
from sabotnb.widgets.messages import Answer, Command, HotKey, Kind, SampleMessage
from sabotnb.widgets.rejected_rows import rejected_rows
from sabotnb.widgets.serial_queue import SerialQueue

if TYPE_CHECKING:  # names in annotations alone: a widget without a cluster needs no Dask
    from sabotnb.cluster import ClusterClient

KEPT_READS = 256
"""The number of reads whose answers are kept for repetitions."""
MOST_ROWS = 1000
MOST_TASKS = 1000
"""The maximum number of tasks in an answer: failed ones first, then the busiest."""
PROBE_SECONDS = 2.0
"""How long a probe waits for rows."""

_TYPES: Mapping[str, type] = {"type": str, "id": str, "kind": str, "run": int, "args": dict}
_ARGUMENTS: Mapping[str, Mapping[str, type]] = {
    "probe": {"target": str, "rows": int},
    "tasks": {"vertices": list},
    "samples": {"operators": list},
}
"""The arguments of each kind of command; the other kinds have none."""


class Commands:
    """The commands of one run. ``take`` may be called from any thread and returns at once."""

    def __init__(
        self,
        client: ClusterClient,
        run: RunId,
        answer: Callable[[Answer], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._run = run
        self._answer = answer
        self._changed = changed
        """Called after a command that may have changed the run."""
        self._lock = threading.Lock()
        self._known: dict[str, Answer | None] = {}
        """Answers by the id of the command; None while it is carried out."""
        self._answered_reads: deque[str] = deque()
        self._changes = SerialQueue(f"sabotnb-clicks-{run.job}")
        self._reads = {kind: SerialQueue(f"sabotnb-{kind}-{run.job}") for kind in ("probe", "tasks", "samples")}
        """A queue per kind: a probe waits, and must delay neither a Stop nor the metrics of tasks."""

    def take(self, message: Mapping[str, Any]) -> None:
        """Queue a command, or repeat the answer of a command that was carried out before."""
        if not isinstance(message, Mapping) or not isinstance(message.get("id"), str):
            return  # no page waits for an answer to a message without an id
        command = _read(message)
        if command is None:
            kind = str(message.get("kind"))[: text_limits.KIND]
            self._answer(_refusal(message["id"], f"this kernel does not know the command {kind!r}; reload the page"))
            return
        with self._lock:
            if command.id in self._known:
                answer = self._known[command.id]
                if answer is not None:
                    self._answer(answer)
                return
            self._known[command.id] = None
        self._reads.get(command.kind, self._changes).add(lambda: self._carry_out(command))

    def _carry_out(self, command: Command) -> None:
        try:
            answer = self._result(command)
        except SabotnbError as error:
            answer = _refusal(command.id, str(error))
        except Exception as error:  # noqa: BLE001  the page waits for an answer, also to a command that hits a defect
            answer = _refusal(command.id, f"{type(error).__name__}: {error}")
        with self._lock:
            self._known[command.id] = answer
            if command.kind in self._reads:
                self._answered_reads.append(command.id)
                if len(self._answered_reads) > KEPT_READS:
                    del self._known[self._answered_reads.popleft()]
        self._answer(answer)
        if command.kind not in self._reads:
            self._changed()

    def _result(self, command: Command) -> Answer:
        if command.run != self._run.number:
            return _refusal(command.id, f"this view belongs to an earlier run of {self._run.job}; re-run its cell")
        if command.kind == "probe":
            return Answer("answer", command.id, ok=True, text="", sample=self._sample(command))
        if command.kind == "tasks":
            return Answer("answer", command.id, ok=True, text="", tasks=self._tasks(command))
        if command.kind == "samples":
            rejected = rejected_rows(self._client.samples(self._run), command.args["operators"])
            return Answer("answer", command.id, ok=True, text="", rejected=rejected)
        act = {
            "pause": self._client.pause,
            "resume": self._client.resume,
            "stop": self._client.stop,
            "cancel": self._client.cancel,
        }[command.kind]
        return Answer("answer", command.id, ok=True, text=act(self._run))

    def _tasks(self, command: Command) -> tuple[TaskMetrics, ...]:
        wanted = command.args["vertices"]
        tasks = self._client.metrics(self._run).tasks
        matching = [task for task in tasks if not wanted or task.vertex in wanted]
        return tuple(sorted(matching, key=lambda task: (task.state != "FAILED", -task.load.busy))[:MOST_TASKS])

    def _sample(self, command: Command) -> SampleMessage:
        most = max(1, min(MOST_ROWS, command.args["rows"]))
        sample = self._client.probe(self._run, command.args["target"], most, PROBE_SECONDS)
        return SampleMessage(
            sample.operator,
            samples.columns(sample.table.schema),
            samples.rows(sample.table, most),
            sample.seen,
            sample.seconds,
            tuple(sample.keys),
            tuple(HotKey(samples.cut(key), share) for key, share in sample.hot),
            sample.watermark,
            sample.note,
        )


def _read(message: Mapping[str, Any]) -> Command | None:
    """Return the message as a command; None if it is not a valid command."""
    if not _has(message, _TYPES) or message["type"] != "command" or message["kind"] not in get_args(Kind):
        return None
    if not _has(message["args"], _ARGUMENTS.get(message["kind"], {})):
        return None
    return Command(**{field.name: message[field.name] for field in fields(Command)})


def _has(values: Mapping[str, Any], wanted: Mapping[str, type]) -> bool:
    return all(type(values.get(name)) is kind for name, kind in wanted.items())


def _refusal(command: str, text: str) -> Answer:
    return Answer("answer", command, ok=False, text=text_limits.cut(text, text_limits.ANSWER))
