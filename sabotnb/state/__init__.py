"""Keyed state: what operators remember, apart for every key group."""

from sabotnb.state.frozen import FrozenAggregates
from sabotnb.state.grouped import GroupedAggregates
from sabotnb.state.partials import BatchPartials

__all__ = ["BatchPartials", "FrozenAggregates", "GroupedAggregates"]
