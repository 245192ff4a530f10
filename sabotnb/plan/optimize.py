"""The optimizer: small rules, applied until none applies any more.

Phases run in order, each to its fixpoint, because later rules rest on what earlier ones settled: sides of joins are
measured after columns were dropped, and pre-aggregations are split off last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sabotnb.config import Config
from sabotnb.errors import GraphError
from sabotnb.graph import JobGraph
from sabotnb.plan.graph_rewrite import Known, RewriteStep, Rule
from sabotnb.plan.rules.choose_join import choose_join
from sabotnb.plan.rules.filter_files import filter_files
from sabotnb.plan.rules.merge_filters import merge_filters
from sabotnb.plan.rules.merge_projects import drop_identity, merge_projects
from sabotnb.plan.rules.merge_unions import merge_unions
from sabotnb.plan.rules.narrow_columns import narrow_columns
from sabotnb.plan.rules.prune import prune
from sabotnb.plan.rules.push_filters import push_filters
from sabotnb.plan.rules.read_dictionaries import read_dictionaries
from sabotnb.plan.rules.two_phases import two_phases
from sabotnb.plan.sizes import Estimate
from sabotnb.plan.worklist import Worklist

__all__ = ["Optimized", "RewriteStep", "optimize"]

PHASES: Sequence[Sequence[Rule]] = (
    (prune,),  # first, and once: no rule leaves an operator that leads nowhere
    (merge_unions,),
    (merge_filters, push_filters, filter_files, merge_projects, drop_identity, narrow_columns),
    (choose_join,),
    (read_dictionaries,),
    (two_phases,),
)

MOST_STEPS_PER_OPERATOR = 100
"""Rules that undo each other are a defect; this ends them loudly."""


@dataclass(frozen=True, slots=True)
class Optimized:
    """The graph after every rule, and what each application did, in order."""

    graph: JobGraph
    steps: tuple[RewriteStep, ...]


def optimize(
    graph: JobGraph, estimates: Mapping[str, Estimate] | None = None, config: Config | None = None
) -> Optimized:
    """Rewrite a validated graph into one that gives the same results with less work.

    ``estimates`` are sizes of sources by operator id; without one, nothing that it feeds is broadcast. ``config`` is by
    default that of the environment. Touches no file. Sources and sinks keep their ids.
    """
    known = Known(estimates or {}, config or Config.from_environment())
    steps: list[RewriteStep] = []
    limit = MOST_STEPS_PER_OPERATOR * (len(graph.operators) + 1)
    for rules in PHASES:
        worklist = Worklist(rules, graph, known)
        while (rewrite := worklist.apply_next()) is not None:
            graph = rewrite.graph
            steps.extend(rewrite.steps)
            if len(steps) > limit:
                raise GraphError(f"the optimizer does not come to an end; it last did: {steps[-2:]}. Please report it")
    return Optimized(graph, tuple(steps))
