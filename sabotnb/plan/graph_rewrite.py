"""Building blocks of optimizer rules: edits of a job graph, and the result of applying a rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sabotnb.config import Config
from sabotnb.graph import Edge, JobGraph, Operator, Spec
from sabotnb.plan.sizes import Estimate


@dataclass(frozen=True, slots=True)
class RewriteStep:
    """One rewriting, for ``explain``: ``text`` describes it in words.

    ``before`` and ``after`` count what the rule reduces (columns read, operators, bytes), or are None. ``gone`` are the
    operators that this step removed; ``operator`` does their work now, unless it was not needed.
    """

    rule: str
    operator: str
    text: str
    before: int | None = None
    after: int | None = None
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The graph after one application of a rule, and the steps that describe it: at least one."""

    graph: JobGraph
    steps: tuple[RewriteStep, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Facts that rules may use besides the graph: estimated sizes of sources, and settings."""

    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    config: Config = field(default_factory=Config)


GraphRule = Callable[[JobGraph, Known], Rewrite | None]
"""A pure function that returns the graph after one application, or None if the rule applies nowhere.

A rule never removes or moves an operator that the user named or placed (``Operator.placed``).
"""


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """A rule that looks at one operator: ``at`` returns the graph after applying it there, or None.

    ``at`` may depend only on the operator, the operators that it reads and that read it, their edges, and the schemas
    before and behind it: ``Worklist`` calls it again only where one of these has changed. The rule is applied at the
    first operator where it can be; with ``upwards`` at the last in topological order.
    """

    at: Callable[[JobGraph, str, Known], Rewrite | None]
    upwards: bool = False


Rule = GraphRule | OperatorRule


def with_spec(graph: JobGraph, name: str, spec: Spec) -> JobGraph:
    """Return the graph with ``spec`` for operator ``name``."""
    return graph.derived({**graph.operators, name: replace(graph.operators[name], spec=spec)}, graph.edges)


def removed(graph: JobGraph, name: str) -> JobGraph:
    """Return the graph without a one-input operator; its readers read its input, and hints are kept."""
    above = graph.inputs(name)[0]
    edges = []
    for edge in graph.edges:
        if edge.up == name:
            edges.append(Edge(above.up, edge.down, edge.port, edge.hint or above.hint, above.side))
        elif edge.down != name:
            edges.append(edge)
    operators = {other: operator for other, operator in graph.operators.items() if other != name}
    return graph.derived(operators, edges)


def inserted(graph: JobGraph, edge: Edge, operator: Operator) -> JobGraph:
    """Return the graph with ``operator`` in the middle of ``edge``; the hint stays on the lower half."""
    halves = (Edge(edge.up, operator.id, side=edge.side), replace(edge, up=operator.id, side=None))
    edges: list[Edge] = []
    for other in graph.edges:
        edges.extend(halves if other.down == edge.down and other == edge else (other,))
    return graph.derived({**graph.operators, operator.id: operator}, edges)


def beside(graph: JobGraph, upstream: str, name: str, spec: Spec) -> Operator:
    """Return a new operator with the parallelism and placement of ``upstream``, so that the two are chained."""
    up = graph.operators[upstream]
    return Operator(
        name,
        spec,
        parallelism=up.parallelism,
        max_parallelism=up.max_parallelism,
        slot_group=up.slot_group,
        tags=up.tags,
    )


def sole_reader(graph: JobGraph, name: str) -> Edge | None:
    """Return the edge out of ``name`` if it is the only one, a main output and without a hint; else None."""
    outputs = graph.outputs(name)
    if len(outputs) != 1 or outputs[0].side is not None or outputs[0].hint is not None:
        return None
    return outputs[0]
