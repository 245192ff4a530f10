"""Keyed state: what operators remember, apart for every key group."""

from sabotnb.state.folds import Folds
from sabotnb.state.frozen import FrozenAggregates
from sabotnb.state.grouped import GroupedAggregates
from sabotnb.state.partials import BatchPartials
from sabotnb.state.single_key import size_of
from sabotnb.state.values import sortable

__all__ = ["BatchPartials", "Folds", "FrozenAggregates", "GroupedAggregates", "size_of", "sortable"]
