"""The optimizer: applies small rewriting rules to a job graph until none applies.

Theory of operation
-------------------
A rule makes a better graph or leaves it as it is: at one operator of a draft that it edits, or at all of them in one
walk over an immutable graph (``graph_rewrite``). Each rule must keep the results and the ids of sources and sinks, and
must neither remove nor move operators that the user named or placed.

``PHASES`` run in order, each to its fixpoint. Their order matters:

- ``prune`` comes first, so that no later rule spends time on operators whose rows reach no sink.
- The rules of the third phase feed each other: filters that were pushed together merge, a merged projection frees
  columns, a removed projection lets a filter reach the file.
- Joins choose a strategy after columns were dropped, because the size of a side depends on them.
- Dictionaries come after joins, because they pass the left side of a broadcast join and no other.
- Pre-aggregations are split off last. Whether rows travel to an aggregate depends on the strategies of joins, and
  most rules before handle aggregates of ``Phase.FULL`` only.

Each phase must terminate: a rule has to reduce something (operators, columns, open choices) or move a filter towards
its sources, and no rule of a phase may undo another. A mistake there becomes an error after ``_most_steps``.
How a phase finds the next rewriting without searching the whole graph each time is in ``worklist``.
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
from sabotnb.plan.rules.merge_projects import drop_identity, merge_projects, merge_renamings
from sabotnb.plan.rules.merge_unions import merge_unions
from sabotnb.plan.rules.narrow_columns import narrow_columns
from sabotnb.plan.rules.prune import prune
from sabotnb.plan.rules.push_filters import push_filters, push_filters_past_renaming
from sabotnb.plan.rules.read_dictionaries import read_dictionaries
from sabotnb.plan.rules.two_phases import two_phases
from sabotnb.plan.sizes import Estimate
from sabotnb.plan.worklist import Worklist

__all__ = ["Optimized", "RewriteStep", "optimize"]

PHASES: Sequence[Sequence[Rule]] = (
    (prune,),  # once is enough: no later rule leaves an operator that leads nowhere
    (merge_unions,),
    (
        merge_filters,
        merge_renamings,
        push_filters_past_renaming,
        push_filters,
        filter_files,
        merge_projects,
        drop_identity,
        narrow_columns,
    ),
    (choose_join,),
    (read_dictionaries,),
    (two_phases,),
)

STEPS_PER_OPERATOR = 100
"""Most steps at an operator, besides the filters that pass it: each filter of a plan may."""


@dataclass(frozen=True, slots=True)
class Optimized:
    """The graph after all rules, and the steps of each application, in order."""

    graph: JobGraph
    steps: tuple[RewriteStep, ...]


def optimize(
    graph: JobGraph, estimates: Mapping[str, Estimate] | None = None, config: Config | None = None
) -> Optimized:
    """Rewrite a validated graph into one that returns the same results with less work.

    ``estimates`` are sizes of sources by operator id; a join side of unknown size is not broadcast.
    ``config`` defaults to that of the environment. Reads no files. Sources and sinks keep their ids.
    """
    known = Known(estimates or {}, config or Config.from_environment())
    steps: list[RewriteStep] = []
    limit = _most_steps(len(graph.operators))
    for rules in PHASES:
        worklist = Worklist(rules, graph, known)
        while applied := worklist.apply_next():
            steps.extend(applied)
            if len(steps) > limit:
                raise GraphError(
                    f"the optimizer does not terminate; its last steps were {steps[-2:]}. Please report it"
                )
        graph = worklist.graph()
    return Optimized(graph, tuple(steps))


def _most_steps(operators: int) -> int:
    """Return a number of steps that only rules which undo each other exceed, and these are a defect."""
    return STEPS_PER_OPERATOR * (operators + 1) + operators**2
