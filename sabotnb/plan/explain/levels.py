"""Describe a job at its three levels as text: as written, as optimized with each step, as it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sabotnb.diagram import picture
from sabotnb.graph import JobGraph
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.plan.expand import channels
from sabotnb.plan.explain.operator_words import spread, summary
from sabotnb.plan.graph_rewrite import RewriteStep
from sabotnb.plan.guarantees import guarantees
from sabotnb.plan.optimize import Optimized


def explain(
    logical: JobGraph,
    optimized: Optimized | None = None,
    execution: ExecutionGraph | None = None,
    *,
    checkpoints: bool = True,
) -> str:
    """Return the levels that are passed, each under its heading, then the vertices as boxes.

    If rows leave the job other than to be collected, the end is what is promised about them, with ``checkpoints`` or
    without.
    """
    levels = [("logical", list(operator_lines(logical)))]
    if optimized is not None:
        levels.append(("optimizer", list(step_lines(optimized.steps)) or ["nothing to improve"]))
        levels.append(("optimized", list(operator_lines(optimized.graph))))
    if execution is not None:
        levels.append(("physical", list(execution_lines(execution))))
    texts = ["\n".join([f"== {title} ==", *lines]) for title, lines in levels]
    if execution is not None:
        texts.append(_vertex_boxes(execution))
    if promises := guarantees(logical, checkpoints=checkpoints):
        texts.append("\n".join(["== guarantees ==", *map(str, promises)]))
    return "\n\n".join(texts)


def _vertex_boxes(graph: ExecutionGraph) -> str:
    """Return a drawing for terminals: a box for each vertex, with its tasks, and labeled lines for edges."""
    boxes = {
        vertex.id: (vertex.id, _chained(vertex.parallelism, len(vertex.operators)))
        for vertex in graph.vertices.values()
    }
    return picture(boxes, [(edge.up, edge.down, spread(edge.type, edge.keys)) for edge in graph.edges])


def operator_lines(graph: JobGraph) -> Iterator[str]:
    """Yield one line per operator in topological order: id, kind, summary, inputs."""
    order = graph.topological_sort()
    width = max(map(len, order), default=0)
    for name in order:
        spec = graph.operators[name].spec
        inputs = [edge.up if edge.side is None else f"{edge.up}.{edge.side}" for edge in graph.inputs(name)]
        read = f"  <- {', '.join(inputs)}" if inputs else ""
        yield f"{name:<{width}}  {spec.kind}: {summary(spec)}{read}"


def step_lines(steps: tuple[RewriteStep, ...]) -> Iterator[str]:
    """Yield one line per step of the optimizer, with its counts if it has any; then a line of steps per rule."""
    width = max((len(step.rule) for step in steps), default=0)
    for step in steps:
        counted = f" ({step.before} -> {step.after})" if step.before is not None and step.after is not None else ""
        yield f"{step.rule:<{width}}  {step.operator}: {step.text}{counted}"
    if steps:
        per_rule = Counter(step.rule for step in steps)
        yield f"{len(steps)} step{'s' * (len(steps) > 1)}: " + ", ".join(
            f"{rule} {count}" for rule, count in per_rule.items()
        )


def execution_lines(graph: ExecutionGraph) -> Iterator[str]:
    """Yield lines for vertices with their chains, edges with their channels, and totals."""
    width = max(map(len, graph.vertices), default=0)
    for vertex in graph.vertices.values():
        yield f"{vertex.id:<{width}}  x{vertex.parallelism}  {_chain(vertex)}"
    for edge in graph.edges:
        yield f"{edge.up} -> {edge.down}:{edge.port}  {_edge(edge, graph)}"
    tasks = sum(vertex.parallelism for vertex in graph.vertices.values())
    yield f"{tasks} tasks in {slots_needed(graph)} slots; {graph.groups} key groups"


def slots_needed(graph: ExecutionGraph) -> int:
    """Return how many slots are needed: a sharing group shares its slots, so it needs its largest parallelism."""
    largest: dict[str, int] = {}
    for vertex in graph.vertices.values():
        largest[vertex.slot_group] = max(largest.get(vertex.slot_group, 0), vertex.parallelism)
    return sum(largest.values())


def _chain(vertex: Vertex) -> str:
    names = " > ".join(operator.id for operator in vertex.operators)
    placed = [f"slot group {vertex.slot_group}"] if vertex.slot_group != "default" else []
    placed += [f"tags {', '.join(sorted(vertex.tags))}"] if vertex.tags else []
    placed += [f"key domain {vertex.domain}"] if vertex.domain else []
    return f"[{names}]" + (f"  {'; '.join(placed)}" if placed else "")


def _chained(tasks: int, operators: int) -> str:
    more = operators - 1
    return f"x{tasks}" + (f", {more} chained" if more else "")


def _edge(edge: ShuffleEdge, graph: ExecutionGraph) -> str:
    up, down = graph.vertices[edge.up].parallelism, graph.vertices[edge.down].parallelism
    side = f", side {edge.side}" if edge.side else ""
    return f"{spread(edge.type, edge.keys)}  {up} to {down}, {len(channels(edge, graph))} channels{side}"
