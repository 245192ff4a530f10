"""Where keys of a running job are: the key group of each, and the task and agent that own it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from sabotnb.errors import JobError
from sabotnb.expr import ColumnMisfit, exact_batch
from sabotnb.graph import EdgeType, port_keys
from sabotnb.native import hash_rows, key_groups, plain_type
from sabotnb.plan import ExecutionGraph, Vertex
from sabotnb.protocol import RunStatus

OWNER = ("group", "task", "agent")
"""The columns that say where a key is."""


def key_owners(status: RunStatus, graph: ExecutionGraph, operator: str, values: object) -> pa.Table:
    """Return a row for each of ``values``: the keys of ``operator``, and their ``group``, ``task`` and ``agent``.

    The agent is null while the task is on none. A key column with the name of one of these is called ``<name>_key``.

    Raises:
        JobError: the operator has no keys, or a value is none of its keys.
    """
    keys = _keys_of(graph, operator)
    vertex = status.topology.vertex_of(operator)
    assert vertex is not None
    assert vertex.domain is not None
    batch = _batch(values, keys, operator)
    table = status.topology.tables[vertex.domain]
    groups = key_groups(hash_rows(batch.columns), len(table))
    tasks = [table[group] for group in groups.to_pylist()]
    agents = {task.index: task.agent for task in status.tasks if task.vertex == vertex.id}
    names = [f"{name}_key" if name in OWNER else name for name in keys.names]
    owners = [groups, pa.array(tasks, pa.int64()), pa.array([agents.get(task) for task in tasks], pa.string())]
    return pa.table([*batch.columns, *owners], names=[*names, *OWNER])


def _keys_of(graph: ExecutionGraph, operator: str) -> pa.Schema:
    """Return the key columns of an operator, in plain types; JobError lists the operators that have keys."""
    keyed = {name: keys for vertex in graph.vertices.values() for name, keys in _keyed(vertex, graph).items()}
    if operator not in keyed:
        others = ", ".join(keyed)
        then = f"these have: {others}" if keyed else "no operator of this job has: write .group_by('column')"
        raise JobError(f"{operator!r} has no keys; {then}")
    return pa.schema([(field.name, plain_type(field.type)) for field in keyed[operator]])


def _keyed(vertex: Vertex, graph: ExecutionGraph) -> dict[str, list[pa.Field]]:
    """Return the key columns of the operators of ``vertex`` that have any, as their first input has them."""
    arriving = [vertex.inputs, *((schema,) for schema in vertex.schemas)]
    # the first operator may have no keys of its own, and get its rows by key all the same: partition_by("key")
    hashed = next((edge.keys for edge in graph.edges_into(vertex.id) if edge.type is EdgeType.HASH), ())
    keyed = {}
    for number, (operator, inputs) in enumerate(zip(vertex.operators, arriving, strict=False)):
        if keys := port_keys(operator.spec, 0) or (() if number else hashed):
            keyed[operator.id] = [inputs[0].field(key) for key in keys]
    return keyed


def _batch(values: object, keys: pa.Schema, operator: str) -> pa.RecordBatch:
    """Return ``values`` as columns of the types of ``keys``."""
    rows = [_row(value, keys, operator) for value in _listed(values, keys)]
    try:
        return exact_batch(rows, keys)
    except ColumnMisfit as misfit:
        column = misfit.column
        raise JobError(
            f"the key {column.name!r} of {operator!r} is {column.type}, and {misfit.what} does not fit; "
            f"job.probe({operator!r}) shows keys"
        ) from misfit


def _listed(values: object, keys: pa.Schema) -> Iterable[object]:
    """Return the keys one by one: of a frame or table its rows, of a column or list its values, else the value."""
    if hasattr(values, "__arrow_c_stream__") and hasattr(values, "columns"):
        table = pa.table(values)
        return list(table.select([name for name in keys.names if name in table.column_names]).to_pylist())
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return list(values.to_pylist())
    if isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping):
        return values
    return [values]


def _row(value: object, keys: pa.Schema, operator: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        if set(keys.names) <= set(value):
            return value
    elif len(keys) == 1:
        return {keys.names[0]: value}
    elif isinstance(value, tuple | list) and len(value) == len(keys):
        return dict(zip(keys.names, value, strict=True))
    each = f"a tuple ({', '.join(keys.names)})" if len(keys) > 1 else f"a value of {keys.names[0]!r}"
    raise JobError(f"{value!r} is not a key of {operator!r}; give {each}: job.probe({operator!r}) shows keys")
