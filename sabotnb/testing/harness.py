"""Run a single operator in a test, without a task, channels or a cluster.

Theory of operation
-------------------
A task calls an operator from one thread only: ``open``; then ``process``, ``on_watermark`` and ``on_wake`` in any
order; ``on_end`` once per port; at last ``close``. The harness makes the same calls in the thread of the test, and each
of its methods drains the iterator that the operator returns before it returns itself. So nothing runs concurrently, and
a test decides on every order that can occur in a task: which port comes first, when a port ends, when a wake is
answered.

What a task adds is not here. A task pulls outputs only while its channels are writable and handles commands in
between; the harness never pauses. ``OperatorContext.wake`` may be called from any thread and is only counted
(``wakes``), and ``wake_in`` only noted (``alarms``): the test calls ``wake`` when it wants the answer. There are no
timers and cuts; operators that react to these are called directly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc

from sabotnb import operators
from sabotnb.config import Config
from sabotnb.connectors import batch_of
from sabotnb.errors import SchemaError
from sabotnb.eventtime import SplitClock
from sabotnb.expr import duration_us
from sabotnb.graph import AssignTimes, JobGraph, Spec
from sabotnb.operators import KeyedProcess
from sabotnb.protocol import MIN_WATERMARK, EndReason, KeyedState, Operator, OperatorContext, Out, RunId
from sabotnb.testing.clock import ManualClock
from sabotnb.testing.process_inputs import ProcessInputs


class HasJobGraph(Protocol):
    """Anything with a job graph, such as a ``Stream``."""

    def to_job_graph(self) -> JobGraph:
        """Return the job graph."""
        ...


class Harness:
    """Runs one operator in this thread: rows in, rows out, no cluster.

    ``Harness.of(stream)`` runs the last operator of a stream; ``Harness(spec, *schemas)`` takes a spec of
    ``sabotnb.graph`` or an operator, and the schema of each input port. The operator is opened at once; use the harness
    as a context manager, or call ``close``. Exceptions of the operator are not wrapped.

    >>> empty = sb.Stream.from_rows([], schema={"x": pa.int64()})
    >>> with Harness.of(empty.filter(col("x") > 1)) as harness:
    ...     harness.push([{"x": 1}, {"x": 2}]).rows
    [{'x': 2}]

    A class of ``sb.KeyedProcess`` is run with ``Harness(P, key="plane")``. Its columns are those of the first rows
    unless schemas are passed, of a side input too. Event time is the only timestamp, or ``event_time``. Event time and
    processing time go on together, by ``advance("10m")``.
    """

    def __init__(
        self,
        operator: Operator | Spec | type[KeyedProcess],
        *inputs: pa.Schema,
        key: str | Sequence[str] | None = None,
        event_time: str | None = None,
        index: int = 0,
        parallelism: int = 1,
        groups: int = 128,
        config: Config | None = None,
    ) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._sides: dict[str, list[pa.RecordBatch]] = {}
        self.wakes = 0
        self.alarms: list[float] = []
        """Seconds that the operator has passed to ``OperatorContext.wake_in``, in order."""
        self._event_time = self.watermark = MIN_WATERMARK
        self._clock = ManualClock()
        self._latest = MIN_WATERMARK
        self._context = OperatorContext(
            RunId("harness", 1),
            "operator_0",
            index,
            parallelism,
            groups,
            config or Config(),
            wake=self._wake,
            wake_in=self.alarms.append,
            ends=True,
            advance_clock=SplitClock(operator.max_delay if isinstance(operator, AssignTimes) else 0).advance,
        )
        self._process: ProcessInputs | None = None
        if isinstance(operator, type):
            self._process = ProcessInputs(operator, key, event_time, lambda: round(self._clock() * 1e6))
            if inputs:
                self._open(self._process.operator(inputs), inputs)
        else:
            self._open(operators.create(operator, inputs) if isinstance(operator, Spec) else operator, inputs)

    def _open(self, operator: Operator, inputs: Sequence[pa.Schema]) -> None:
        self._operator, self._inputs = operator, tuple(inputs)
        self._open_ports = set(range(len(inputs)))
        operator.open(self._context)

    @property
    def states(self) -> Mapping[str, KeyedState]:
        """The states of the operator, by name."""
        return {spec.name: state for spec, state in self._context.states.items()}

    @classmethod
    def of(cls, stream: HasJobGraph, **options: Any) -> Self:
        """Return a harness of the last operator of ``stream``; ``options`` are those of the class."""
        graph = stream.to_job_graph()
        last = graph.topological_sort()[-1]
        return cls(graph.operators[last].spec, *graph.input_schemas(last), **options)

    def push(self, rows: Sequence[Mapping[str, Any]] | pa.RecordBatch, port: int = 0) -> Self:
        """Process ``rows`` as one batch of input ``port``; dicts are converted to its schema."""
        if self._process is not None and not self._context.states:
            schemas = [self._process.schema_of(rows)]
            self._open(self._process.operator(schemas), schemas)
        if not isinstance(rows, pa.RecordBatch):
            rows = batch_of(rows, self._inputs[port], SchemaError, "row")
        if self._process is not None and self._process.time is not None and port == 0 and rows.num_rows:
            largest = pc.max(rows.column(self._process.time)).cast(
                pa.timestamp("us", rows.column(self._process.time).type.tz)
            )
            self._latest = max(self._latest, largest.value)
        return self._collect(self._operator.process(port, rows) if rows.num_rows else ())

    def advance(self, to: int | str | timedelta) -> Self:
        """Advance the event time of the input to ``to`` microseconds, or by a duration.

        ``watermark`` is the one that may leave then. A duration begins at the latest row or the last advance, whichever
        is later. The clock of a process function advances by it too, and its timers of processing time fire.
        """
        if isinstance(to, int):
            self._event_time = max(to, self._event_time)
        else:
            self._clock.advance(duration_us(to) / 1e6)
            self._event_time = max(self._event_time, self._latest)
            self._event_time += duration_us(to) if self._event_time > MIN_WATERMARK else 0
            if self.alarms:
                self.wake()
        return self._collect_and_release(self._operator.on_watermark(self._event_time))

    def wake(self) -> Self:
        """Call ``on_wake``, as a task does after ``OperatorContext.wake``, whose calls ``wakes`` counts."""
        return self._collect_and_release(self._operator.on_wake())

    def end(self, port: int | None = None, reason: EndReason = EndReason.EXHAUSTED) -> Self:
        """End ``port``, or every port that is still open; KeyError if ``port`` has ended before."""
        for ended in sorted(self._open_ports) if port is None else [port]:
            self._open_ports.remove(ended)
            self._collect_and_release(self._operator.on_end(ended, reason))
        return self

    @property
    def batches(self) -> list[pa.RecordBatch]:
        """All batches of the main output so far."""
        return list(self._batches)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows of the main output so far."""
        return [row for batch in self._batches for row in batch.to_pylist()]

    def side(self, tag: str) -> list[dict[str, Any]]:
        """Return the rows of side output ``tag`` so far."""
        return [row for batch in self._sides.get(tag, []) for row in batch.to_pylist()]

    @property
    def state_size(self) -> tuple[int, int]:
        """Number of keys and of bytes in the states of the operator."""
        sizes = [state.size() for state in self.states.values()]
        return sum(keys for keys, _ in sizes), sum(nbytes for _, nbytes in sizes)

    def close(self) -> None:
        """Close the operator."""
        self._operator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _collect_and_release(self, outs: Iterable[Out]) -> Self:
        self._collect(outs)
        if self._event_time > MIN_WATERMARK:
            self.watermark = max(self.watermark, self._operator.output_watermark(self._event_time))
        return self

    def _wake(self) -> None:
        self.wakes += 1

    def _collect(self, outs: Iterable[Out]) -> Self:
        for out in outs:
            if isinstance(out, tuple):
                self._sides.setdefault(out[0], []).append(out[1])
            else:
                self._batches.append(out)
        return self
