"""Edits of a job graph that rules are made of, and what a rule gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sabotnb.config import Config
from sabotnb.graph import Edge, JobGraph, Operator, Spec
from sabotnb.plan.sizes import Estimate


@dataclass(frozen=True, slots=True)
class RewriteStep:
    """One rewriting, for ``explain``: ``text`` says it in words.

    ``before`` and ``after`` count what the rule is about (columns read, operators, bytes); None where it counts
    nothing. ``gone`` are operators that this step has taken away: ``operator`` does their work now, if anybody does.
    """

    rule: str
    operator: str
    text: str
    before: int | None = None
    after: int | None = None
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The graph after one application of a rule, and what it did: at least one step."""

    graph: JobGraph
    steps: tuple[RewriteStep, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What rules may go by besides the graph itself."""

    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    config: Config = field(default_factory=Config)


GraphRule = Callable[[JobGraph, Known], Rewrite | None]
"""A pure function: the graph after one application, or None if there is nowhere to apply it.

A rule leaves alone what the user placed (``Operator.placed``): it never removes or moves a named operator.
"""


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """A rule that looks at one operator: ``at`` returns the graph after applying it there, or None.

    ``at`` goes by the operator, those that it reads and those that read it, with their edges and the schemas before
    and behind it, so that it is asked again only where one of these has changed. It is applied at the first operator
    where it can be; with ``upwards`` at the last in topological order.
    """

    at: Callable[[JobGraph, str, Known], Rewrite | None]
    upwards: bool = False


Rule = GraphRule | OperatorRule


def with_spec(graph: JobGraph, name: str, spec: Spec) -> JobGraph:
    """The graph with another spec for one operator."""
    return graph.derived({**graph.operators, name: replace(graph.operators[name], spec=spec)}, graph.edges)


def removed(graph: JobGraph, name: str) -> JobGraph:
    """The graph without a one-input operator; its readers read its input. ``removable`` says whether that is legal."""
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
    """The graph with ``operator`` in the middle of ``edge``, above its hint."""
    halves = (Edge(edge.up, operator.id, side=edge.side), replace(edge, up=operator.id, side=None))
    edges: list[Edge] = []
    for other in graph.edges:
        edges.extend(halves if other.down == edge.down and other == edge else (other,))
    return graph.derived({**graph.operators, operator.id: operator}, edges)


def beside(graph: JobGraph, upstream: str, name: str, spec: Spec) -> Operator:
    """A new operator that runs where ``upstream`` runs, so that the two are chained."""
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
    """The edge out of ``name`` if it is the only one, a main output, and nothing was asked of it."""
    outputs = graph.outputs(name)
    if len(outputs) != 1 or outputs[0].side is not None or outputs[0].hint is not None:
        return None
    return outputs[0]
