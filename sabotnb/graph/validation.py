"""Check that a job graph can run, and compute the schemas of its operators.

Theory of operation
-------------------
``check`` looks at the shape of the graph only, ``schemas_of`` at its columns. The order is: cycle first, then the other
problems of the shape all in one error, then columns. A cycle is reported alone because the rest assumes a topological
order; columns come last because schemas exist only if every port is fed once.

The optimizer asks for the schemas of many graphs that differ little, so ``schemas_of`` remembers by operator id the
last spec, input schemas and output schema (``Outputs``, shared by all graphs derived from one another). An entry is
valid if spec and input schemas are *the same objects*, which is cheap to test. For this to work, a computed schema that
equals the remembered one is replaced by it; else one edit near a source would invalidate every entry below it.
Side outputs are not remembered: their schema is that of the input with one column more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from sabotnb.errors import GraphError, SchemaError
from sabotnb.expr import column_not_found
from sabotnb.graph.nodes import Edge, EdgeType, Operator
from sabotnb.graph.output_schemas import output_schema, side_schema
from sabotnb.graph.ports import input_ports, is_global, needs_end, side_tags
from sabotnb.graph.specs import AssignTimes, Join, Sink, Source, Spec, Window
from sabotnb.graph.window_shapes import uses_event_time
from sabotnb.topology import reachable, topological_order

JOINS = ("inner", "left", "right", "full", "semi", "anti")
STRATEGIES = ("auto", "broadcast", "hash")

Operators = Mapping[str, Operator]
Inputs = Callable[[str], Sequence[Edge]]
"""The edges into an operator, in order of port."""

Outputs = dict[str, tuple[Spec, Sequence[pa.Schema], pa.Schema]]
"""By operator id: a spec, the schemas of its inputs, and that of its output."""


def check(operators: Operators, edges: Sequence[Edge]) -> None:
    """Raise one GraphError that lists every problem of the graph's shape; columns are not checked."""
    if not operators:
        raise GraphError("the job graph is empty; add a source and a sink")
    topological_order(operators, [(edge.up, edge.down) for edge in edges])
    problems = [
        *_open_ports(operators, edges),
        *_dead_ends(operators, edges),
        *_numbers(operators),
        *_joins(operators),
        *_windows(operators),
        *_assigned_times(operators, edges),
        *_hints(edges),
        *_endless(operators, edges),
    ]
    if problems:
        raise GraphError("the job graph cannot run:\n" + "\n".join(f"  - {problem}" for problem in problems))


def schemas_of(operators: Operators, inputs: Inputs, order: Sequence[str], known: Outputs) -> dict[str, pa.Schema]:
    """Return the output schema of each operator, by id; SchemaError names the operator. ``order`` is topological.

    Reuses the entries of ``known`` that are still valid, and adds the others to it.
    """
    schemas: dict[str, pa.Schema] = {}
    for name in order:
        spec, arriving = operators[name].spec, inputs_of(name, operators, inputs, schemas)
        entry = known.get(name)
        if entry is None or entry[0] is not spec or not _same_objects(entry[1], arriving):
            try:
                output = output_schema(spec, arriving)
            except SchemaError as error:
                raise type(error)(f"{name}: {error}") from error
            same = entry is not None and entry[2].equals(output, check_metadata=True)
            entry = known[name] = (spec, arriving, entry[2] if entry is not None and same else output)
        schemas[name] = entry[2]
    return schemas


def _same_objects(before: Sequence[pa.Schema], now: Sequence[pa.Schema]) -> bool:
    return len(before) == len(now) and all(old is new for old, new in zip(before, now, strict=True))


def inputs_of(name: str, operators: Operators, inputs: Inputs, schemas: Mapping[str, pa.Schema]) -> list[pa.Schema]:
    """Return the schemas of an operator's input ports, from those behind the operators above."""
    return [
        schemas[edge.up]
        if edge.side is None
        else side_schema(operators[edge.up].spec, edge.side, inputs_of(edge.up, operators, inputs, schemas))
        for edge in inputs(name)
    ]


def check_hint_columns(edges: Sequence[Edge], schemas: Mapping[str, pa.Schema]) -> None:
    """Raise ColumnNotFound for a hint that names a column which its edge does not carry."""
    for edge in edges:
        for key in edge.hint.keys if edge.hint else ():
            if edge.side is None and key not in schemas[edge.up].names:
                raise column_not_found(key, schemas[edge.up])


def _open_ports(operators: Operators, edges: Sequence[Edge]) -> Iterator[str]:
    fed: dict[str, Counter[int]] = {}
    for edge in edges:
        fed.setdefault(edge.down, Counter())[edge.port] += 1
    for operator in operators.values():
        ports = fed.get(operator.id, Counter())
        wanted = input_ports(operator.spec)
        if missing := sorted(set(range(wanted)) - set(ports)):
            yield f"input {', '.join(map(str, missing))} of {operator.id!r} is open; connect something to it"
        if extra := sorted({port for port in ports if port >= wanted or port < 0}):
            yield f"{operator.id!r} has no input {', '.join(map(str, extra))}; it has {wanted}"
        if twice := sorted(port for port, times in ports.items() if times > 1):
            yield f"input {', '.join(map(str, twice))} of {operator.id!r} is fed more than once; use a Union"
    for edge in edges:
        if edge.side is not None and edge.side not in side_tags(operators[edge.up].spec):
            yield f"{edge.up!r} has no side output {edge.side!r}, which {edge.down!r} reads; use on_error='side'"


def _dead_ends(operators: Operators, edges: Sequence[Edge]) -> Iterator[str]:
    sinks = {name: operator for name, operator in operators.items() if isinstance(operator.spec, Sink)}
    if not any(isinstance(operator.spec, Source) for operator in operators.values()):
        yield "it has no source; add one, as in Stream.from_parquet(path)"
    if not sinks:
        yield "it has no sink; add one, as in .sink_parquet(path)"
        return
    useful = reachable(sinks, [(edge.down, edge.up) for edge in edges])
    for name in operators:
        if name not in useful:
            yield f"{name!r} leads to no sink; connect it or remove it"
    for edge in edges:
        if edge.up in sinks:
            yield f"{edge.up!r} is a sink and feeds {edge.down!r}; connect what feeds the sink instead"


def _numbers(operators: Operators) -> Iterator[str]:
    for operator in operators.values():
        parallelism, limit = operator.parallelism, operator.max_parallelism
        if is_global(operator.spec) and parallelism not in (None, 1):
            yield f"{operator.id!r} must see all rows in one task, so its parallelism is 1, not {parallelism}"
        if limit < 1:
            yield f"{operator.id!r} has max_parallelism {limit}; choose at least 1"
        elif parallelism is not None and not 1 <= parallelism <= limit:
            yield f"{operator.id!r} has parallelism {parallelism}; choose 1 to {limit} (its max_parallelism)"
        if operator.resources.cpu < 0 or operator.resources.memory < 0:
            yield f"{operator.id!r} has negative resources: {operator.resources}; use 0 or more"


def _joins(operators: Operators) -> Iterator[str]:
    for operator in operators.values():
        join = operator.spec
        if not isinstance(join, Join):
            continue
        if join.how not in JOINS:
            yield f"{operator.id!r} has how={join.how!r}; choose one of {', '.join(JOINS)}"
        if join.strategy not in STRATEGIES:
            yield f"{operator.id!r} has strategy={join.strategy!r}; choose one of {', '.join(STRATEGIES)}"
        if join.strategy == "broadcast" and join.how in ("right", "full"):
            yield f"{operator.id!r}: every task would return unmatched rows of a broadcast side; use strategy='hash'"


def _windows(operators: Operators) -> Iterator[str]:
    for operator in operators.values():
        window = operator.spec
        if isinstance(window, Window) and window.time is None and uses_event_time(window.shape):
            yield f"{operator.id!r} has windows over event time, but names no time column; set time='...'"


def _assigned_times(operators: Operators, edges: Sequence[Edge]) -> Iterator[str]:
    """Yield operators that assign event time where no source has a clock for it, in another task or behind a branch."""
    above = {edge.down: edge for edge in edges if edge.side is None}
    readers = Counter(edge.up for edge in edges if edge.side is None)
    for operator in operators.values():
        if not isinstance(operator.spec, AssignTimes):
            continue
        name = operator.id
        while (edge := above.get(name)) is not None and edge.hint is None and readers[edge.up] == 1:
            if _placed(operators[edge.up]) != _placed(operator):
                break
            name = edge.up
        source = operators[name].spec
        if not isinstance(source, Source) or source.computed_time is None:
            yield (
                f"{operator.id!r} assigns event time, but not in the task of a source with computed_time: chain them, "
                "with one parallelism, slot group and tags, and nothing else that reads the operators between them"
            )


def _placed(operator: Operator) -> tuple[object, ...]:
    return operator.parallelism, operator.slot_group, operator.tags


def _hints(edges: Sequence[Edge]) -> Iterator[str]:
    for edge in edges:
        if edge.hint is None:
            continue
        ends = f"{edge.up!r} -> {edge.down!r}"
        if edge.hint.type is EdgeType.HASH and not edge.hint.keys:
            yield f"{ends} has the hint HASH without keys; name at least one column"
        if edge.hint.type is EdgeType.RANGE and len(edge.hint.keys) != 1:
            yield f"{ends} has the hint RANGE with {len(edge.hint.keys)} columns; name exactly one"
        if edge.hint.type is EdgeType.CUSTOM and edge.hint.function is None:
            yield f"{ends} has the hint CUSTOM without a function; pass a function to partition_by"


def _endless(operators: Operators, edges: Sequence[Edge]) -> Iterator[str]:
    """Yield operators that return nothing before their input ends, but read an unbounded source.

    An input that several of these sources feed is reported with the first: one walk over the graph serves all sources.
    """
    first = _first_endless(operators, edges)
    for edge in edges:
        if edge.up in first and needs_end(operators[edge.down].spec, edge.port):
            yield (
                f"{edge.down!r} waits for the end of {first[edge.up]!r}, which is endless; read a bounded source, "
                "or look at a part of it with .head()"
            )


def _first_endless(operators: Operators, edges: Sequence[Edge]) -> Mapping[str, str]:
    """Return, for each operator that an unbounded source feeds, the first of these sources; each is its own."""
    readers: dict[str, list[str]] = {}
    for edge in edges:
        readers.setdefault(edge.up, []).append(edge.down)
    first: dict[str, str] = {}
    for source in operators.values():
        waiting = [source.id] if isinstance(source.spec, Source) and not source.spec.bounded else []
        while waiting:
            name = waiting.pop()
            if name not in first:
                first[name] = source.id
                waiting.extend(readers.get(name, ()))
    return first
