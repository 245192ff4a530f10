"""Keyed state of operators: aggregates, rows and keys, stored separately for each key group."""

from sabotnb.state.build_side import BuildSide
from sabotnb.state.grouped import GroupedAggregates
from sabotnb.state.grouped_batches import GroupedBatches
from sabotnb.state.held_rows import GroupedRows, KeyedRows
from sabotnb.state.key_set import KeySet
from sabotnb.state.keys import MISSING, check_group, compared, complete
from sabotnb.state.partials import BatchPartials
from sabotnb.state.reducers import Reducers, Row
from sabotnb.state.retention import Direction, Retention, position, tied
from sabotnb.state.values import encoded_as, sortable

__all__ = [
    "MISSING",
    "BatchPartials",
    "BuildSide",
    "Direction",
    "GroupedAggregates",
    "GroupedBatches",
    "GroupedRows",
    "KeySet",
    "KeyedRows",
    "Reducers",
    "Retention",
    "Row",
    "check_group",
    "compared",
    "complete",
    "encoded_as",
    "position",
    "sortable",
    "tied",
]
