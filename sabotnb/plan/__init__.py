"""From what the user described to what runs: optimizing, choosing edges, chaining, expanding to tasks."""

from sabotnb.diagram import Layout, LayoutBox, layout, picture
from sabotnb.plan import execution_graph_codec, expand
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.plan.execution_graph_codec import dump
from sabotnb.plan.expand import channels, downstreams, edge_id, input_edges, tasks, upstreams
from sabotnb.plan.explain.levels import explain
from sabotnb.plan.explain.operator_words import spread, summary
from sabotnb.plan.job_graph import PlannedJobGraph
from sabotnb.plan.optimize import Optimized, RewriteStep, optimize
from sabotnb.plan.physical import physical
from sabotnb.plan.placed import Placed
from sabotnb.plan.sizes import Estimate
from sabotnb.plan.sticky_tables import balanced_table, moved_groups, rescale_table

__all__ = [
    "Estimate",
    "ExecutionGraph",
    "Layout",
    "LayoutBox",
    "Optimized",
    "Placed",
    "PlannedJobGraph",
    "RewriteStep",
    "ShuffleEdge",
    "Vertex",
    "balanced_table",
    "channels",
    "downstreams",
    "dump",
    "edge_id",
    "execution_graph_codec",
    "expand",
    "explain",
    "input_edges",
    "layout",
    "moved_groups",
    "optimize",
    "physical",
    "picture",
    "rescale_table",
    "spread",
    "summary",
    "tasks",
    "upstreams",
]
