"""From what the user described to what runs: optimizing, choosing edges, chaining, expanding to tasks."""

from sabotnb.plan import codec, expand
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.plan.expand import channels, downstreams, edge_id, tasks, upstreams
from sabotnb.plan.explain import explain
from sabotnb.plan.job_graph import PlannedJobGraph
from sabotnb.plan.layout import Box, Layout, layout
from sabotnb.plan.optimize import Optimized, Step, optimize
from sabotnb.plan.physical import physical
from sabotnb.plan.picture import picture
from sabotnb.plan.sizes import Estimate
from sabotnb.plan.tables import balanced_table, moved_groups, rescale_table

__all__ = [
    "Box",
    "Estimate",
    "ExecutionGraph",
    "Layout",
    "Optimized",
    "PlannedJobGraph",
    "ShuffleEdge",
    "Step",
    "Vertex",
    "balanced_table",
    "channels",
    "codec",
    "downstreams",
    "edge_id",
    "expand",
    "explain",
    "layout",
    "moved_groups",
    "optimize",
    "physical",
    "picture",
    "rescale_table",
    "tasks",
    "upstreams",
]
