"""Check that an operator that is restored from a cut goes on as one that was never cut.

Theory of operation
-------------------
A script is a list of steps: rows for a port, a watermark, processing time that passes, the end of a port. It is run
whole as the oracle. Then it is run to a cut; new tasks are restored from the cut and run the rest. The rows before the
cut, with those that the cut itself lets out, and the rows of the restored tasks are together the rows of the oracle.

- The old tasks go on as well, while another thread exports their frozen states. So the check fails if a frozen state
  changes. What the old tasks return is also equal to the oracle: a cut changes no result.
- The parallelism may change: each new task then loads its key groups from all old tasks and gets the memos of all.
- A task that has ended tells only that after a restore. So a port that had ended before the cut ends again, before or
  behind the rest of the script.
- Of updates by key only the last row of each key has to be equal. Every other row must be one that the oracle returns
  if it is cut after each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabotnb import operators
from sabotnb.api.running.row_differences import Row, equal_values
from sabotnb.config import Config
from sabotnb.connectors import batch_of
from sabotnb.errors import SchemaError
from sabotnb.graph import Keys, Spec, StreamType, Top, Window, output_schema, output_type, port_keys
from sabotnb.native import hash_rows, key_groups
from sabotnb.protocol import EndReason, Operator
from sabotnb.testing.recovery_task import MAIN, CutTask, TaskCut
from sabotnb.testing.row_comparison import assert_rows


@dataclass(frozen=True, slots=True)
class Push:
    """Rows for a port: dicts, or a batch."""

    rows: Sequence[Mapping[str, Any]] | pa.RecordBatch
    port: int = 0


@dataclass(frozen=True, slots=True)
class Advance:
    """The event time of the input reaches ``us`` microseconds."""

    us: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Processing time passes, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class EndPort:
    """A port ends."""

    port: int = 0
    reason: EndReason = EndReason.EXHAUSTED


Step = Push | Advance | Wait | EndPort
Make = Callable[[Callable[[], int]], Operator]


def maker(spec: Spec, inputs: Sequence[pa.Schema]) -> Make:
    """Return a function that makes the operator of ``spec``; it takes a clock, which the operator does not use."""
    return lambda _clock: operators.create(spec, inputs)


@dataclass(frozen=True, slots=True)
class Recovery:
    """An operator to be cut and restored.

    ``make`` gets a clock in microseconds of processing time. Rows of port p are divided over tasks by the columns
    ``keys[p]``: () sends all to the first task, None to every task. ``updates`` is the key of the output if it
    consists of updates. ``settle`` is called after every step, for operators that finish work in other threads.
    """

    make: Make
    inputs: Sequence[pa.Schema]
    keys: Sequence[Keys | None]
    updates: Keys | None = None
    groups: int = 8
    config: Config | None = None
    settle: Callable[[CutTask], None] | None = None

    @classmethod
    def of(cls, spec: Spec, *inputs: pa.Schema, **options: Any) -> Recovery:
        """Return that of the operator of ``spec``; ``options`` are fields of the class."""
        keys = [port_keys(spec, port) for port in range(len(inputs))]
        key = spec.updated if isinstance(spec, Top | Window) else None
        types = [StreamType(schema, key=key, lasting=frozenset(key or ())) for schema in inputs]
        updates = output_type(spec, types, output_schema(spec, inputs)).key
        return cls(**{"make": maker(spec, inputs), "inputs": inputs, "keys": keys, "updates": updates, **options})

    def check(
        self,
        steps: Sequence[Step],
        at: int,
        *,
        before: int = 1,
        after: int = 1,
        ends_last: bool = False,
        results: int | None = None,
    ) -> None:
        """Cut ``before`` tasks after the first ``at`` steps, and let ``after`` tasks go on.

        With ``results`` the step that follows, the end of a port, is cut behind so many of its results.

        Raises:
            AssertionError: rows of the output are missing, unexpected or wrong.
        """
        whole = self._run(self._tasks(before), steps)
        old, rest = self._run(self._tasks(before), steps[:at]), steps[at:]
        if results is not None:
            assert isinstance(rest[0], EndPort), f"step {at} is {rest[0]}; only the end of a port can be divided"
            for task in old:
                task.begin_end(rest[0].port, rest[0].reason, results)
            rest = rest[1:]
        cuts = [task.cut() for task in old]
        first = _rows(old)
        new = self._restored(cuts, old, rest, after)
        again = [EndPort(port, reason) for port, reason in sorted(cuts[0].ended.items())]
        self._run(new, [*rest, *again] if ends_last else [*again, *rest])
        expected = _rows(whole)
        history = self._history(steps, before) if self.updates is not None else {}
        for tag in {*expected, *_rows(old), *_rows(new)}:
            allowed = (
                [*history.get(tag, []), *expected.get(tag, [])] if tag == MAIN and self.updates is not None else None
            )
            for what, rows in (
                ("of the tasks that were cut", _rows(old).get(tag, [])),
                ("before and after the cut", [*first.get(tag, []), *_rows(new).get(tag, [])]),
            ):
                self._compare(f"{tag or 'rows'} {what}", rows, expected.get(tag, []), allowed)
        if before == after:
            released = [task.released for task in new]
            assert released == [task.released for task in old], "the restored tasks hold back another watermark"

    def _restored(
        self, cuts: Sequence[TaskCut], old: Sequence[CutTask], rest: Sequence[Step], after: int
    ) -> Sequence[CutTask]:
        """New tasks from ``cuts``, which are exported while the tasks that were cut go on with the rest."""
        with ThreadPoolExecutor(1) as pool:
            exporting = pool.submit(lambda: [cut.export() for cut in cuts])
            for task in old:
                task.finish_end()
            self._run(old, rest)
            exported = exporting.result()
        assert exported == [cut.export() for cut in cuts], "frozen states export other rows while their task goes on"
        new = self._tasks(after, max(cut.now for cut in cuts))
        for index, task in enumerate(new):
            chosen = [index] if after == len(cuts) else range(len(cuts))
            task.restore(
                [cuts[number] for number in chosen],
                [exported[number] for number in chosen],
                rescaled=after != len(cuts),
            )
            self._settle(task)
        return new

    def _history(self, steps: Sequence[Step], tasks: int) -> Mapping[str, Sequence[Row]]:
        """All rows that are returned if a cut follows each step."""
        cut = self._tasks(tasks)
        for number, step in enumerate(steps):
            self._run(cut, [step])
            for task in cut:
                task.cut(number)
        return _rows(cut)

    def _compare(self, what: str, rows: Sequence[Row], expected: Sequence[Row], allowed: Sequence[Row] | None) -> None:
        """Compare rows with those of the oracle; of updates the last of each key, if ``allowed`` are all the others."""
        if allowed is not None and self.updates is not None:
            wrong = [row for row in rows if not any(equal_values(row, other) for other in allowed)]
            assert not wrong, f"{what}: the oracle never returns {wrong}"
            rows, expected = _last(rows, self.updates), _last(expected, self.updates)
        try:
            assert_rows(rows, expected)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from None

    def _tasks(self, count: int, now: float = 0.0) -> Sequence[CutTask]:
        return [CutTask(self.make, index, count, self.groups, self.config, now) for index in range(count)]

    def _run(self, tasks: Sequence[CutTask], steps: Iterable[Step]) -> Sequence[CutTask]:
        for step in steps:
            batches = self._divided(step, tasks) if isinstance(step, Push) else [None] * len(tasks)
            for task, batch in zip(tasks, batches, strict=True):
                match step:
                    case Push(port=port):
                        task.push(port, batch)
                    case Advance(us=us):
                        task.advance(us)
                    case Wait(seconds=seconds):
                        task.wait(seconds)
                    case EndPort(port=port, reason=reason):
                        task.end(port, reason)
                self._settle(task)
        return tasks

    def _settle(self, task: CutTask) -> None:
        if self.settle is not None:
            self.settle(task)

    def _divided(self, push: Push, tasks: Sequence[CutTask]) -> Sequence[pa.RecordBatch]:
        rows = push.rows
        batch = rows if isinstance(rows, pa.RecordBatch) else batch_of(rows, self.inputs[push.port], SchemaError, "row")
        keys = self.keys[push.port]
        if len(tasks) == 1 or keys is None or not batch.num_rows:
            return [batch] * len(tasks)
        if not keys:
            return [batch, *([batch.slice(0, 0)] * (len(tasks) - 1))]
        groups = key_groups(hash_rows([batch.column(key) for key in keys]), self.groups).to_pylist()
        return [batch.filter(pa.array([task.owns(group) for group in groups], pa.bool_())) for task in tasks]


def _rows(tasks: Sequence[CutTask]) -> dict[str, list[Row]]:
    """The rows of all tasks by side output; those of the main output under ``MAIN``."""
    found: dict[str, list[Row]] = {}
    for task in tasks:
        for tag, rows in task.output.items():
            found.setdefault(tag, []).extend(rows)
    return found


def _last(rows: Sequence[Row], key: Keys) -> list[Row]:
    """The last row of each key."""
    return [*{repr([row[name] for name in key]): row for row in rows}.values()]
