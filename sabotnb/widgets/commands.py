"""Clicks: each is carried out once, however often it is sent, and always answered in words."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args

from sabotnb.display import text_limits
from sabotnb.errors import SabotnbError
from sabotnb.metrics import TaskMetrics
from sabotnb.widgets import samples
from sabotnb.widgets.messages import Answer, Command, HotKey, Kind, SampleMessage
from sabotnb.widgets.serial_queue import SerialQueue

if TYPE_CHECKING:  # names in annotations alone: a widget without a cluster needs no Dask
    from sabotnb.cluster import ClusterClient

KEPT = 256
"""Answers that are kept for clicks that are sent again."""
MOST_ROWS = 1000
MOST_TASKS = 1000
"""Tasks in one answer, those first that are worth looking at."""
PROBE_SECONDS = 2.0
"""A probe waits so long for rows."""

_TYPES: Mapping[str, type] = {"type": str, "id": str, "kind": str, "epoch": int, "args": dict}
_ARGUMENTS: Mapping[str, Mapping[str, type]] = {"probe": {"target": str, "rows": int}, "tasks": {"vertices": list}}
"""What each kind of command needs; the others need nothing."""


class Commands:
    """Carries out what pages ask of one run. ``take`` may be called from any thread and returns at once."""

    def __init__(
        self,
        client: ClusterClient,
        job: str,
        epoch: int,
        answer: Callable[[Answer], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._job = job
        self._epoch = epoch
        self._answer = answer
        self._changed = changed
        """Called when a command has been carried out that may have changed the run."""
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Answer | None] = OrderedDict()
        """By id of the click: its answer, None while it is carried out."""
        self._steering = SerialQueue(f"sabotnb-clicks-{job}")
        self._looking = {kind: SerialQueue(f"sabotnb-{kind}-{job}") for kind in ("probe", "tasks")}
        """Apart, because a probe waits, and neither a Stop nor figures must."""

    def take(self, message: Mapping[str, Any]) -> None:
        """Carry out a click, or answer one that was carried out before once more."""
        if not isinstance(message, Mapping) or not isinstance(message.get("id"), str):
            return  # nobody waits for an answer to what has no id
        command = _read(message)
        if command is None:
            kind = str(message.get("kind"))[:40]
            self._answer(_refusal(message["id"], f"this kernel does not know the command {kind!r}: reload the page"))
            return
        with self._lock:
            if command.id in self._known:
                answer = self._known[command.id]
                if answer is not None:
                    self._answer(answer)
                return
            self._known[command.id] = None
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        self._looking.get(command.kind, self._steering).add(lambda: self._carry_out(command))

    def _carry_out(self, command: Command) -> None:
        try:
            answer = self._done(command)
        except SabotnbError as error:
            answer = _refusal(command.id, str(error))
        except Exception as error:  # noqa: BLE001  a defect is told to the page, where somebody waits for the answer
            answer = _refusal(command.id, f"{type(error).__name__}: {error}")
        with self._lock:
            if command.id in self._known:
                self._known[command.id] = answer
        self._answer(answer)
        if command.kind not in self._looking:
            self._changed()

    def _done(self, command: Command) -> Answer:
        if command.epoch != self._epoch:
            return _refusal(command.id, f"this view belongs to an earlier run of {self._job}: re-run its cell")
        if command.kind == "probe":
            return Answer("answer", command.id, ok=True, text="", sample=self._sample(command))
        if command.kind == "tasks":
            return Answer("answer", command.id, ok=True, text="", tasks=self._tasks(command))
        act = {
            "pause": self._client.pause,
            "resume": self._client.resume,
            "stop": self._client.stop,
            "cancel": self._client.cancel,
        }[command.kind]
        return Answer("answer", command.id, ok=True, text=act(self._job, self._epoch))

    def _tasks(self, command: Command) -> tuple[TaskMetrics, ...]:
        wanted = command.args["vertices"]
        tasks = self._client.metrics(self._job, self._epoch).tasks
        found = [task for task in tasks if not wanted or task.vertex in wanted]
        return tuple(sorted(found, key=lambda task: (task.state != "FAILED", -task.load.busy))[:MOST_TASKS])

    def _sample(self, command: Command) -> SampleMessage:
        most = max(1, min(MOST_ROWS, command.args["rows"]))
        found = self._client.probe(self._job, self._epoch, command.args["target"], most, PROBE_SECONDS)
        return SampleMessage(
            found.operator,
            samples.columns(found.table.schema),
            samples.rows(found.table, most),
            found.seen,
            found.seconds,
            tuple(found.keys),
            tuple(HotKey(samples.cut(key), share) for key, share in found.hot),
            found.watermark,
            found.said,
        )


def _read(message: Mapping[str, Any]) -> Command | None:
    """The command that a message is; None if it is none."""
    if not _has(message, _TYPES) or message["type"] != "command" or message["kind"] not in get_args(Kind):
        return None
    if not _has(message["args"], _ARGUMENTS.get(message["kind"], {})):
        return None
    return Command(**{field.name: message[field.name] for field in fields(Command)})


def _has(given: Mapping[str, Any], wanted: Mapping[str, type]) -> bool:
    return all(type(given.get(name)) is kind for name, kind in wanted.items())


def _refusal(command: str, text: str) -> Answer:
    return Answer("answer", command, ok=False, text=text_limits.cut(text, text_limits.ANSWER))
