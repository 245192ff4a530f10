"""Keyed state: what operators remember, apart for every key group."""

from sabotnb.state.build_side import BuildSide
from sabotnb.state.folds import Folds
from sabotnb.state.grouped import GroupedAggregates
from sabotnb.state.held_rows import GroupedRows, KeyedRows
from sabotnb.state.keep import Direction, Keep, position, tied
from sabotnb.state.key_set import KeySet
from sabotnb.state.keys import complete
from sabotnb.state.partials import BatchPartials
from sabotnb.state.pieces import Joined
from sabotnb.state.values import encoded_as, sortable

__all__ = [
    "BatchPartials",
    "BuildSide",
    "Direction",
    "Folds",
    "GroupedAggregates",
    "GroupedRows",
    "Joined",
    "Keep",
    "KeySet",
    "KeyedRows",
    "complete",
    "encoded_as",
    "position",
    "sortable",
    "tied",
]
