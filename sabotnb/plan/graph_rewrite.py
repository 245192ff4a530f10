"""Building blocks of optimizer rules: what a rule is, what it knows, and what its application returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sabotnb.config import Config
from sabotnb.graph import Edge, JobGraph, Operator, Spec, is_stateful
from sabotnb.plan.graph_draft import GraphDraft
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
    """The graph after one application of a ``GraphRule``, and the steps that describe it: at least one."""

    graph: JobGraph
    steps: tuple[RewriteStep, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Facts that rules may use besides the graph: estimated sizes of sources, and settings."""

    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    config: Config = field(default_factory=Config)


GraphRule = Callable[[JobGraph, Known], Rewrite | None]
"""A pure function that returns the graph after one application, or None if the rule applies nowhere.

It applies at all operators at once where it can: each application costs a walk over the graph.
A rule never removes or moves an operator that the user named or placed (``Operator.placed``).
"""


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """A rule that looks at one operator: ``at`` edits the draft there and returns the step, or None and no edit.

    ``at`` may depend only on the operator, its edges, the operators at their other ends, and the schemas of its inputs
    and its output: ``Worklist`` calls it again only where one of these has changed. The rule is applied at the first
    operator where it can be; with ``upwards`` at the last in topological order.
    """

    at: Callable[[GraphDraft, str, Known], RewriteStep | None]
    upwards: bool = False


Rule = GraphRule | OperatorRule


def beside(graph: JobGraph | GraphDraft, upstream: str, name: str, spec: Spec) -> Operator:
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


def sole_reader(graph: JobGraph | GraphDraft, name: str) -> Edge | None:
    """Return the edge out of ``name`` if it is the only one, a main output and without a hint; else None."""
    outputs = graph.outputs(name)
    if len(outputs) != 1:
        return None
    edge = next(iter(outputs))
    return edge if edge.side is None and edge.hint is None else None


def keeps_hint(graph: GraphDraft, name: str) -> bool:
    """True if the hint on the edge into ``name``, if there is one, says the same on an edge into its only reader.

    It does not where the reader has another number of tasks, or an input where hints are ignored: a broadcast would
    send another number of copies, and FORWARD may be impossible there.
    """
    if graph.inputs(name)[0].hint is None:
        return True
    edge = sole_reader(graph, name)
    if edge is None:
        return False
    operator, reader = graph.operators[name], graph.operators[edge.down]
    same_tasks = (operator.parallelism, operator.max_parallelism) == (reader.parallelism, reader.max_parallelism)
    return same_tasks and not is_stateful(reader.spec)
