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
from typing import Any, Protocol, Self

import pyarrow as pa

from sabotnb import operators
from sabotnb.config import Config
from sabotnb.connectors import batch_of
from sabotnb.errors import SchemaError
from sabotnb.graph import JobGraph, Spec
from sabotnb.protocol import MIN_WATERMARK, EndReason, KeyedState, Operator, OperatorContext, Out, RunId


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
    """

    def __init__(
        self,
        operator: Operator | Spec,
        *inputs: pa.Schema,
        index: int = 0,
        parallelism: int = 1,
        groups: int = 128,
        config: Config | None = None,
    ) -> None:
        self._inputs = inputs
        self._operator = operators.create(operator, inputs) if isinstance(operator, Spec) else operator
        self._open_ports = set(range(len(inputs)))
        self._batches: list[pa.RecordBatch] = []
        self._sides: dict[str, list[pa.RecordBatch]] = {}
        self.wakes = 0
        self.alarms: list[float] = []
        """Seconds that the operator has passed to ``OperatorContext.wake_in``, in order."""
        self._event_time = self.watermark = MIN_WATERMARK
        context = OperatorContext(
            RunId("harness", 1),
            "operator_0",
            index,
            parallelism,
            groups,
            config or Config(),
            wake=self._wake,
            wake_in=self.alarms.append,
        )
        self._operator.open(context)
        self.states: Mapping[str, KeyedState] = {spec.name: state for spec, state in context.states.items()}
        """The states of the operator, by name."""

    @classmethod
    def of(cls, stream: HasJobGraph, **options: Any) -> Self:
        """Return a harness of the last operator of ``stream``; ``options`` are those of the class."""
        graph = stream.to_job_graph()
        last = graph.topological_sort()[-1]
        return cls(graph.operators[last].spec, *graph.input_schemas(last), **options)

    def push(self, rows: Sequence[Mapping[str, Any]] | pa.RecordBatch, port: int = 0) -> Self:
        """Process ``rows`` as one batch of input ``port``; dicts are converted to its schema."""
        if not isinstance(rows, pa.RecordBatch):
            rows = batch_of(rows, self._inputs[port], SchemaError, "row")
        return self._collect(self._operator.process(port, rows) if rows.num_rows else ())

    def advance(self, us: int) -> Self:
        """Advance the event time of the input to ``us`` microseconds; ``watermark`` is the one that may leave then."""
        self._event_time = max(us, self._event_time)
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
