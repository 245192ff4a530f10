"""Sources that follow a script of a test: rows, pauses and crashes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from sabotnb.connectors import batch_of
from sabotnb.errors import SchemaError
from sabotnb.protocol import Finished, Polled, Reader, Source, Split
from sabotnb.testing.faults import InjectedFault

Rows: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Pause:
    """The reader returns nothing for this many polls."""

    polls: int = 1


@dataclass(frozen=True, slots=True)
class Hold:
    """The reader returns nothing until the test sets ``event``."""

    event: threading.Event


@dataclass(frozen=True, slots=True)
class Crash:
    """The poll raises InjectedFault the first time that a reader reaches this step; a restarted reader passes it."""

    message: str = "scripted crash"


Step: TypeAlias = Rows | Pause | Hold | Crash


class ScriptedSource(Source):
    """A source with one split per script; each ``poll`` takes one step of the script.

    A step of rows becomes one batch of ``schema``; ``max_rows`` is ignored. Positions are
    ``{"step": number of steps done}``. ``opened`` and ``closed`` count readers, ``polls`` polls of all readers.

    >>> source = ScriptedSource(pa.schema({"x": pa.int64()}), [[{"x": 1}], Pause(), [{"x": 2}]])
    >>> [split.id for split in source.splits()]
    ['script-0']
    """

    def __init__(self, schema: pa.Schema, *scripts: Sequence[Step]) -> None:
        self._schema = schema
        self._scripts = [tuple(script) for script in scripts]
        self._crashed: set[tuple[int, int]] = set()
        self.opened = 0
        self.closed = 0
        self.polls = 0

    def splits(self) -> list[Split]:
        return [Split(f"script-{number}", {"step": 0}) for number in range(len(self._scripts))]

    def open(self, split: Split) -> Reader:
        self.opened += 1
        return _ScriptedReader(self, int(split.id.removeprefix("script-")), split.position["step"])

    def steps(self, script: int) -> tuple[Step, ...]:
        """Return the script of a split."""
        return self._scripts[script]

    def batch(self, rows: Rows) -> pa.RecordBatch:
        """Return ``rows`` as a batch of the source's schema."""
        return batch_of(rows, self._schema, SchemaError, "row")

    def crash_once(self, script: int, step: int, message: str) -> None:
        """Raise InjectedFault unless this step raised it before."""
        if (script, step) not in self._crashed:
            self._crashed.add((script, step))
            raise InjectedFault(message)


def script(*steps: Rows | Crash) -> Callable[[], Iterator[Mapping[str, Any]]]:
    """Return a function for ``Stream.from_generator`` that yields the rows of each step; a Crash raises on every run.

    >>> Stream.from_generator(script([{"x": 1}], Crash("power cut")), schema={"x": pa.int64()})
    """

    def play() -> Iterator[Mapping[str, Any]]:
        for step in steps:
            if isinstance(step, Crash):
                raise InjectedFault(step.message)
            yield from step

    return play


class _ScriptedReader(Reader):
    def __init__(self, source: ScriptedSource, script: int, step: int) -> None:
        self._source = source
        self._script = script
        self._step = step
        self._paused = 0

    def poll(self, max_rows: int) -> Polled | Finished | None:
        self._source.polls += 1
        steps = self._source.steps(self._script)
        if self._step == len(steps):
            return Finished()
        match steps[self._step]:
            case Pause(polls=polls):
                self._paused += 1
                if self._paused == polls:
                    self._paused = 0
                    self._step += 1
                return None
            case Hold(event=event):
                self._step += event.is_set()
                return None
            case Crash(message=message):
                self._source.crash_once(self._script, self._step, message)
                self._step += 1
                return None
            case rows:
                self._step += 1
                return Polled(self._source.batch(rows), {"step": self._step})

    def close(self) -> None:
        self._source.closed += 1
