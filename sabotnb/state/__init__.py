"""Keyed state: what operators remember, apart for every key group."""

from sabotnb.state.folds import Folds
from sabotnb.state.grouped import GroupedAggregates
from sabotnb.state.keys import size_of
from sabotnb.state.partials import BatchPartials
from sabotnb.state.values import sortable

__all__ = ["BatchPartials", "Folds", "GroupedAggregates", "size_of", "sortable"]
