"""From the job graph that a user described to the execution graph that runs: optimize, choose edges, chain, expand."""

from sabotnb.graph import JobGraph
from sabotnb.plan import execution_graph_codec, expand
from sabotnb.plan.execution_graph import ExecutionGraph, ShuffleEdge, Vertex
from sabotnb.plan.execution_graph_codec import dump
from sabotnb.plan.expand import channels, downstreams, edge_id, input_edges, tasks, upstreams
from sabotnb.plan.explain.levels import explain
from sabotnb.plan.explain.operator_words import spread, summary
from sabotnb.plan.explain.state_meanings import has_state, state_details, state_meanings
from sabotnb.plan.explain.to_graphviz import to_graphviz
from sabotnb.plan.guarantees import can_resume, guarantees, passes_on, read_once
from sabotnb.plan.job_levels import JobLevels, dump_levels, load_levels, with_parallelism
from sabotnb.plan.optimize import Optimized, RewriteStep, optimize
from sabotnb.plan.partitioning import keys_behind
from sabotnb.plan.physical import physical, to_execution_graph
from sabotnb.plan.sizes import Estimate
from sabotnb.plan.split_queue import SplitQueue
from sabotnb.plan.sticky_tables import balanced_table, moved_groups, rescale_table

__all__ = [
    "Estimate",
    "ExecutionGraph",
    "JobLevels",
    "Optimized",
    "RewriteStep",
    "ShuffleEdge",
    "SplitQueue",
    "Vertex",
    "balanced_table",
    "can_resume",
    "channels",
    "downstreams",
    "dump",
    "dump_levels",
    "edge_id",
    "execution_graph_codec",
    "expand",
    "explain",
    "guarantees",
    "has_state",
    "input_edges",
    "keys_behind",
    "load_levels",
    "moved_groups",
    "optimize",
    "passes_on",
    "physical",
    "read_once",
    "rescale_table",
    "spread",
    "state_details",
    "state_meanings",
    "summary",
    "tasks",
    "to_execution_graph",
    "to_graphviz",
    "upstreams",
    "with_parallelism",
]

# The class is in the package below, which may not import this one; users call ``graph.to_graphviz()`` all the same.
JobGraph.to_execution_graph = to_execution_graph
JobGraph.to_graphviz = to_graphviz
