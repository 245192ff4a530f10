"""The source of a task job: each split is one call of a user's function, each row the result of one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pyarrow as pa

from sabotnb.blobs import capture, load_pickled, table_of, user_traceback
from sabotnb.connectors.sources.raw_batches import AlreadyRead, RawBatches, SourceEstimate
from sabotnb.errors import GraphError, UserFunctionError
from sabotnb.graph import Source
from sabotnb.protocol import Split

SCHEMA = pa.schema({"number": pa.int64(), "task_id": pa.string(), "result": pa.binary()})
"""``number`` counts from 0 in the order of the tasks; ``result`` is pickled."""

TYPES = ("python", "arrow")


@dataclass(frozen=True, slots=True)
class TaskCall:
    """``type`` python: ``operator`` is a callable or ``module:function``; arrow: a name in ``pyarrow.compute``."""

    type: str
    operator: str | Callable[..., Any]
    parameters: Mapping[str, Any]
    data: Any

    def run(self) -> Any:
        """Call the operator with the data and the parameters, and return its result."""
        return _operator(self.type, self.operator)(self.data, **self.parameters)


def tasks(ids: Sequence[str], calls: Sequence[TaskCall]) -> Source:
    """The source that runs ``calls``; GraphError for an operator that does not exist.

    Each call is pickled on its own, so an agent unpickles only what it runs.
    """
    for name, call in zip(ids, calls, strict=True):
        _check(name, call)
    payloads = [capture(call.run, f"task {name!r}").pickled for name, call in zip(ids, calls, strict=True)]
    table = pa.table({"task_id": pa.array(ids, pa.string()), "call": pa.array(payloads, pa.binary())})
    return Source("tasks", SCHEMA, table=table_of(table))


class TaskCalls:
    """Connector of a task job: one split for each task, in the order of the tasks."""

    def __init__(self, spec: Source) -> None:
        assert spec.table is not None, "made by tasks()"
        self._table = spec.table.data

    def estimate(self) -> SourceEstimate:
        return SourceEstimate(self._table.num_rows, None)

    def splits(self) -> list[Split]:
        names = self._table["task_id"].to_pylist()
        return [Split(name, {"number": number}, rows=1) for number, name in enumerate(names)]

    def batches(self, split: Split, batch_rows: int, done: int = 0) -> RawBatches:
        """Run the task and yield its result as one row, unless it was read before. Blocks until the task ends."""
        if done:
            yield AlreadyRead(done)
            return
        number = split.position["number"]
        import cloudpickle

        call = self._table["call"][number].as_py()
        try:
            result = cloudpickle.dumps(load_pickled(call)())  # the function of the user who runs the job
        except Exception as error:
            said = f"task {split.id!r} raised {type(error).__name__}: {error}"
            raise UserFunctionError(said, user_traceback=user_traceback(error)) from error
        yield pa.RecordBatch.from_pylist([{"number": number, "task_id": split.id, "result": result}], SCHEMA)


def _check(name: str, call: TaskCall) -> None:
    if call.type not in TYPES:
        raise GraphError(f"task {name!r} has operator_type {call.type!r}; choose one of: {', '.join(TYPES)}")
    if callable(call.operator):
        return
    if call.type == "arrow" and isinstance(call.operator, str):
        _operator(call.type, call.operator)
    elif not isinstance(call.operator, str) or ":" not in call.operator:
        raise GraphError(f"task {name!r}: {call.operator!r} is not an import path; write it as 'module:function'")


def _operator(kind: str, operator: str | Callable[..., Any]) -> Callable[..., Any]:
    if callable(operator):
        return operator
    if kind == "arrow":
        import pyarrow.compute as pc

        found: Callable[..., Any] | None = getattr(pc, operator, None)
        if found is None:
            raise GraphError(f"pyarrow.compute has no function {operator!r}; pc.list_functions() lists them")
        return found
    module, _, name = operator.partition(":")
    imported: Callable[..., Any] = getattr(import_module(module), name)
    return imported
