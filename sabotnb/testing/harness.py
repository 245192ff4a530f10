"""One operator by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, Self

import pyarrow as pa

from sabotnb import operators
from sabotnb.config import Config
from sabotnb.connectors import batch_of
from sabotnb.errors import SchemaError
from sabotnb.graph import JobGraph, Spec
from sabotnb.protocol import EndReason, KeyedState, Operator, OperatorContext, Out


class HasJobGraph(Protocol):
    """A ``Stream``."""

    def to_job_graph(self) -> JobGraph:
        """What it describes."""
        ...


class Harness:
    """Runs one operator in this thread: rows in, rows out, no cluster.

    ``Harness.of(stream)`` takes the last operator of a stream; else give a spec of ``sabotnb.graph`` (or an operator
    object) and the schema of each input port. It is opened at once; use it as a context manager, or call ``close``.
    What the operator raises comes through as it is.

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
        context = OperatorContext(
            "harness", "operator_0", index, parallelism, groups, config or Config(), wake=self._wake
        )
        self._operator.open(context)
        self.states: Mapping[str, KeyedState] = {spec.name: state for spec, state in context.states.items()}
        """What the operator keeps, by name."""

    @classmethod
    def of(cls, stream: HasJobGraph, **options: Any) -> Self:
        """A harness of the last operator of ``stream``; ``options`` as for the class."""
        graph = stream.to_job_graph()
        last = graph.topological_sort()[-1]
        return cls(graph.operators[last].spec, *graph.input_schemas(last), **options)

    def push(self, rows: Sequence[Mapping[str, Any]] | pa.RecordBatch, port: int = 0) -> Self:
        """Process ``rows`` as one batch of input ``port``; dicts are converted to the port's schema."""
        if not isinstance(rows, pa.RecordBatch):
            rows = batch_of(rows, self._inputs[port], SchemaError, "row")
        return self._collect(self._operator.process(port, rows) if rows.num_rows else ())

    def wake(self) -> Self:
        """Do what a task does after the operator has asked to be woken (``wakes`` counts how often it has)."""
        return self._collect(self._operator.on_wake())

    def end(self, port: int | None = None, reason: EndReason = EndReason.EXHAUSTED) -> Self:
        """End ``port``, or every port that is still open."""
        for ended in sorted(self._open_ports) if port is None else [port]:
            self._open_ports.remove(ended)
            self._collect(self._operator.on_end(ended, reason))
        return self

    @property
    def batches(self) -> list[pa.RecordBatch]:
        """Everything that came out of the main output so far."""
        return list(self._batches)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The same as rows."""
        return [row for batch in self._batches for row in batch.to_pylist()]

    def side(self, tag: str) -> list[dict[str, Any]]:
        """The rows of a side output so far."""
        return [row for batch in self._sides.get(tag, []) for row in batch.to_pylist()]

    @property
    def state_size(self) -> tuple[int, int]:
        """Keys and bytes that the operator holds."""
        sizes = [state.size() for state in self.states.values()]
        return sum(keys for keys, _ in sizes), sum(nbytes for _, nbytes in sizes)

    def close(self) -> None:
        """Close the operator."""
        self._operator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wake(self) -> None:
        self.wakes += 1

    def _collect(self, outs: Iterable[Out]) -> Self:
        for out in outs:
            if isinstance(out, tuple):
                self._sides.setdefault(out[0], []).append(out[1])
            else:
                self._batches.append(out)
        return self
